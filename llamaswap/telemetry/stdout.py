"""Standard output behind a thread, so that a terminal or pipe which nobody reads stops no one.

The event loop only appends to a deque. The thread writes what has gathered, then rests 50 ms: a lone line appears at
once, a flood costs twenty wake-ups a second.
"""

import os
import select
import threading
from collections import deque

from llamaswap.telemetry.monitor import dropped_marker

#: Most that may wait for a slow standard output: bytes, and pieces (a piece costs some 50 bytes beside its content).
QUEUE_BYTES = 1024 * 1024
QUEUE_PIECES = 16 * 1024

_REST_S = 0.05


class StdoutWriter:
    """Writes to a file descriptor without ever making its caller wait. `write` is for one thread; `close` ends it all.

    When the queue is full, bytes are dropped and counted, and a marker line stands in their place. When the other end
    is gone for good (a closed pipe), everything is silently discarded: a log nobody can read is no reason to stop.
    """

    def __init__(self, fd: int, queue_bytes: int = QUEUE_BYTES) -> None:
        self._fd = fd
        self._limit_bytes = queue_bytes
        self._queue: deque[bytes] = deque()
        # Two counters that only grow, each with one writing thread, need no lock; their difference is what waits.
        self._put_bytes = 0
        self._taken_bytes = 0
        self._dropped_bytes = 0
        self._at_line_start = True
        self._asleep = False
        self._closing = threading.Event()
        self._lost_bytes = 0  # by the thread, when writing itself fails
        self._broken = False
        self._wake = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, name="llamaswap-stdout", daemon=True)
        self._thread.start()

    def write(self, data: bytes) -> None:
        """Queue *data*, or drop and count it. Never blocks."""
        if self._put_bytes - self._taken_bytes + len(data) > self._limit_bytes or len(self._queue) >= QUEUE_PIECES:
            self._dropped_bytes += len(data)
            return
        if self._dropped_bytes:
            self._put_marker()
        self._put(data)
        if self._asleep:
            self._asleep = False
            self._wake.release()

    def close(self, timeout_s: float = 1.0) -> None:
        """Write out what waits, for at most *timeout_s* (blocking); then give up on the rest. May be called again."""
        if self._dropped_bytes:
            self._put_marker()
        self._closing.set()
        self._wake.release()
        self._thread.join(timeout_s)

    def _put(self, data: bytes) -> None:
        self._put_bytes += len(data)
        self._at_line_start = data.endswith(b"\n")
        self._queue.append(data)

    def _put_marker(self) -> None:
        marker = dropped_marker(self._dropped_bytes, at_line_start=self._at_line_start)
        self._dropped_bytes = 0
        self._put(marker)

    def _run(self) -> None:
        while True:
            closing = self._closing.is_set()  # looked at before draining: what was queued before `close` is written
            self._drain()
            if closing:
                return
            self._closing.wait(_REST_S)
            self._asleep = True
            if self._queue or self._closing.is_set():  # looked at after `_asleep` is set: no line can slip between
                self._asleep = False
            else:
                self._wake.acquire()

    def _drain(self) -> None:
        pieces: list[bytes] = []
        while self._queue:
            pieces.append(self._queue.popleft())
        if not pieces:
            return
        taken_bytes = sum(map(len, pieces))
        if self._lost_bytes:
            pieces.insert(0, dropped_marker(self._lost_bytes, at_line_start=False))
            self._lost_bytes = 0
        if not self._broken:
            self._write_all(b"".join(pieces))
        self._taken_bytes += taken_bytes

    def _write_all(self, batch: bytes) -> None:
        rest = memoryview(batch)
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except (
                BlockingIOError
            ):  # a descriptor somebody made non-blocking: a terminal shared with a shell, for example
                poll = select.poll()
                poll.register(self._fd, select.POLLOUT)
                poll.poll(1000)
            except BrokenPipeError:
                self._broken = True
                return
            except OSError:  # a full disk may empty again
                self._lost_bytes += len(rest)
                return
