"""A machine that is not there: what is open, who listens where, and a clock on the wall that somebody plays with.

What the daemon opens and what the world around it opens are told apart, so that at the end of a run everything the
daemon has opened must be closed. Every call that the daemon makes is counted, and any one of them can be made to fail.
Delivery takes no time: what is sent can be read in the same instant, though others may be scheduled in between.
"""

import errno
import os
import random
from collections import deque
from collections.abc import Callable
from typing import ClassVar

import trio

from tests.sim.sockets import End

#: What can go wrong with a call, by its name.
TROUBLES: dict[str, tuple[int, ...]] = {
    "socketpair": (errno.EMFILE, errno.ENFILE),
    "pipe": (errno.EMFILE, errno.ENFILE),
    "spawn": (errno.EMFILE, errno.ENOMEM, errno.EAGAIN),
    "socket": (errno.EMFILE, errno.ENOBUFS),
    "accept": (errno.EMFILE, errno.ECONNABORTED, errno.ENOMEM),
    "connect": (errno.ECONNREFUSED, errno.ETIMEDOUT, errno.ECONNRESET),
    "send": (errno.EPIPE, errno.ECONNRESET),
    "recv": (errno.ECONNRESET, errno.ETIMEDOUT),
}


class Kernel:
    """All that is open, and the calls that were made.

    Attributes:
        nursery: Where the world's tasks run; none of them is the daemon's.
        failing: The number of the daemon's call that fails, from 1; 0 for none.
        told: The transcript.
    """

    now: ClassVar["Kernel"]  # the one in use

    def __init__(self, seed: str, nursery: trio.Nursery, failing: int = 0) -> None:
        self.rng = random.Random(seed)
        self.nursery = nursery
        self.failing = failing
        self.calls = 0
        self.failed_at: float | None = None
        self.ends: dict[int, End] = {}
        self.listening: dict[int, End] = {}
        self.told: list[str] = []
        self.wall_s = 1.7e9
        self._next_fd = 1000

    def tell(self, text: str) -> None:
        """Add a line to the transcript."""
        self.told.append(f"{trio.current_time():.6f} {text}")

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Let *act* happen later."""
        if seconds <= 0:
            act()
        elif seconds != float("inf"):
            self.nursery.start_soon(_later, seconds, act)

    def call(self, name: str, troubles: tuple[int, ...] = ()) -> None:
        """The daemon makes a system call. Raises OSError if it is the one that fails."""
        self.calls += 1
        if self.calls == self.failing:
            number = self.rng.choice(troubles or TROUBLES[name])
            self.failed_at = trio.current_time()
            self.tell(f"call {self.calls} {name} fails: {errno.errorcode[number]}")
            raise OSError(number, os.strerror(number))

    def next_fd(self) -> int:
        """A descriptor that was never used."""
        self._next_fd += 1
        return self._next_fd

    def pair(self, first: str, second: str) -> tuple[End, End]:
        """Two ends of one stream, each with its owner."""
        ours, theirs = End(self, first), End(self, second)
        ours.peer, theirs.peer = theirs, ours
        return ours, theirs

    def listen(self, port: int, owner: str) -> End:
        """Begin to listen. Raises OSError when somebody else does."""
        if port in self.listening:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        end = self.listening[port] = End(self, owner)
        end.backlog = deque()
        end.port = port
        return end

    def dial(self, port: int, owner: str) -> End | None:
        """A new connection to *port*; None: refused."""
        listener = self.listening.get(port)
        if listener is None or listener.backlog is None:
            return None
        ours, theirs = self.pair(owner, listener.owner)
        listener.backlog.append(theirs)
        listener.can_read.unpark_all()
        return ours

    def left_open(self) -> list[End]:
        """What the daemon has not closed."""
        return [end for end in self.ends.values() if end.owner == "daemon"]


async def _later(seconds: float, act: Callable[[], None]) -> None:
    await trio.sleep(seconds)
    act()
