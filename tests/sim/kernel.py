"""A machine that is not there: descriptors, streams, ports, and a clock on the wall that somebody plays with.

What the daemon opens and what the world around it opens are told apart, so that at the end of a run everything the
daemon has opened must be closed. Every call that the daemon makes is counted, and any one of them can be made to fail.
Delivery takes no time: what is sent can be read in the same instant, though others may be scheduled in between.
"""

import errno
import os
import random
import socket
import struct
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import trio

CAPACITY_BYTES = 16 * 1024
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

    def enter(self, end: "End") -> int:
        self._next_fd += 1
        self.ends[self._next_fd] = end
        return self._next_fd

    def pair(self, first: str, second: str) -> tuple["End", "End"]:
        """Two ends of one stream, each with its owner."""
        ours, theirs = End(self, first), End(self, second)
        ours.peer, theirs.peer = theirs, ours
        return ours, theirs

    def listen(self, port: int, owner: str) -> "End":
        """Begin to listen. Raises OSError when somebody else does."""
        if port in self.listening:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        end = self.listening[port] = End(self, owner)
        end.backlog = deque()
        end.port = port
        return end

    def dial(self, port: int, owner: str) -> "End | None":
        """A new connection to *port*; None: refused."""
        listener = self.listening.get(port)
        if listener is None or listener.backlog is None:
            return None
        ours, theirs = self.pair(owner, listener.owner)
        listener.backlog.append(theirs)
        listener.can_read.unpark_all()
        return ours

    def left_open(self) -> list["End"]:
        """What the daemon has not closed."""
        return [end for end in self.ends.values() if end.owner == "daemon"]


async def _later(seconds: float, act: Callable[[], None]) -> None:
    await trio.sleep(seconds)
    act()


class End:
    """One end of a stream, or a listening socket; has the methods of a non-blocking socket, as far as they are used.

    Attributes:
        lingers: It is to be closed with a reset.
        local: Its other side is on this machine, and cannot time out.
        eof, reset: What the other side has done.
    """

    family = socket.AF_INET
    type = socket.SOCK_STREAM

    def __init__(self, kernel: Kernel, owner: str) -> None:
        self.kernel = kernel
        self.owner = owner
        self.peer: End | None = None
        self.inbox = bytearray()
        self.eof = self.reset = self.closed = self.lingers = self.local = False
        self.backlog: deque[End] | None = None
        self.port = 0
        self.can_read, self.can_write = trio.lowlevel.ParkingLot(), trio.lowlevel.ParkingLot()
        self._fd = kernel.enter(self)

    def __enter__(self) -> "End":
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

    # -- the socket's methods ---------------------------------------------------------------------------------------

    def fileno(self) -> int:
        return -1 if self.closed else self._fd

    def send(self, data: bytes | bytearray | memoryview) -> int:
        peer = self.peer
        if self.closed:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        self._call("send")
        if self.reset or peer is None:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        if peer.closed:  # the other side's kernel answers with a reset, but too late for this call
            self.be_reset()
            return len(data)
        room = CAPACITY_BYTES - len(peer.inbox)
        if room <= 0:
            raise BlockingIOError
        peer.inbox += data[:room]
        peer.can_read.unpark_all()
        return min(room, len(data))

    def recv(self, most: int) -> bytes:
        if self.closed:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        self._call("recv")
        if self.inbox:
            data = bytes(self.inbox[:most])
            del self.inbox[:most]
            if self.peer is not None:
                self.peer.can_write.unpark_all()
            return data
        if self.reset:
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        if self.eof:
            return b""
        raise BlockingIOError

    def recv_into(self, buffer: memoryview, most: int) -> int:
        data = self.recv(most)
        buffer[: len(data)] = data
        return len(data)

    def connect_ex(self, address: tuple[str, int]) -> int:
        try:
            self._call("connect")
        except OSError as error:
            return error.errno or errno.EIO
        listener = self.kernel.listening.get(address[1]) if address[0] == "127.0.0.1" else None
        if listener is None or listener.backlog is None:
            return errno.ECONNREFUSED
        self.peer = End(self.kernel, listener.owner)
        self.peer.peer = self
        listener.backlog.append(self.peer)
        listener.can_read.unpark_all()
        return 0

    def accept(self) -> tuple["End", tuple[str, int]]:
        if self.backlog is None or not self.backlog:
            raise BlockingIOError
        self._call("accept")
        return self.backlog.popleft(), ("127.0.0.1", 50000)

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        if option == socket.SO_LINGER:
            self.lingers = struct.unpack("ii", value) == (1, 0)

    def getsockopt(self, level: int, option: int) -> int:
        return 0

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    def setblocking(self, flag: bool) -> None:
        pass

    def shutdown(self, how: int) -> None:
        if self.peer is None or self.reset:
            raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
        self.peer.be_ended()

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

    # -- what else happens to it ------------------------------------------------------------------------------------

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

    def hand_over(self, owner: str) -> "End":
        """Another process's descriptor for the same end; this one does not count any more."""
        heir = End(self.kernel, owner)
        heir.peer, self.peer = self.peer, None
        heir.inbox, heir.eof, heir.reset = self.inbox, self.eof, self.reset
        self.inbox = bytearray()
        if heir.peer is not None:
            heir.peer.peer = heir
        return heir

    def _call(self, name: str) -> None:
        if self.owner == "daemon":
            try:
                self.kernel.call(name, (errno.ECONNRESET,) if self.local else ())
            except OSError:
                if name in ("send", "recv"):  # a connection of which such a thing was said is broken for good
                    self.be_reset()
                    if self.peer is not None:
                        self.peer.be_reset()
                raise

    def _wake(self) -> None:
        self.can_read.unpark_all()
        self.can_write.unpark_all()
        if self.peer is not None:
            self.peer.can_write.unpark_all()

    # -- for the world's tasks --------------------------------------------------------------------------------------

    async def read(self) -> bytes:
        """What is there, waiting for something; empty at the end, however it came."""
        while not self.readable:
            await self.can_read.park()
        try:
            return self.recv(65536)
        except OSError:
            return b""

    async def write(self, data: bytes) -> bool:
        """Send it all; False when nobody takes it any more."""
        rest = memoryview(data)
        while rest:
            while not self.writable:
                await self.can_write.park()
            try:
                rest = rest[self.send(rest) :]
            except OSError:
                return False
        return not self.reset


async def wait_readable(which: "int | End") -> None:
    """Trio's, for what is open here."""
    await _wait(which, "readable", "can_read")


async def wait_writable(which: "int | End") -> None:
    """Trio's, for what is open here."""
    await _wait(which, "writable", "can_write")


async def _wait(which: "int | End", state: str, lot: str) -> None:
    end = Kernel.now.ends.get(which) if isinstance(which, int) else which
    if end is None or end.closed:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    if getattr(end, state):
        await trio.lowlevel.checkpoint()
    while not getattr(end, state):
        await getattr(end, lot).park()
    if end.closed:
        raise trio.ClosedResourceError("another task closed this fd")


class Poll:
    """``select.poll``, for one descriptor and no wait."""

    def __init__(self) -> None:
        self._registered: tuple[End, int] | None = None

    def register(self, end: End, mask: int) -> None:
        self._registered = end, mask

    def poll(self, timeout: float | None) -> Sequence[tuple[int, int]]:
        assert self._registered is not None
        end, mask = self._registered
        there = end.readable if mask & 1 else end.hung_up  # 1 is POLLIN
        return [(end.fileno(), mask)] if there else []
