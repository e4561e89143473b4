"""An upstream's answer on its way to the client, head and body, as it comes."""

from llamaswap.errors import UpstreamError
from llamaswap.models.upstream import UpstreamConnection
from llamaswap.proxy.heads import response_head
from llamaswap.proxy.request import Client, Request
from llamaswap.proxy.response import ResponseReader

CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
_NO_BODY = frozenset((204, 304))


class BrokenAnswerError(Exception):
    """The upstream's answer broke off after its head had gone out; the client must be cut off."""


async def relay(request: Request, client: Client, connection: UpstreamConnection, reader: ResponseReader) -> bool:
    """Pass on the answer whose head *reader* has. Returns whether the connection can carry another exchange."""
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
        await relay_chunked(client, connection, reader, head, piece, unframe=request.http10)
    else:
        await relay_to_end(client, connection, head, piece, chunk=not request.http10)
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


async def relay_chunked(
    client: Client, connection: UpstreamConnection, reader: ResponseReader, head: bytes, piece: bytes, *, unframe: bool
) -> None:
    """Pass on *head*, *piece* and the rest of a chunked body: as framed by the server, or without frames."""
    if unframe:
        # The head's piece went through the parser before it was known that the framing must come off.
        reader = ResponseReader()
        reader.unframe = True
        reader.feed(CHUNKED_HEAD + piece)
        connection.reader = None
        piece = unframed(reader)
    _refuse_surplus(reader)
    if head or piece:
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
            data = unframed(reader)
        if data:
            await client.send(data)


def _refuse_surplus(reader: ResponseReader) -> None:
    """Where a chunked answer ends in a piece that holds more is not told; what cannot be split is not forwarded."""
    if reader.surplus:
        raise BrokenAnswerError("the server sent bytes beyond its answer")


def unframed(reader: ResponseReader) -> bytes:
    """Take the body bytes that *reader* has collected."""
    data = b"".join(reader.bodies)
    reader.bodies.clear()
    return data


async def relay_to_end(
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
