"""One round trip: a request to an upstream, its answer to the client, bytes written through as they come.

What one read returned is forwarded as it is, chunk framing included; the parser runs over it only to find the end.
Nothing is forwarded that the parser has not accepted. An answer that breaks off is cut at the client's side too, so
that it cannot look whole. A request is sent again only if the upstream has taken nothing of it.
"""

import trio

from llamaswap.errors import UpstreamError
from llamaswap.models.upstream import Upstream, UpstreamConnection
from llamaswap.proxy.heads import request_head, response_head
from llamaswap.proxy.request import Client, ClientGoneError, Request
from llamaswap.proxy.response import ResponseReader
from llamaswap.proxy.tunnel import run_tunnel
from llamaswap.proxy.upload import Upload

Body = bytes | bytearray

_NO_BODY = frozenset((204, 304))


class BrokenAnswerError(Exception):
    """The upstream's answer broke off after its head had gone out; the client must be cut off."""


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
        if reader.interim and not request.http10:
            await client.send(reader.interim)
        reader.interim = b""
    if reader.status == 101:
        return await _upgrade(request, client, connection, reader)
    return await _relay(request, client, connection, reader)


async def _relay(request: Request, client: Client, connection: UpstreamConnection, reader: ResponseReader) -> bool:
    status, piece = reader.status, reader.body_start
    framing = b""
    if status not in _NO_BODY and not request.http10:
        frames = reader.chunked or (reader.length is None and request.method != b"HEAD")
        framing = b"Transfer-Encoding: chunked" if frames else b""
    if request.http10:
        client.finish_then_close()
    closes = client.closes
    head = response_head(
        status, reader.reason, reader.headers, framing, closes=closes or request.http10, told=request.told
    )
    client.head_sent, client.status = True, status
    if request.method == b"HEAD" or status in _NO_BODY:
        await client.send(head)
        return reader.complete and reader.keep_alive and not reader.surplus and request.method != b"HEAD"
    if reader.length is not None:
        return await _relay_length(client, connection, reader, head, piece)
    if reader.chunked:
        await _relay_chunked(client, connection, reader, head, piece, unframe=request.http10)
    else:
        await _relay_to_end(client, connection, head, piece, chunk=not request.http10)
    # Not kept: llama.cpp's server hangs up after each stream without having said so, and a POST that meets the end of
    # its connection is lost, as it must not be sent again. A new connection costs a stream next to nothing.
    return False


async def _relay_length(
    client: Client, connection: UpstreamConnection, reader: ResponseReader, head: bytes, piece: bytes
) -> bool:
    left = reader.length or 0
    surplus = len(piece) > left
    if surplus:
        piece = piece[:left]
    await client.send(head + piece)
    left -= len(piece)
    if not left:
        return not surplus and reader.complete and reader.keep_alive
    connection.reader = None  # we count from here on, and leave the parser behind
    while left:
        piece = await connection.receive()
        if not piece:
            raise BrokenAnswerError(f"the answer ended {left} bytes short")
        surplus = len(piece) > left
        if surplus:
            piece = piece[:left]
        await client.send(piece)
        left -= len(piece)
    return not surplus and reader.keep_alive


async def _relay_chunked(
    client: Client, connection: UpstreamConnection, reader: ResponseReader, head: bytes, piece: bytes, *, unframe: bool
) -> None:
    if unframe:
        # The head's piece went through the parser before it was known that the framing must come off.
        reader = ResponseReader()
        reader.unframe = True
        reader.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + piece)
        connection.reader = None
        piece = _unframed(reader)
    _refuse_surplus(reader)
    await client.send(head + piece)
    while not reader.complete:
        data = await connection.receive()
        if not data:
            raise BrokenAnswerError("the answer ended in mid-body")
        try:
            reader.feed(data)
        except UpstreamError as error:
            raise BrokenAnswerError(str(error)) from error
        _refuse_surplus(reader)
        if unframe:
            data = _unframed(reader)
        if data:
            await client.send(data)


def _refuse_surplus(reader: ResponseReader) -> None:
    """Where a chunked answer ends in a piece that holds more is not told; what cannot be split is not forwarded."""
    if reader.surplus:
        raise BrokenAnswerError("the server sent bytes beyond its answer")


def _unframed(reader: ResponseReader) -> bytes:
    data = b"".join(reader.bodies)
    reader.bodies.clear()
    return data


async def _relay_to_end(
    client: Client, connection: UpstreamConnection, head: bytes, piece: bytes, *, chunk: bool
) -> None:
    """An answer that the server's closing ends; a client that can is told its length piece by piece."""
    first = head
    while True:
        data = first + (b"%x\r\n%b\r\n" % (len(piece), piece) if chunk and piece else piece)
        if data:
            await client.send(data)
        first = b""
        piece = await connection.receive()
        if not piece:
            break
    if chunk:
        await client.send(b"0\r\n\r\n")


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
