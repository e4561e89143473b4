"""The last bytes of one log, and the readers that follow it live.

Writing is synchronous, happens on the event loop's thread, and never waits for a reader. History is never lossy; what a
reader is too slow to take is dropped from *its* copy, counted, and marked in the place where it is missing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import trio

#: What a monitor remembers, what one reader may leave untaken, and what it gets at once. Of a piece being sent two
#: copies exist, so history (or what is untaken) and twice a piece must stay below 256 KiB.
HISTORY_BYTES = 100 * 1024
PENDING_BYTES = 64 * 1024
PIECE_BYTES = 64 * 1024

#: How far history may grow before it is cut back; trades a little memory for one move of bytes per 32 KiB written.
_SLACK_BYTES = 32 * 1024


def dropped_marker(dropped_bytes: int, *, at_line_start: bool) -> bytes:
    """Return the line that stands where *dropped_bytes* are missing."""
    line = f"— {dropped_bytes} bytes dropped —\n".encode()
    return line if at_line_start else b"\n" + line


class Subscription:
    """One reader's live copy. Iterate it; each piece is everything that came since the last one, up to 64 KiB.

    Iteration ends when the monitor is closed, after what was written before. Cancelling a wait loses nothing.
    For one task.

    Attributes:
        ended: Set when nothing more will come beyond what is there.
    """

    __slots__ = ("_dropped_bytes", "_limit_bytes", "_pending", "_ready", "ended")

    def __init__(self, first: bytes, limit_bytes: int) -> None:
        self._pending = bytearray(first)
        self._limit_bytes = limit_bytes
        self._dropped_bytes = 0
        self.ended = trio.Event()
        self._ready = trio.lowlevel.ParkingLot()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await self.receive()
        except trio.EndOfChannel:
            raise StopAsyncIteration from None

    async def receive(self) -> bytes:
        """Wait for the next piece (never empty).

        Raises:
            trio.EndOfChannel: the monitor was closed and everything has been taken.
        """
        await trio.lowlevel.checkpoint()
        while not self._pending and not self._dropped_bytes:
            if self.ended.is_set():
                raise trio.EndOfChannel
            await self._ready.park()
        return self._take()

    def offer(self, data: bytes) -> None:
        """Add *data*, or drop and count it. Once something was dropped all is, until the reader has seen the marker."""
        if self._dropped_bytes or len(self._pending) + len(data) > self._limit_bytes:
            self._dropped_bytes += len(data)
        else:
            self._pending += data
        if self._ready:
            self._ready.unpark_all()

    def close(self) -> None:
        """Let the reader's iteration end once it has taken what is there."""
        self.ended.set()
        self._ready.unpark_all()

    def _take(self) -> bytes:
        piece = bytes(self._pending[:PIECE_BYTES])
        del self._pending[:PIECE_BYTES]
        if self._dropped_bytes and not self._pending:
            piece += dropped_marker(self._dropped_bytes, at_line_start=not piece or piece.endswith(b"\n"))
            self._dropped_bytes = 0
        return piece


class Monitor:
    """A log's last 100 KiB and its live readers. Not thread-safe: everything happens on the event loop's thread."""

    __slots__ = ("_closed", "_history", "_limit_bytes", "_subscriptions")

    def __init__(self, history_bytes: int = HISTORY_BYTES) -> None:
        self._history = bytearray()
        self._limit_bytes = history_bytes
        self._subscriptions: list[Subscription] = []
        self._closed = False

    def write(self, data: bytes) -> None:
        """Remember *data* and hand it to the readers. Never blocks."""
        history = self._history
        history += data if len(data) <= self._limit_bytes else data[-self._limit_bytes :]
        if len(history) > self._limit_bytes + _SLACK_BYTES:
            del history[: len(history) - self._limit_bytes]
        for subscription in self._subscriptions:
            subscription.offer(data)

    def history(self) -> bytes:
        """Return what is remembered, oldest first; it may begin in the middle of a line."""
        return self.tail(self._limit_bytes)

    def tail(self, limit_bytes: int) -> bytes:
        """Return the last *limit_bytes* of history, or less when there is less."""
        limit_bytes = min(limit_bytes, self._limit_bytes)
        return bytes(self._history[-limit_bytes:]) if limit_bytes > 0 else b""

    @contextmanager
    def subscribe(self, *, history: bool = False, pending_bytes: int = PENDING_BYTES) -> Iterator[Subscription]:
        """Follow the log while the block runs, from this moment or, with *history*, from what is remembered.

        No byte is missed or doubled between history and live. At most *pending_bytes* wait for the reader, or as much
        as the history it has not taken yet.
        """
        first = self.history() if history else b""
        subscription = Subscription(first, max(pending_bytes, len(first)))
        self._subscriptions.append(subscription)
        if self._closed:
            subscription.close()
        try:
            yield subscription
        finally:
            self._subscriptions.remove(subscription)

    def close(self) -> None:
        """End every reader's iteration, now and in the future. Writing goes on working."""
        self._closed = True
        for subscription in self._subscriptions:
            subscription.close()
