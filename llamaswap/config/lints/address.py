"""What a URL says about where a server is."""

from urllib.parse import urlsplit

from llamaswap.config.assemble.ports import port_of

#: A server that is started here and listens on every interface may be written as the address of all of them.
_HERE = frozenset({"localhost", "::1", "0.0.0.0", "::"})


def host_of(url: str) -> str:
    """The host, in lower case; empty if there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def is_here(url: str) -> bool:
    """Whether the host is this machine for sure."""
    host = host_of(url)
    return host in _HERE or host.startswith("127.") or host.endswith(".localhost")


def port_here(url: str) -> int | None:
    """The port, if the host is this machine."""
    return port_of(url) if is_here(url) else None
