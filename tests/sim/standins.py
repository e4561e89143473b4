"""What the daemon builds without looking into it: streams, timers, the control plane, what needs a disk."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import trio

from llamaswap.control.context import ControlContext
from llamaswap.models.upstream import Upstream
from llamaswap.schedule.forecast_stopwatch import Measured
from llamaswap.telemetry.logs import LogHub
from llamaswap.telemetry.timings import Timings
from tests.sim.kernel import Kernel
from tests.sim.sockets import End
from tests.sim.waits import wait_readable, wait_writable


class ChannelEnd:
    """`trio.socket`'s socket, as far as the guard's channel and the health probe use it."""

    def __init__(self, end: End) -> None:
        self._end = end

    def __enter__(self) -> "ChannelEnd":
        return self

    def __exit__(self, *_: object) -> None:
        self._end.close()

    def close(self) -> None:
        self._end.close()

    async def connect(self, address: tuple[str, int]) -> None:
        await trio.lowlevel.checkpoint()
        code = self._end.connect_ex(address)
        if code:
            raise OSError(code, "refused")

    async def recv(self, most: int) -> bytes:
        await trio.lowlevel.checkpoint()
        while True:
            with suppress(BlockingIOError):
                return self._end.recv(most)
            await wait_readable(self._end)

    async def send(self, data: bytes) -> int:
        await trio.lowlevel.checkpoint()
        while True:
            with suppress(BlockingIOError):
                return self._end.send(data)
            await wait_writable(self._end)


class ChannelStream:
    """`trio.SocketStream`."""

    def __init__(self, end: ChannelEnd) -> None:
        self._end = end

    async def send_all(self, data: bytes) -> None:
        try:
            while data:
                data = data[await self._end.send(data) :]
        except OSError as error:
            raise trio.BrokenResourceError from error

    async def receive_some(self, most: int) -> bytes:
        try:
            return await self._end.recv(most)
        except OSError as error:
            raise trio.BrokenResourceError from error

    async def aclose(self) -> None:
        self._end.close()
        await trio.lowlevel.checkpoint()


class Timer:
    """`threading.Timer`, on the world's clock."""

    daemon = False

    def __init__(self, seconds: float, act: Callable[[], None]) -> None:
        self._seconds, self._act = seconds, act

    def start(self) -> None:
        Kernel.now.after(self._seconds, self._act)


class Control:
    """The control plane: hypercorn and its socket are not part of this."""

    def __init__(self, path: Path, context: ControlContext) -> None:
        self.upstream = Upstream("http://localhost", unix_path=str(path))
        self.ready, self.ended = trio.Event(), trio.Event()

    async def run(self, stopping: trio.Event) -> None:
        try:
            await stopping.wait()
        finally:
            self.ended.set()


class DisklessTimings(Timings):
    """What was measured of the models, on a disk that is empty at first."""

    def _read(self) -> Measured:
        return Measured()

    def _write(self, text: str) -> None:
        Kernel.now.tell(f"timings: {len(text)} bytes")


def mute_hub(*_: object, **__: object) -> LogHub:
    return LogHub("none", "error")
