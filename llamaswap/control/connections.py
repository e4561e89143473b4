"""Connections handed to a server that must not be trusted with their end.

Each is fenced: what goes wrong in it is logged and ends it alone. Each send has a deadline, and all sockets can be
closed at once, which also ends a send that is shielded from cancellation.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio

log = logging.getLogger(__name__)

#: What a client must take within the stall deadline. Small, so that a slow client is not taken for one that stalls.
_SLICE_BYTES = 16 * 1024


class BoundedStream:
    """A socket stream that gives up on a peer which takes nothing.

    Attributes:
        socket: The socket below, for its addresses.
    """

    def __init__(self, stream: trio.SocketStream, stall_s: float) -> None:
        self._stream = stream
        self._stall_s = stall_s
        self.socket = stream.socket

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """See `trio.SocketStream`."""
        return await self._stream.receive_some(max_bytes)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send *data*.

        Raises:
            trio.BrokenResourceError: the peer is gone, or took nothing until the stall deadline.
        """
        rest = memoryview(data)
        while rest:
            with trio.move_on_after(self._stall_s) as stall:
                await self._stream.send_all(rest[:_SLICE_BYTES])
            if stall.cancelled_caught:
                self.abort()
                raise trio.BrokenResourceError("the client reads no more")
            rest = rest[_SLICE_BYTES:]

    async def send_eof(self) -> None:
        """See `trio.SocketStream`."""
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """See `trio.SocketStream`."""
        await self._stream.aclose()

    def abort(self) -> None:
        """Close the socket now. Whoever waits for it gets `trio.ClosedResourceError`."""
        self.socket.close()


class Connections:
    """Every open connection of one listener.

    Args:
        handle: Serves one connection until it is over.
    """

    def __init__(self, handle: Callable[[BoundedStream], Awaitable[None]], stall_s: float) -> None:
        self._handle = handle
        self._stall_s = stall_s
        self._open: set[BoundedStream] = set()
        self._none = trio.Event()

    @asynccontextmanager
    async def owned(self) -> AsyncIterator[trio.Nursery]:
        """Give a nursery for the connections' tasks; leaving the block closes every socket first."""
        async with trio.open_nursery() as nursery:
            try:
                yield nursery
            finally:
                for stream in tuple(self._open):
                    stream.abort()

    async def serve(self, stream: trio.SocketStream) -> None:
        """Serve one connection; never raises an `Exception`."""
        bounded = BoundedStream(stream, self._stall_s)
        self._open.add(bounded)
        try:
            await self._handle(bounded)
        except* Exception as errors:
            log.error("control connection failed", exc_info=errors)
        finally:
            bounded.abort()
            self._open.discard(bounded)
            if not self._open:
                self._none.set()
                self._none = trio.Event()

    async def wait_until_none(self) -> None:
        """Wait until no connection is open."""
        while self._open:
            await self._none.wait()
