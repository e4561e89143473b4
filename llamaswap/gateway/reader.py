"""The receiving half of a connection: the one task that reads from the client, for as long as the connection lives."""

import select
import socket
import ssl

import trio

from llamaswap.gateway.parser import RAW_BODY_BYTES, RequestParser
from llamaswap.gateway.signal import Signal
from llamaswap.gateway.site import Site
from llamaswap.models.upstream import READS_PER_TURN, RECV_BYTES, WOULD_BLOCK

#: Body bytes held for a handler that takes them piece by piece, and requests held that a client sent ahead.
APPETITE_BYTES = RAW_BODY_BYTES
MAX_PIPELINED = 16
#: Seconds between two looks for a hang-up while we do not read.
HANGUP_POLL_S = 0.5

_SCRATCH = memoryview(bytearray(256 * 1024))  # large bodies pass through here; nothing in it outlives one step


class Reader:
    """Reads until the client hangs up, and then cancels the connection's scope, whatever is going on in it.

    Attributes:
        arrived: Wakes the handler when something has come.
        appetite: How much of a body may wait here to be taken.
        paused: We do not read, because nobody takes what is here.
        discarding: What comes is thrown away: the last answer is out, and the client has not noticed yet.
        last_read, head_since: When something came last, and when the head under way began (s, coarse).
    """

    def __init__(self, sock: socket.socket, site: Site) -> None:
        self.parser = RequestParser()
        self.arrived = Signal()
        self.appetite = APPETITE_BYTES
        self.paused = self.discarding = False
        self.last_read = self.head_since = site.now
        self._sock = sock
        self._site = site
        self._resume = Signal()

    async def run(self, connection: trio.CancelScope) -> None:
        """Read; cancel *connection* when the client has hung up."""
        sock, parser = self._sock, self.parser
        fd = sock.fileno()
        eager = tls = isinstance(sock, ssl.SSLSocket)
        turns = 0
        while True:
            if self._full():
                await self._pause(connection)
            if not eager:
                turns = 0
                await trio.lowlevel.wait_readable(fd)
            elif turns == READS_PER_TURN:
                turns = 0
                await trio.lowlevel.checkpoint()
            turns += 1
            try:
                size = self._read_once()
            except WOULD_BLOCK:
                eager = False
                continue
            except OSError:
                size = 0
            if not size:
                await self._site.way_out.go_through()
                connection.cancel("the client hung up")
                return
            self.last_read = self._site.now
            self.arrived.wake()
            # In mid-body more is probably there already; between requests it is not.
            eager = tls or parser.raw_left > 0 or parser.current is not None

    def resume(self) -> None:
        """Somebody has taken something, or wants more: read on if we had stopped."""
        self._resume.wake()

    def discard(self) -> None:
        """Throw away whatever comes from now on."""
        self.discarding = True
        self._resume.wake()

    def _read_once(self) -> int:
        sock, parser = self._sock, self.parser
        if parser.raw_left and not self.discarding:
            size = sock.recv_into(_SCRATCH, min(parser.raw_left, len(_SCRATCH)))
            if size:
                parser.feed_raw(_SCRATCH[:size])
            return size
        data = sock.recv(RECV_BYTES)
        if not self.discarding:
            if parser.current is None:
                self.head_since = self._site.now
            parser.feed(data)
        return len(data)

    def _full(self) -> bool:
        receiving = self.parser.tunnel or self.parser.current
        if receiving is not None and len(receiving.body) > self.appetite:
            return True
        ahead = self.parser.requests
        if not ahead:
            return False
        return len(ahead) > MAX_PIPELINED or sum(len(r.body) + r.head_bytes for r in ahead) > APPETITE_BYTES

    async def _pause(self, connection: trio.CancelScope) -> None:
        """Stop reading until somebody takes what is here; a hang-up must be seen all the same."""
        poll = select.poll()
        poll.register(self._sock, select.POLLRDHUP | select.POLLHUP | select.POLLERR)
        self.paused = True
        while self._full() and not self.discarding:
            if poll.poll(0):
                connection.cancel("the client hung up")
            with trio.move_on_after(HANGUP_POLL_S):
                await self._resume.wait()
        self.paused = False
