"""An upstream's answer to a client that reads an event stream already, begun while it waited for its model."""

import json

from llamaswap.errors import UpstreamError
from llamaswap.models.upstream import UpstreamConnection
from llamaswap.proxy.eventstream import EventStream, failure_in, is_events
from llamaswap.proxy.relay import CHUNKED_HEAD, relay_chunked, relay_to_end, unframed
from llamaswap.proxy.request import Client, Request
from llamaswap.proxy.response import ResponseReader

#: Of an answer that must become one event.
MOST_BODY_BYTES = 8 << 20


async def relay_into_stream(
    request: Request, client: Client, connection: UpstreamConnection, reader: ResponseReader
) -> None:
    """The client reads an event stream already: events go on in it, anything else becomes an event."""
    content_type = next((value for lower, _, value in reader.headers if lower == b"content-type"), b"")
    if reader.status != 200 or not is_events(content_type) or reader.length is not None:
        await _end_stream(EventStream(request, client), reader.status, content_type, await _whole(connection, reader))
        return
    client.head_sent, client.status = True, 200
    if reader.chunked:
        await relay_chunked(client, connection, reader, b"", reader.body_start, unframe=request.http10)
    else:
        await relay_to_end(client, connection, b"", reader.body_start, chunk=not request.http10)


async def _end_stream(stream: EventStream, status: int, content_type: bytes, body: bytes) -> None:
    if status != 200:
        await stream.fail(failure_in(body, status), status)
    elif is_events(content_type):
        await stream.end(body, status)
    else:
        try:
            await stream.end_with(json.loads(body), status)
        except (ValueError, RecursionError):
            raise UpstreamError("upstream proxy error: a stream was asked for, and something else came") from None


async def _whole(connection: UpstreamConnection, reader: ResponseReader) -> bytes:
    """The whole body, without its framing."""
    rest = reader
    if reader.chunked:
        connection.reader, rest = None, ResponseReader()
        rest.unframe = True
        rest.feed(CHUNKED_HEAD + reader.body_start)
    found = unframed(rest) if reader.chunked else reader.body_start
    while not rest.complete and (reader.length is None or len(found) < reader.length):
        data = await connection.receive()
        if not data:
            if reader.chunked or reader.length is not None:
                raise UpstreamError("upstream proxy error: the answer ended in mid-body")
            break
        if reader.chunked:
            rest.feed(data)
            data = unframed(rest)
        found += data
        if len(found) > MOST_BODY_BYTES:
            raise UpstreamError("upstream proxy error: what came instead of a stream is too long")
    return found
