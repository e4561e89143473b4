"""Request and response heads as they go out: hop-by-hop fields taken off, framing put on. Pure."""

from llamaswap.models.upstream import Upstream
from llamaswap.proxy.request import Header, Request

#: Fields that belong to one hop (RFC 9110, 7.6.1, and the ones of old proxies), besides those that `Connection` names.
_HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"proxy-connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
#: Also written anew by us on the way up, or meant for us alone.
_REWRITTEN = _HOP_BY_HOP | {b"content-length", b"expect", b"x-forwarded-for", b"x-request-deadline-ms"}
#: Without these the request would be another one, or none.
_NEVER_DROPPED = frozenset((b"host",))
_WITH_BODY = frozenset((b"POST", b"PUT", b"PATCH"))


def request_head(
    request: Request, upstream: Upstream, address: bytes, *, target: bytes = b"", length: int | None = None
) -> bytes:
    """The head that asks *upstream* what *request* asks us.

    Args:
        address: The client's address, appended to ``X-Forwarded-For``.
        target: Path and query to ask for, if not the client's own.
        length: The body's length, if the body is at hand; else the client's framing is kept.
    """
    drop = _drop(request.known.get(b"connection"), _REWRITTEN) - _NEVER_DROPPED
    lines = [b"%b %b HTTP/1.1" % (request.method, _target(upstream, target or request.target))]
    lines += [b"%b: %b" % (name, value) for lower, name, value in request.headers if lower not in drop]
    if request.http10 and b"host" not in request.known:
        lines.append(b"Host: %b" % upstream.host)
    known = request.known
    forwarded = known.get(b"x-forwarded-for")
    if address:
        lines.append(b"X-Forwarded-For: %b" % (b"%b, %b" % (forwarded, address) if forwarded else address))
    elif forwarded:
        lines.append(b"X-Forwarded-For: %b" % forwarded)
    if b"trailers" in known.get(b"te", b"").lower():
        lines.append(b"Te: trailers")
    if request.upgrade:
        lines.append(b"Connection: Upgrade\r\nUpgrade: %b" % known[b"upgrade"])
    if length is None and request.chunked:
        lines.append(b"Transfer-Encoding: chunked")
    else:
        length = request.content_length if length is None else length
        if length or request.content_length is not None or (request.method in _WITH_BODY and length is not None):
            lines.append(b"Content-Length: %d" % (length or 0))
    lines.append(b"\r\n")
    return b"\r\n".join(lines)


def response_head(
    status: int, reason: bytes, headers: list[Header], framing: bytes, *, closes: bool, told: bytes = b""
) -> bytes:
    """The head of an upstream's answer on its way to the client.

    Args:
        framing: The line that says how long the body is, or empty when the headers or the connection's end say it.
        closes: Whether to announce that the connection ends after this answer.
        told: Lines about the request's wait here. An upstream's own account of a wait goes before ours.
    """
    named = [value for lower, _, value in headers if lower == b"connection"]
    drop = _drop(b",".join(named) if named else None, _HOP_BY_HOP)
    lines = [b"HTTP/1.1 %d %b" % (status, reason)]
    event_stream = False
    for lower, name, value in headers:
        if lower not in drop:
            lines.append(b"%b: %b" % (name, value))
            if lower == b"content-type":
                event_stream = b"text/event-stream" in value.lower()
            elif lower == b"x-queue-wait-ms":
                told = b""
    if told:
        lines.append(told)
    if event_stream:
        lines.append(b"X-Accel-Buffering: no")
    if framing:
        lines.append(framing)
    if closes:
        lines.append(b"Connection: close")
    lines.append(b"\r\n")
    return b"\r\n".join(lines)


def _drop(connection: bytes | None, always: frozenset[bytes]) -> frozenset[bytes] | set[bytes]:
    if connection is None or connection in (b"keep-alive", b"Keep-Alive", b"close"):
        return always
    return always | {token.strip().lower() for token in connection.split(b",")}


def _target(upstream: Upstream, target: bytes) -> bytes:
    if not upstream.base_path and not upstream.base_query:
        return target
    path, mark, query = target.partition(b"?")
    if upstream.base_query:
        query = upstream.base_query + b"&" + query if query else upstream.base_query
        mark = b"?"
    return upstream.base_path + path + mark + query
