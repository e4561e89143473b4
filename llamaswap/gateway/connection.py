"""One client connection: a reader task that alone reads, and a handler that answers one request after the other.

The reader lives as long as the connection. When the client hangs up, in whatever phase, it cancels the connection's
scope, and with it the request that is being served: that is all there is to a client's leaving. No task, nursery,
lock or scope is made per request. Sends go straight to the socket and wait only when it is full, for at most the
stall time.
"""

import fcntl
import logging
import select
import socket
import ssl
import struct
import termios
from collections.abc import Awaitable, Callable
from contextlib import suppress

import trio

from llamaswap.errors import BadRequestError, BodyTooLargeError
from llamaswap.gateway.parser import RAW_BODY_BYTES, RequestParser
from llamaswap.gateway.signal import Signal
from llamaswap.models.upstream import READS_PER_TURN, RECV_BYTES, WOULD_BLOCK
from llamaswap.proxy.request import ClientGoneError, Request

log = logging.getLogger(__name__)

#: Body bytes held for a handler that takes them piece by piece, and requests held that a client sent ahead.
APPETITE_BYTES = RAW_BODY_BYTES
MAX_PIPELINED = 16
#: Seconds: to complete a head; between two pieces of a body; between two requests; for a refused client to stop
#: talking.
HEAD_S, BODY_S, IDLE_S, LINGER_S = 60.0, 60.0, 600.0, 2.0

#: Seconds between two looks for a hang-up while we do not read.
HANGUP_POLL_S = 0.5

_SCRATCH = memoryview(bytearray(256 * 1024))  # large bodies pass through here; nothing in it outlives one step

Answer = Callable[[Request, "Connection"], Awaitable[None]]


class Site:
    """What all connections of a listener share. `now` is a coarse clock (s), moved once a second by the listener."""

    def __init__(self, answer: Answer, stall_s: float) -> None:
        self.answer = answer
        self.stall_s = stall_s
        self.now = trio.current_time()


class Connection:
    """Implements `llamaswap.proxy.request.Client` for one socket, which it owns and closes."""

    def __init__(self, sock: socket.socket, address: str, site: Site) -> None:
        self._sock = sock
        self._fd = sock.fileno()
        self._site = site
        self.address = address.encode()
        self.parser = RequestParser()
        self._arrived, self._resume = Signal(), Signal()
        self._request: Request | None = None
        self._appetite = APPETITE_BYTES
        self._paused = self._discarding = self._reset = False
        self._unframed = self._broken = self._closes = False
        self._head_since = self._last_read = self._idle_since = self._hungry_since = site.now
        self._hungry = False
        self.scope = trio.CancelScope()
        self.head_sent = False
        self.status = 0
        self.bytes_sent = 0

    async def run(self) -> None:
        """Serve until either side ends the connection. Raises nothing for whatever the client does."""
        try:
            with self.scope:
                if isinstance(self._sock, ssl.SSLSocket) and not await _handshake(self._sock):
                    return
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._read)
                    await self._serve()
                    nursery.cancel_scope.cancel("served")
        finally:
            self._close()

    # -- the reader -------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        sock, fd, parser = self._sock, self._fd, self.parser
        eager = tls = isinstance(sock, ssl.SSLSocket)
        turns = 0
        while True:
            if self._full():
                await self._pause()
            if not eager:
                turns = 0
                await trio.lowlevel.wait_readable(fd)
            elif turns == READS_PER_TURN:
                turns = 0
                await trio.lowlevel.checkpoint()
            turns += 1
            try:
                if parser.raw_left and not self._discarding:
                    size = sock.recv_into(_SCRATCH, min(parser.raw_left, len(_SCRATCH)))
                    if size:
                        parser.feed_raw(_SCRATCH[:size])
                else:
                    data = sock.recv(RECV_BYTES)
                    size = len(data)
                    if not self._discarding:
                        self._note_head()
                        parser.feed(data)
            except WOULD_BLOCK:
                eager = False
                continue
            except OSError:
                size = 0
            if not size:
                self.scope.cancel("the client hung up")
                return
            self._last_read = self._site.now
            self._arrived.wake()
            # In mid-body more is probably there already; between requests it is not.
            eager = tls or parser.raw_left > 0 or parser.current is not None

    def _note_head(self) -> None:
        if self.parser.current is None:
            self._head_since = self._site.now

    def _full(self) -> bool:
        receiving = self.parser.tunnel or self.parser.current
        if receiving is not None and len(receiving.body) > self._appetite:
            return True
        ahead = self.parser.requests
        if not ahead:
            return False
        return len(ahead) > MAX_PIPELINED or sum(len(r.body) + r.head_bytes for r in ahead) > APPETITE_BYTES

    async def _pause(self) -> None:
        """Stop reading until somebody takes what is here; a hang-up must be seen all the same."""
        poll = select.poll()
        poll.register(self._fd, select.POLLRDHUP | select.POLLHUP | select.POLLERR)
        self._paused = True
        while self._full() and not self._discarding:
            if poll.poll(0):
                self.scope.cancel("the client hung up")
            with trio.move_on_after(HANGUP_POLL_S):
                await self._resume.wait()
        self._paused = False

    def overdue(self, now: float) -> bool:
        """Whether the client keeps us waiting too long: for the rest of a head, of a body, or for its next request.

        Nothing that it might be doing ahead of time cuts an answer that is under way.
        """
        if self._request is not None:
            return self._hungry and not self.head_sent and now - max(self._last_read, self._hungry_since) > BODY_S
        if self.parser.current is not None:
            return now - max(self._idle_since, self._head_since) > HEAD_S
        return now - max(self._idle_since, self._last_read) > IDLE_S

    @property
    def idle(self) -> bool:
        """No request is being served, and none waits."""
        return self._request is None and not self.parser.requests

    # -- the handler ------------------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        requests = self.parser.requests
        while not self._broken:
            while not requests:
                if self.parser.dead:
                    return
                await self._arrived.wait()
            request = self._request = requests.popleft()
            self.head_sent, self.status, self.bytes_sent, self._hungry = False, 0, 0, False
            self._closes, self._appetite = False, APPETITE_BYTES
            await self._answer(request)
            self._request = None
            self._idle_since = self._site.now
            if self._paused:
                self._resume.wake()
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
        parser = self.parser
        unread = parser.current is not None or parser.dead or parser.tunnel is not None
        if self._broken or not unread:
            return
        self._discarding = True
        self._resume.wake()
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
            await self._send_rest(memoryview(data)[sent:])

    async def _send_rest(self, rest: memoryview) -> None:
        unsent = self._unsent()
        while rest:
            with trio.move_on_after(self._site.stall_s) as stall:
                await trio.lowlevel.wait_writable(self._fd)
            if stall.cancelled_caught:
                # The socket turns writable only when much is free; a slow reader that did take something is alive.
                before, unsent = unsent, self._unsent()
                if unsent >= before:
                    raise ClientGoneError(f"took no byte for {self._site.stall_s:g} s")
                continue
            try:
                sent = self._sock.send(rest[: len(_SCRATCH)])
            except WOULD_BLOCK:
                continue
            except OSError as error:
                raise ClientGoneError(str(error)) from error
            self.bytes_sent += sent
            rest = rest[sent:]
            unsent = self._unsent()

    def _unsent(self) -> int:
        """Bytes in the kernel that the client has not acknowledged."""
        try:
            return int(struct.unpack("i", fcntl.ioctl(self._fd, termios.TIOCOUTQ, b"\0" * 4))[0])
        except OSError:
            return 0

    async def read_body(self, limit: int) -> bytearray:
        """See `Client.read_body`."""
        request = self._request
        assert request is not None
        if request.content_length is not None and request.content_length > limit:
            raise BodyTooLargeError(f"the request body exceeds the limit of {limit} bytes (maxRequestBody)")
        if not request.complete:
            self._appetite = limit
            await self._continue(request)
            while not request.complete and len(request.body) <= limit:
                await self._next_bytes(request)
            self._appetite = APPETITE_BYTES
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
        self._resume.wake()
        return piece

    async def _next_bytes(self, request: Request) -> None:
        if request.refused:
            raise BadRequestError(request.refused[1])
        self._resume.wake()
        if not self._hungry:
            self._hungry, self._hungry_since = True, self._site.now
        await self._arrived.wait()
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


async def _handshake(sock: ssl.SSLSocket) -> bool:
    """TLS from the server's side; False when the client does not manage it in ten seconds."""
    with trio.move_on_after(10):
        while True:
            try:
                sock.do_handshake()
                return True
            except ssl.SSLWantReadError:
                await trio.lowlevel.wait_readable(sock)
            except ssl.SSLWantWriteError:
                await trio.lowlevel.wait_writable(sock)
            except OSError:
                return False
    return False
