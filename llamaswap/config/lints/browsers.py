"""Which web pages and which names of this machine are let in: texts that are compared as they are."""

import re
from collections.abc import Iterator

from llamaswap.config.lints.facts import Facts, Lint

_ORIGIN = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>[^/?#@\s]*)(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
#: Browsers leave out the port that a scheme has anyway.
_USUAL_PORTS = {"http": ":80", "https": ":443"}
_PORT = re.compile(r":\d*$")


def cors_origin(facts: Facts) -> Iterator[Lint]:
    """An origin as no browser sends it."""
    for path, text in facts.written.items(("cors", "origins")):
        if text not in ("*", "null") and (found := _why_no_origin(text)):
            what, remedy = found
            shown = facts.written.may_show(path)
            yield Lint("cors-origin", path, what, remedy if shown else "write scheme://host or scheme://host:port")


def allowed_host(facts: Facts) -> Iterator[Lint]:
    """A host with what is not a part of its name."""
    for path, text in facts.written.items(("allowedHosts",)):
        if text == "*" or _is_ipv6(text) or not (name := _host_in(text)):
            continue
        if name.startswith(("*.", ".")):
            yield Lint(
                "allowed-host", path, "hosts are compared by their whole names", "name each of them, or write '*'"
            )
        elif name != text:
            remedy = f"write {name}" if facts.written.may_show(path) else "write the name alone"
            yield Lint("allowed-host", path, "only a name is compared here: no scheme, port, path or blank", remedy)


def _why_no_origin(text: str) -> tuple[str, str] | None:
    """What is wrong with *text*, and what to write; slashes at its end are passed over by those who compare."""
    found = _ORIGIN.fullmatch(text)
    if not found:
        return (
            "an origin begins with a scheme; this matches none",
            f"write https://{text.strip()}, or http:// if that is used",
        )
    scheme, host = found["scheme"], found["host"]
    if "*" in host:
        return "origins are compared as a whole; * does not stand for a part", "name each of them, or write '*' for all"
    usual = _USUAL_PORTS.get(scheme.lower(), " ")
    if found["rest"].strip("/") or host.endswith(usual):
        meant = f"{scheme}://{host.removesuffix(usual)}"
        return (
            "browsers send scheme and host, and a port if it is not the usual one; this matches none",
            f"write {meant}",
        )
    return None


def _host_in(text: str) -> str:
    """The name that *text*, a URL or a part of one, is about."""
    found = _ORIGIN.fullmatch(text.strip())
    return _PORT.sub("", found["host"] if found else text.strip().partition("/")[0]).rstrip(".")


def _is_ipv6(text: str) -> bool:
    return text.count(":") > 1 and "/" not in text


RULES = (cors_origin, allowed_host)
