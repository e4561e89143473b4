"""Waiting for what is open here, and asking without a wait: Trio's functions, and `select.poll`."""

import errno
import os
from collections.abc import Sequence

import trio

from tests.sim.kernel import Kernel
from tests.sim.sockets import End


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
