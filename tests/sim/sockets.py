"""A non-blocking socket of the machine that is not there, and how the world's own tasks use one."""

import errno
import os
import socket
import struct
from typing import TYPE_CHECKING, Any

from tests.sim.streams import CAPACITY_BYTES, Stream

if TYPE_CHECKING:
    from tests.sim.kernel import Kernel


class End(Stream):
    """An end with the methods of a socket, as far as they are used. The daemon's calls are counted, and may fail."""

    family = socket.AF_INET
    type = socket.SOCK_STREAM

    def __init__(self, kernel: "Kernel", owner: str) -> None:
        super().__init__(kernel, owner)
        kernel.ends[self._fd] = self

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
