"""One client connection: a reader task that alone reads, and a handler that answers one request after the other.

The reader lives as long as the connection. When the client hangs up, in whatever phase, it cancels the connection's
scope, and with it the request that is being served: that is all there is to a client's leaving. No task, nursery,
lock or scope is made per request. Sends go straight to the socket and wait only when it is full, for at most the
stall time.
"""

import logging
import socket
import ssl
import struct
from contextlib import suppress

import trio

from llamaswap.errors import BadRequestError, BodyTooLargeError
from llamaswap.gateway.reader import APPETITE_BYTES, Reader
from llamaswap.gateway.site import Site
from llamaswap.gateway.sockets import send_rest, shake_hands
from llamaswap.models.upstream import WOULD_BLOCK
from llamaswap.proxy.request import ClientGoneError, Request

log = logging.getLogger(__name__)

#: Seconds: to complete a head; between two pieces of a body; between two requests; for a refused client to stop
#: talking.
HEAD_S, BODY_S, IDLE_S, LINGER_S = 60.0, 60.0, 600.0, 2.0


class Connection:
    """Implements `llamaswap.proxy.request.Client` for one socket, which it owns and closes."""

    def __init__(self, sock: socket.socket, address: str, site: Site) -> None:
        self._sock = sock
        self._site = site
        self.address = address.encode()
        self._reader = Reader(sock, site)
        self._parser = self._reader.parser
        self._request: Request | None = None
        self._reset = self._unframed = self._broken = self._closes = self._hungry = False
        self._idle_since = self._hungry_since = site.now
        self.scope = trio.CancelScope()
        self.head_sent = False
        self.status = 0
        self.bytes_sent = 0

    async def run(self) -> None:
        """Serve until either side ends the connection. Raises nothing for whatever the client does."""
        try:
            with self.scope:
                if isinstance(self._sock, ssl.SSLSocket) and not await shake_hands(self._sock):
                    return
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._reader.run, self.scope)
                    await self._serve()
                    nursery.cancel_scope.cancel("served")
        finally:
            self._close()

    def overdue(self, now: float) -> bool:
        """Whether the client keeps us waiting too long: for the rest of a head, of a body, or for its next request.

        Nothing that it might be doing ahead of time cuts an answer that is under way.
        """
        if self._request is not None:
            return (
                self._hungry and not self.head_sent and now - max(self._reader.last_read, self._hungry_since) > BODY_S
            )
        if self._parser.current is not None:
            return now - max(self._idle_since, self._reader.head_since) > HEAD_S
        return now - max(self._idle_since, self._reader.last_read) > IDLE_S

    @property
    def idle(self) -> bool:
        """No request is being served, and none waits."""
        return self._request is None and not self._parser.requests

    # -- the handler ------------------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        requests = self._parser.requests
        while not self._broken:
            while not requests:
                if self._parser.dead:
                    return
                await self._reader.arrived.wait()
            request = self._request = requests.popleft()
            self.head_sent, self.status, self.bytes_sent, self._hungry = False, 0, 0, False
            self._closes, self._reader.appetite = False, APPETITE_BYTES
            await self._answer(request)
            self._request = None
            self._idle_since = self._site.now
            if self._reader.paused:
                self._reader.resume()
            if self._closes:
                break
        await self._say_goodbye()

    async def _answer(self, request: Request) -> None:
        try:
            await self._site.answer(request, self)
        except ClientGoneError:
            self._broken = self._reset = True
        except Exception:  # a bug in one request's handling must not harm another's
            log.exception("request failed: method=%r path=%r", request.method, request.path)
            self.cut()
        if not self.head_sent:
            self._broken = True

    async def _say_goodbye(self) -> None:
        """Let a client that is still sending read our answer: closing with bytes unread would reset it away."""
        parser = self._parser
        unread = parser.current is not None or parser.dead or parser.tunnel is not None
        if self._broken or not unread:
            return
        self._reader.discard()
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            return
        with trio.move_on_after(LINGER_S):
            await trio.sleep_forever()

    def _close(self) -> None:
        if isinstance(self._sock, ssl.SSLSocket) and not self._broken:
            with suppress(OSError, ValueError):
                self._sock.unwrap()  # says that this end is no accident; nobody waits for the client's
        if self._reset or (self._broken and self._unframed):
            # No frame would show that something is missing, or nobody reads: a reset says it, and frees the memory.
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if self._sock.fileno() >= 0:
            trio.lowlevel.notify_closing(self._sock)
        self._sock.close()

    # -- what a handler may do --------------------------------------------------------------------------------------

    @property
    def closes(self) -> bool:
        """Whether the connection ends after this answer; once asked, the answer's head has said so and it holds."""
        request = self._request
        self._closes = self._closes or request is None or not request.keep_alive or not request.complete
        return self._closes

    async def send(self, data: bytes | bytearray | memoryview) -> None:
        """See `Client.send`."""
        try:
            sent = self._sock.send(data)
        except WOULD_BLOCK:
            sent = 0
        except OSError as error:
            raise ClientGoneError(str(error)) from error
        self.bytes_sent += sent
        if sent < len(data):
            await send_rest(self._sock, memoryview(data)[sent:], self._site.stall_s, self._count)

    def _count(self, size: int) -> None:
        self.bytes_sent += size

    async def read_body(self, limit: int) -> bytearray:
        """See `Client.read_body`."""
        request = self._request
        assert request is not None
        if request.content_length is not None and request.content_length > limit:
            raise BodyTooLargeError(f"the request body exceeds the limit of {limit} bytes (maxRequestBody)")
        if not request.complete:
            self._reader.appetite = limit
            await self._continue(request)
            while not request.complete and len(request.body) <= limit:
                await self._next_bytes(request)
            self._reader.appetite = APPETITE_BYTES
        if len(request.body) > limit:
            raise BodyTooLargeError(f"the request body exceeds the limit of {limit} bytes (maxRequestBody)")
        body, request.body = request.body, bytearray()
        return body

    async def next_piece(self) -> bytearray | None:
        """See `Client.next_piece`."""
        self._hungry = False
        request = self._request
        assert request is not None
        if not request.body and not request.complete:
            await self._continue(request)
            while not request.body and not request.complete:
                await self._next_bytes(request)
        if not request.body:
            return None
        request.known.pop(b"expect", None)
        piece, request.body = request.body, bytearray()
        self._reader.resume()
        return piece

    async def _next_bytes(self, request: Request) -> None:
        if request.refused:
            raise BadRequestError(request.refused[1])
        self._reader.resume()
        if not self._hungry:
            self._hungry, self._hungry_since = True, self._site.now
        await self._reader.arrived.wait()
        if request.refused:
            raise BadRequestError(request.refused[1])

    async def _continue(self, request: Request) -> None:
        """A client that waits for permission to send its body gets it when somebody wants the body.

        One that has begun by itself needs none, and behind an answer's head it would be part of the answer.
        """
        expectation = request.known.pop(b"expect", None)
        if expectation is None or request.http10 or request.body or self.head_sent:
            return
        if expectation.strip().lower() == b"100-continue":
            await self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.bytes_sent = 0

    def cut(self) -> None:
        """See `Client.cut`."""
        self._broken = True

    def finish_then_close(self) -> None:
        """See `Client.finish_then_close`."""
        self._closes = self._unframed = True
