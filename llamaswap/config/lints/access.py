"""Who is let in, and where rows are kept."""

from collections.abc import Iterator
from pathlib import PurePath

from llamaswap.config.assemble.access import SCHEME
from llamaswap.config.lints.facts import Facts, Lint
from llamaswap.config.reading.store_path import IN_MEMORY

_SHORTEST_KEY = 16


def short_key(facts: Facts) -> Iterator[Lint]:
    """A key that can be guessed."""
    for path, key in facts.written.items(("apiKeys",)):
        if len(key) < _SHORTEST_KEY:
            what = f"an API key of less than {_SHORTEST_KEY} characters can be guessed"
            yield Lint("short-key", path, what, "make one: openssl rand -hex 16")


def repeated_key(facts: Facts) -> Iterator[Lint]:
    """The same key twice."""
    seen: set[str] = set()
    for path, key in facts.written.items(("apiKeys",)):
        if key in seen:
            yield Lint("repeated-key", path, "this API key is in the list already", "remove it")
        seen.add(key)


def open_cors(facts: Facts) -> Iterator[Lint]:
    """Every web page may use the models."""
    if "*" in facts.config.cors_origins and not facts.config.api_keys:
        what = "every web page that is open in a browser here may use the models, because no API key is needed"
        yield Lint("open-cors", ("cors", "origins"), what, "name the origins, or set apiKeys")


def relative_store(facts: Facts) -> Iterator[Lint]:
    """A database that is wherever the daemon was started."""
    path = facts.config.store_path
    if path is not None and path != IN_MEMORY and not PurePath(path).is_absolute():
        what = "a relative path: the database is wherever the daemon was started from"
        yield Lint("relative-store", ("store", "path"), what, "write an absolute path")


def bearer_key(facts: Facts) -> Iterator[Lint]:
    """A peer's key with what is put before it anyway."""
    for peer in facts.config.peers.values():
        if scheme := SCHEME.match(peer.api_key):
            what = "the peer is sent Authorization: Bearer and then this, which begins so too"
            yield Lint("bearer-key", ("peers", peer.id, "apiKey"), what, f"leave out {scheme[1]}")


RULES = (short_key, repeated_key, open_cors, relative_store, bearer_key)
