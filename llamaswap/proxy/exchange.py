"""One round trip: a request to an upstream, its answer to the client, bytes written through as they come.

What one read returned is forwarded as it is, chunk framing included; the parser runs over it only to find the end.
Nothing is forwarded that the parser has not accepted. An answer that breaks off is cut at the client's side too, so
that it cannot look whole. A request is sent again only if the upstream has taken nothing of it.
"""

from contextlib import suppress

import trio

from llamaswap.errors import UpstreamError
from llamaswap.models.upstream import Upstream, UpstreamConnection
from llamaswap.proxy.heads import request_head, response_head
from llamaswap.proxy.request import Client, Request
from llamaswap.proxy.response import ResponseReader
from llamaswap.proxy.tunnel import run_tunnel

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
        if body is None and not request.complete:
            reusable = await _exchange_streaming(request, client, connection, head)
        else:
            if body is None:
                body, request.body = request.body, bytearray()
            connection = await _send(upstream, connection, head, body)
            reusable = await _answer(request, client, connection)
    except OSError as error:
        raise _broken(client, error) from error
    finally:
        if reusable:
            upstream.give_back(connection)
        else:
            connection.close()


async def _send(upstream: Upstream, connection: UpstreamConnection, head: bytes, body: Body) -> UpstreamConnection:
    """Send it all, on a new connection if the kept one turns out to be closed and has taken nothing."""
    small = len(body) <= 65536
    try:
        whole = await connection.send(head + body if small else head)
    except OSError:
        if not connection.reused or connection.sent:
            return connection  # the answer may be there already, or reading tells what went wrong
        connection.close()
        connection = await upstream.open()
        whole = await connection.send(head + body if small else head)
    if whole and not small:
        with suppress(OSError):  # as above: a server may answer 413 and close without reading on
            await connection.send(body)
    return connection


async def _exchange_streaming(request: Request, client: Client, connection: UpstreamConnection, head: bytes) -> bool:
    """Both directions at once: the body as it comes, and the answer, which may begin before the body ends."""
    await connection.send(head)
    if request.upgrade:
        return await _answer(request, client, connection)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_send_pieces, request, client, connection)
        reusable = await _answer(request, client, connection)
        nursery.cancel_scope.cancel("answered")
    return reusable and request.complete


async def _send_pieces(request: Request, client: Client, connection: UpstreamConnection) -> None:
    try:
        while (piece := await client.next_piece()) is not None:
            if request.chunked:
                await connection.send(b"%x\r\n%b\r\n" % (len(piece), bytes(piece)))
            else:
                await connection.send(piece)
        if request.chunked:
            await connection.send(b"0\r\n\r\n")
    except OSError:
        return  # the reading side sees what became of the connection


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
    if reader.status == 101:
        return await _upgrade(request, client, connection, reader)
    return await _relay(request, client, connection, reader)


async def _relay(request: Request, client: Client, connection: UpstreamConnection, reader: ResponseReader) -> bool:
    status, piece = reader.status, reader.body_start
    if reader.chunked:
        framing = b"" if request.http10 else b"Transfer-Encoding: chunked"
    elif reader.length is None and status not in _NO_BODY and request.method != b"HEAD" and not request.http10:
        framing = b"Transfer-Encoding: chunked"
    else:
        framing = b""
    closes = client.closes
    head = response_head(status, reader.reason, reader.headers, framing, closes=closes or request.http10)
    client.head_sent, client.status = True, status
    if request.method == b"HEAD" or status in _NO_BODY:
        await client.send(head)
        return reader.complete and reader.keep_alive and not reader.surplus and request.method != b"HEAD"
    if reader.length is not None:
        return await _relay_length(client, connection, reader, head, piece)
    if request.http10:
        client.finish_then_close()
    if reader.chunked:
        return await _relay_chunked(client, connection, reader, head, piece, unframe=request.http10)
    await _relay_to_end(client, connection, head, piece, chunk=not request.http10)
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
) -> bool:
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
    return reader.keep_alive and not unframe


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
