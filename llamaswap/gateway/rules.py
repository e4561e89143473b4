"""Who may ask: host, origin and key, in this order, before a request is routed. Pure, but for the machine's name.

Without these a web page the user happens to visit could drive the daemon: a browser sends requests to any address,
and a name that an attacker controls can be made to resolve to the loopback address.
"""

import base64
import binascii
import hmac
import ipaddress
import re
import socket
from functools import lru_cache
from urllib.parse import urlsplit

from llamaswap.config.schema import Config
from llamaswap.errors import ForbiddenError, UnauthorizedError
from llamaswap.proxy.request import Request

#: Origins of programs rather than of web pages.
_APP_SCHEMES = frozenset(
    (
        "app",
        "capacitor",
        "chrome-extension",
        "file",
        "moz-extension",
        "ms-browser-extension",
        "safari-web-extension",
        "tauri",
        "vscode-webview",
    )
)
#: No browser sends more than scheme, host and port; what else `urlsplit` might read into it is not our business.
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*:(//[^/?#@\\\s]*)?")
#: No host name and no origin is longer; what is would only fill the caches of those who take it apart.
_MAX_NAME = 512
_LOCAL_SUFFIXES = (".localhost", ".local", ".lan", ".internal")
#: Answered to anybody, key or not.
OPEN_PATHS = frozenset((b"/health", b"/wol-health", b"/", b"/favicon.ico", b"/upstream"))
#: Pages a link on another site may lead to: they show something and change nothing.
_PAGES = frozenset((b"/", b"/ui", b"/health", b"/upstream"))


def machine_names() -> frozenset[str]:
    """The names by which this machine calls itself."""
    name = socket.gethostname().lower()
    return frozenset((name, name.partition(".")[0]))


class Rules:
    """The rules of one configuration and one set of listening addresses."""

    def __init__(self, config: Config, *, loopback_only: bool, names: frozenset[str] | None = None) -> None:
        self._hosts = {host.lower() for host in config.allowed_hosts} | (machine_names() if names is None else names)
        self._origins = {origin.lower().rstrip("/") for origin in config.cors_origins}
        self._keys = tuple(key.encode() for key in config.api_keys)
        self._check_hosts = loopback_only and "*" not in config.allowed_hosts

    def check(self, request: Request) -> None:
        """Let *request* pass.

        Raises:
            ForbiddenError: a foreign host or origin.
            UnauthorizedError: keys are configured and none of them came with it.
        """
        known = request.known
        host = known.get(b"host")
        if self._check_hosts and host is not None and not self.host_known(host):
            raise ForbiddenError(
                f"host {_shown(host)} is not allowed; use localhost or an address, or list it in allowedHosts"
            )
        origin = known.get(b"origin")
        if origin is not None:
            self._check_origin(origin, host or b"")
        elif known.get(b"sec-fetch-site") == b"cross-site" and not _is_page(request):
            raise ForbiddenError("a page of another site may not do this; allow its origin in cors.origins")
        if self._keys and request.method != b"OPTIONS" and request.path not in OPEN_PATHS:
            self._check_key(request)

    def host_known(self, host: bytes) -> bool:
        """Whether *host* (with or without port) names this machine and nothing an attacker could have registered."""
        if len(host) > _MAX_NAME:
            return False
        name = _host_name(host)
        if name == "localhost" or name in self._hosts or name.endswith(_LOCAL_SUFFIXES):
            return True
        return _is_address(name)

    def _check_origin(self, origin: bytes, host: bytes) -> None:
        text = origin.decode("latin-1").strip().lower().rstrip("/")
        if "*" in self._origins or text in self._origins:
            return
        try:
            parts = urlsplit(text if len(text) <= _MAX_NAME and _ORIGIN.fullmatch(text) else "")
            name = parts.hostname or ""
        except ValueError:
            name, parts = "", urlsplit("")
        if parts.scheme in _APP_SCHEMES or name == "localhost" or name.endswith(".localhost") or _is_loopback(name):
            return
        if parts.netloc and parts.netloc.encode() == host.strip().lower() and self.host_known(host):
            return  # our own page, opened under one of our names
        raise ForbiddenError(f"origin {_shown(origin)} is not allowed; list it in cors.origins")

    def _check_key(self, request: Request) -> None:
        presented = credential(request)
        # Every key is compared, so that the time says neither which one matched nor how far.
        matches = [hmac.compare_digest(key, presented) for key in self._keys] if presented else []
        if not any(matches):
            raise UnauthorizedError("unauthorized: invalid or missing API key")


def credential(request: Request) -> bytes:
    """The key a request carries: Basic's password, Bearer's token, or ``x-api-key``; empty if none."""
    authorization = request.known.get(b"authorization", b"").strip()
    scheme, _, value = authorization.partition(b" ")
    if scheme.lower() == b"bearer":
        return value.strip()
    if scheme.lower() == b"basic":
        try:
            _, _, password = base64.b64decode(value.strip(), validate=True).partition(b":")
        except binascii.Error:
            password = b""
        if password:
            return password
    return request.known.get(b"x-api-key", b"").strip()


def preflight_headers(request: Request) -> list[tuple[bytes, bytes]]:
    """What an ``OPTIONS`` request is told; the origin has been checked before."""
    asked = request.known.get(b"access-control-request-headers")
    names = [name.strip() for name in asked.split(b",")] if asked is not None else list(_USUAL_HEADERS)
    allowed = b", ".join(name for name in names if name and not name.strip(_TOKEN_BYTES))
    return [
        (b"Access-Control-Allow-Origin", b"*"),
        (b"Access-Control-Allow-Methods", b"GET, POST, PUT, PATCH, DELETE, OPTIONS"),
        (b"Access-Control-Allow-Headers", allowed),
        (b"Access-Control-Max-Age", b"86400"),
    ]


_USUAL_HEADERS = (b"Content-Type", b"Authorization", b"Accept", b"X-Requested-With")
_TOKEN_BYTES = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~"


def _is_page(request: Request) -> bool:
    navigates = request.known.get(b"sec-fetch-mode") == b"navigate" and request.method == b"GET"
    return navigates and (request.path in _PAGES or request.path.startswith(b"/ui/"))


def _host_name(host: bytes) -> str:
    text = host.decode("latin-1").strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0].rstrip(".")


@lru_cache(maxsize=256)
def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(name: str) -> bool:
    return _is_address(name) and ipaddress.ip_address(name).is_loopback


def _shown(raw: bytes) -> str:
    return repr(raw[:200].decode("latin-1"))
