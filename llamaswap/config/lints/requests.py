"""What a model's server is asked, and how requests to it are changed."""

import re
from collections.abc import Iterator

from llamaswap.config.lints.facts import Facts, Lint
from llamaswap.config.parts import Filters
from llamaswap.config.text.problems import KeyPath

_URL = re.compile(r"\s*[a-z][a-z0-9+.-]*://[^/?#]*(\S*)", re.IGNORECASE)
#: An escaped character, or one that would stand for several keys.
_WILD = re.compile(r"\\.|([*?#@|])", re.DOTALL)


def check_url(facts: Facts) -> Iterator[Lint]:
    """A whole address where the path behind `proxy` is due: nobody answers at that path."""
    for model in facts.config.models.values():
        path: KeyPath = ("models", model.id, "checkEndpoint")
        if found := _URL.match(model.check_endpoint):
            known = facts.written.may_show(path)
            what = "an address where a path is due: it is asked of the server at proxy"
            yield Lint("check-url", path, what, f"write {found[1] or '/'}" if known else "write /health or the like")


def wildcard_key(facts: Facts) -> Iterator[Lint]:
    """A key to set or delete that would be several keys: requests fail."""
    for model in facts.config.models.values():
        yield from _wildcards(model.filters, ("models", model.id, "filters"), facts)
    for peer in facts.config.peers.values():
        yield from _wildcards(peer.filters, ("peers", peer.id, "filters"), facts)


def _wildcards(filters: Filters, path: KeyPath, facts: Facts) -> Iterator[Lint]:
    strip = "stripParams" if facts.written.given((*path, "stripParams")) else "strip_params"
    places: list[tuple[KeyPath, str]] = [((*path, strip), key) for key in filters.strip_params]
    places += [((*path, "setParams", key), key) for key in filters.set_params]
    for name, settings in filters.set_params_by_id.items():
        places += [((*path, "setParamsByID", name, key), key) for key in settings]
    for where, key in places:
        if wild := next((found[1] for found in _WILD.finditer(key) if found[1]), ""):
            what = f"{wild} would stand for several keys, which cannot be done: requests fail"
            yield Lint("wildcard-key", where, what, f"name each key, or write \\{wild} for the character itself")


RULES = (check_url, wildcard_key)
