"""Where to listen: ``host:port`` as the flag has it, into bound sockets."""

import errno
import ipaddress
import os
import socket

from llamaswap.errors import ConfigError

DEFAULT_PORT, DEFAULT_TLS_PORT = 8080, 8443
#: Kernel memory for what a client does not read; bounds what one stalled client holds.
SEND_BUFFER_BYTES = 256 * 1024
_BACKLOG = 1024


def parse_listen(text: str) -> tuple[str, int]:
    """Split ``host:port``, ``:port`` or ``[v6]:port``. An empty host means every interface.

    Raises:
        ConfigError: it is none of these.
    """
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        colon = ""
    if not colon or not port.isdigit() or int(port) > 65535:
        raise ConfigError(f"-listen {text!r}: expected HOST:PORT, such as 127.0.0.1:8080, [::1]:8080 or :8080")
    return host, int(port)


def bind(listen: str | None, *, tls: bool) -> list[socket.socket]:
    """Bound, listening, non-blocking sockets. Without *listen*: the loopback addresses on the default port.

    Raises:
        ConfigError: the address is malformed, in use, or not ours; the message says which and what to do.
    """
    if listen is None:
        port = DEFAULT_TLS_PORT if tls else DEFAULT_PORT
        sockets = [_bound(socket.AF_INET, "127.0.0.1", port)]
        if _has_ipv6_loopback():
            sockets.append(_bound(socket.AF_INET6, "::1", port))
        return sockets
    host, port = parse_listen(listen)
    if not host:
        family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
        return [_bound(family, "::" if family == socket.AF_INET6 else "0.0.0.0", port, dual=True)]
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ConfigError(f"-listen {listen}: cannot resolve {host!r}: {error.strerror}") from error
    return [_bound(family, str(address[0]), port) for family, address in {(f, a) for f, _, _, _, a in found}]


def is_loopback(sock: socket.socket) -> bool:
    """Whether only this machine can reach *sock*."""
    return ipaddress.ip_address(sock.getsockname()[0].partition("%")[0]).is_loopback


def shown(sock: socket.socket) -> str:
    """``host:port`` of *sock*, for people."""
    return _joined(*sock.getsockname()[:2])


def _bound(family: int, host: str, port: int, *, dual: bool = False) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if dual else 1)
        sock.bind((host, port))
        sock.listen(_BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise ConfigError(_explain(host, port, error)) from error
    return sock


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _explain(host: str, port: int, error: OSError) -> str:
    remedy = {
        errno.EADDRINUSE: "another program listens there; stop it, or choose another address with -listen",
        errno.EACCES: "ports below 1024 need a privilege; choose another with -listen",
        errno.EADDRNOTAVAIL: "this machine has no such address; see `ip address`, or choose another with -listen",
    }.get(error.errno or 0, "choose another address with -listen")
    return f"cannot listen on {_joined(host, port)}: {os.strerror(error.errno or 0)}: {remedy}"


def _has_ipv6_loopback() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
