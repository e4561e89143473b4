"""Answers of our own, as opposed to those passed on."""

from http import HTTPStatus

from llamaswap.errors import LlamaSwapError
from llamaswap.proxy.envelope import render
from llamaswap.proxy.request import Client, Request


async def send_reply(
    request: Request, client: Client, status: int, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    """Send a whole answer. ``Content-Length`` and ``Connection`` are ours to add."""
    try:
        reason = HTTPStatus(status).phrase.encode()
    except ValueError:
        reason = b""
    lines = [b"HTTP/1.1 %d %b" % (status, reason)]
    lines += [b"%b: %b" % header for header in headers]
    if status != HTTPStatus.NO_CONTENT:
        lines.append(b"Content-Length: %d" % len(body))
    if client.closes or request.http10:
        client.finish_then_close()
        lines.append(b"Connection: close")
    lines.append(b"\r\n")
    client.head_sent, client.status = True, status
    head = b"\r\n".join(lines)
    await client.send(head if request.method == b"HEAD" else head + body)


async def send_error(request: Request, client: Client, error: LlamaSwapError, status: int | None = None) -> None:
    """Send *error* in the shape that the request's ``Accept`` asks for."""
    accept = request.known.get(b"accept", b"").decode("latin-1")
    code, headers, body = render(error, accept)
    await send_reply(request, client, status or code, headers, body)
