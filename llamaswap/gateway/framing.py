"""Heads that llhttp lets pass and we do not trust: whatever two programs might read in two ways. Pure."""

from llamaswap.proxy.request import Request

#: A status and the reason in words.
Refusal = tuple[int, str]


def refusal_of(request: Request, version: str) -> Refusal | None:
    """What llhttp lets pass and we do not. Sets the request's parts; returns the reason to refuse it, if any."""
    request.http10 = version == "1.0"
    if version not in ("1.1", "1.0"):
        return 505, f"HTTP version {version} is not served here"
    if b"host" not in request.known and not request.http10:
        return 400, "missing Host header"
    if request.method == b"CONNECT":
        return 405, "CONNECT is not served here"
    return _check_framing(request) or _check_target(request) or _check_upgrade(request)


def _check_framing(request: Request) -> Refusal | None:
    known = request.known
    encoding = known.get(b"transfer-encoding")
    if encoding is not None:
        if encoding.strip().lower() != b"chunked" or request.http10:
            return 400, "unsupported Transfer-Encoding"
        request.chunked = True
    length = known.get(b"content-length")
    if length is not None:
        if not length.strip().isdigit() or request.chunked:
            return 400, "bad Content-Length"
        request.content_length = int(length)
    return None


def _check_target(request: Request) -> Refusal | None:
    target = request.target
    if not target.startswith(b"/") and not (target == b"*" and request.method == b"OPTIONS"):
        return 400, "the request target must be a path"
    if b"#" in target:
        return 400, "a fragment has no place in a request target"
    request.path, _, request.query = target.partition(b"?")
    return None


def _check_upgrade(request: Request) -> Refusal | None:
    upgrade = request.known.get(b"upgrade")
    if upgrade is None or upgrade.strip().lower() != b"websocket":
        return None
    if b"upgrade" not in {token.strip().lower() for token in request.known.get(b"connection", b"").split(b",")}:
        return None
    if request.method != b"GET" or request.http10 or request.content_length or request.chunked:
        return 400, "a websocket handshake is a GET without a body"
    if any(byte >= 0x80 for name, _, value in request.headers if name.startswith(b"sec-websocket") for byte in value):
        return 400, "a websocket handshake header is not ASCII"
    request.upgrade = b"websocket"
    return None
