"""One end of a stream: what is in it, what its other side has done, and how it ends.

Delivery takes no time: what is sent can be read in the same instant, though others may be scheduled in between.
"""

from collections import deque
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from tests.sim.kernel import Kernel
    from tests.sim.sockets import End

CAPACITY_BYTES = 16 * 1024


class Stream:
    """One end of a stream, or a listener.

    Attributes:
        backlog: Of a listener: the connections that nobody has accepted yet.
        lingers: It is to be closed with a reset.
        local: Its other side is on this machine, and cannot time out.
        eof, reset: What the other side has done.
    """

    def __init__(self, kernel: "Kernel", owner: str) -> None:
        self.kernel = kernel
        self.owner = owner
        self.peer: End | None = None
        self.inbox = bytearray()
        self.eof = self.reset = self.closed = self.lingers = self.local = False
        self.backlog: deque[End] | None = None
        self.port = 0
        self.can_read, self.can_write = trio.lowlevel.ParkingLot(), trio.lowlevel.ParkingLot()
        self._fd = kernel.next_fd()

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<End {self._fd} of {self.owner} port={self.port}>"

    # -- what poll would say ----------------------------------------------------------------------------------------

    @property
    def readable(self) -> bool:
        return bool(self.inbox or self.eof or self.reset or self.closed or self.backlog)

    @property
    def hung_up(self) -> bool:
        return self.eof or self.reset or self.closed

    @property
    def writable(self) -> bool:
        peer = self.peer
        return self.closed or self.reset or peer is None or peer.closed or len(peer.inbox) < CAPACITY_BYTES

    # -- its end ----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        self.kernel.ends.pop(self._fd, None)
        if self.backlog is not None:
            self.kernel.listening.pop(self.port, None)
            for waiting in self.backlog:
                waiting.abort()
        if self.peer is not None and not self.peer.closed:
            if self.inbox or self.lingers:
                self.peer.be_reset()
            else:
                self.peer.be_ended()
        self._wake()

    def abort(self) -> None:
        """Close it so that the other side sees a reset."""
        self.lingers = True
        self.close()

    def be_reset(self) -> None:
        self.reset = True
        self._wake()

    def be_ended(self) -> None:
        self.eof = True
        self._wake()

    def _wake(self) -> None:
        self.can_read.unpark_all()
        self.can_write.unpark_all()
        if self.peer is not None:
            self.peer.can_write.unpark_all()
