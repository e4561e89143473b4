"""Whether a text can be read as a URL, by the rules of Go's parser: existing files were written against those."""

import re

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ASCII_ESCAPE = re.compile(r"%(?!25)[0-7][0-9A-Fa-f]")
_BAD_IN_HOST = re.compile(r"[ \\^`{|}\[]")
_USER = re.compile(r"[A-Za-z0-9\-._:~!$&'()*+,;=%@]*")
_PORT = re.compile(r"(:[0-9]*)?")


def why_no_url(text: str) -> str | None:
    """What is wrong with *text* as a URL; None if it can be parsed, however useless it may be."""
    if _CONTROL.search(text):
        return "it holds a control character"
    body, _, fragment = text.partition("#")
    if body.startswith(":"):
        return "the scheme (http:) is missing"
    scheme = _SCHEME.fullmatch(body)
    rest = (scheme[2] if scheme else body).partition("?")[0]
    if not rest.startswith("/"):
        # After a scheme, such a rest is not looked into; without one, host:port would be mistaken for a path.
        no_scheme = not scheme and ":" in rest.partition("/")[0]
        return "the scheme (http://) is missing" if no_scheme else _why_no_path("" if scheme else rest, fragment)
    if not rest.startswith("//"):
        return _why_no_path(rest, fragment)
    authority, slash, path = rest[2:].partition("/")
    return _why_no_authority(authority) or _why_no_path(slash + path, fragment)


def _why_no_path(path: str, fragment: str) -> str | None:
    broken = _BROKEN_ESCAPE.search(path) or _BROKEN_ESCAPE.search(fragment)
    return "a % is not followed by two hexadecimal digits" if broken else None


def _why_no_authority(authority: str) -> str | None:
    user, _, host = authority.rpartition("@")
    if not _USER.fullmatch(user) or _BROKEN_ESCAPE.search(user):
        return "the part before the @ holds a character that must be written as %XX"
    if host.startswith("["):
        return _why_no_ipv6(host)
    name, colon, port = host.partition(":")
    if not _PORT.fullmatch(colon + port):
        return "the port is not a number"
    return _why_no_host(name)


def _why_no_ipv6(host: str) -> str | None:
    inside, bracket, port = host[1:].rpartition("]")
    if not bracket:
        return "the closing ] is missing"
    if not _PORT.fullmatch(port):
        return "the port is not a number"
    address, _, zone = inside.partition("%25")
    return _why_no_host(address) or ("the zone is wrong" if _BROKEN_ESCAPE.search(zone) else None)


def _why_no_host(name: str) -> str | None:
    bad = _BAD_IN_HOST.search(name)
    if bad:
        return f"the host holds {bad[0]!r}"
    if _BROKEN_ESCAPE.search(name) or _ASCII_ESCAPE.search(name):
        return "the host holds a % that does not belong there"
    return None
