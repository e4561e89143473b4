"""One round trip: a request to an upstream, its answer to the client, bytes written through as they come.

What one read returned is forwarded as it is, chunk framing included; the parser runs over it only to find the end.
Nothing is forwarded that the parser has not accepted. An answer that breaks off is cut at the client's side too, so
that it cannot look whole. A request is sent again only if the upstream has taken nothing of it.
"""

import trio

from llamaswap.errors import UpstreamError
from llamaswap.models.upstream import Upstream, UpstreamConnection
from llamaswap.proxy.heads import request_head, response_head
from llamaswap.proxy.instream import relay_into_stream
from llamaswap.proxy.relay import BrokenAnswerError, relay
from llamaswap.proxy.request import Client, ClientGoneError, Request
from llamaswap.proxy.response import ResponseReader
from llamaswap.proxy.tunnel import run_tunnel
from llamaswap.proxy.upload import Upload

__all__ = ["BrokenAnswerError", "exchange"]

Body = bytes | bytearray


async def exchange(
    request: Request, client: Client, upstream: Upstream, body: Body | None, *, target: bytes = b""
) -> None:
    """Send *request* to *upstream* and its answer to *client*.

    Args:
        body: The whole request body, or None to pass on what the client sends while it sends it.
        target: Path and query to ask for, if not the client's own.

    Raises:
        UpstreamError: refused, or broken before the answer's head was complete; nothing has been sent to the client.
        BrokenAnswerError: broken after that.
        ClientGoneError: the client left, or stalled.
    """
    head = request_head(request, upstream, client.address, target=target, length=None if body is None else len(body))
    connection = upstream.take_idle() or await upstream.open()
    reusable = False
    try:
        streams = body is None and not request.complete
        if body is None and request.complete:
            body, request.body = request.body, bytearray()
        connection, whole = await _send(upstream, connection, head, body or b"")
        if streams and not request.upgrade:
            reusable = await _exchange_streaming(request, client, connection)
        else:
            reusable = await _answer(request, client, connection) and whole
    except OSError as error:
        raise _broken(client, error) from error
    finally:
        if reusable:
            upstream.give_back(connection)
        else:
            connection.close()


async def _send(
    upstream: Upstream, connection: UpstreamConnection, head: bytes, body: Body
) -> tuple[UpstreamConnection, bool]:
    """Send it all, on a new connection if the kept one turns out to be closed and has taken nothing.

    Returns:
        The connection, and whether it has taken everything: else it ends with this exchange.
    """
    try:
        return connection, await _write(connection, head, body)
    except OSError:
        if not connection.reused or connection.sent:
            return connection, False  # the answer may be there already, or reading tells what went wrong
    connection.close()
    connection = await upstream.open()
    try:
        return connection, await _write(connection, head, body)
    except OSError:
        return connection, False
    except BaseException:
        connection.close()
        raise


async def _write(connection: UpstreamConnection, head: bytes, body: Body) -> bool:
    if len(body) <= 65536:
        return await connection.send(head + body)
    return await connection.send(head) and await connection.send(body)


async def _exchange_streaming(request: Request, client: Client, connection: UpstreamConnection) -> bool:
    """Both directions at once: the body as it comes, and the answer, which may begin before the body ends."""
    upload = Upload()
    failure: Exception | None = None
    reusable = answered = False

    async def send_up(scope: trio.CancelScope) -> None:
        await upload.run(request, client, connection)
        if upload.failure is not None:
            scope.cancel("the client's body broke off")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send_up, nursery.cancel_scope)
        try:
            reusable = await _answer(request, client, connection)
            answered = True
        except (OSError, UpstreamError, BrokenAnswerError, ClientGoneError) as error:
            failure = error
        nursery.cancel_scope.cancel("answered")
    if not answered and (failure := failure or upload.failure):
        raise failure  # here, since a nursery would wrap it
    return reusable and upload.whole


async def _answer(request: Request, client: Client, connection: UpstreamConnection) -> bool:
    """Pass on the answer. Returns whether the connection can carry another exchange."""
    reader = connection.reader
    if isinstance(reader, ResponseReader):
        reader.begin()
    else:
        reader = connection.reader = ResponseReader()
    while not reader.head_done:
        data = await connection.receive()
        if not data:
            raise UpstreamError("upstream proxy error: the server closed the connection without an answer")
        reader.feed_head(data)
        if reader.interim and not request.http10 and not request.early:
            await client.send(reader.interim)
        reader.interim = b""
    if reader.status == 101:
        return await _upgrade(request, client, connection, reader)
    if request.early:
        await relay_into_stream(request, client, connection, reader)
        return False
    return await relay(request, client, connection, reader)


async def _upgrade(request: Request, client: Client, connection: UpstreamConnection, reader: ResponseReader) -> bool:
    accepted = next((value for lower, _, value in reader.headers if lower == b"upgrade"), b"")
    if request.upgrade is None or accepted.strip().lower() != request.upgrade:
        raise UpstreamError("upstream proxy error: the server switched to a protocol that was not asked for")
    line = b"Connection: Upgrade\r\nUpgrade: %b" % accepted
    client.head_sent, client.status = True, 101
    await client.send(response_head(101, reader.reason, reader.headers, line, closes=False) + reader.body_start)
    await run_tunnel(client, connection)
    return False


def _broken(client: Client, error: OSError) -> Exception:
    reason = error.strerror or str(error)
    if client.head_sent:
        return BrokenAnswerError(reason)
    return UpstreamError(f"upstream proxy error: {reason}")
