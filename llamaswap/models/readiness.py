"""From "the process exists" to "it answers 200 itself": the probing half of a model's start."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import trio

from llamaswap.models.health import HealthProbe
from llamaswap.models.ports import listening_inodes, owner_among
from llamaswap.models.proctable import descendants, process_table

logger = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.005
LAST_PAUSE_S = 0.1
#: While nobody listens yet a look costs next to nothing, and most models that are to be ready soon are so by then.
LAST_EARLY_PAUSE_S = 0.01
EARLY_S = 10.0
ONE_CHECK_S = 5.0


@dataclass(slots=True)
class Stir:
    """Says that something moved: a model that writes a line has often just changed its state."""

    _event: trio.Event = field(default_factory=trio.Event)

    def set(self) -> None:
        """Something moved."""
        self._event.set()

    async def wait_at_most(self, seconds: float) -> bool:
        """Whether something moved since the last call, waiting for it for at most *seconds*."""
        with trio.move_on_after(seconds):
            await self._event.wait()
        moved = self._event.is_set()
        if moved:
            self._event = trio.Event()
        return moved


async def wait_until_healthy(probe: HealthProbe, stir: Stir, is_ours: Callable[[], Awaitable[bool]]) -> None:
    """Return as soon as *probe* gets a 200 from a listener that *is_ours* accepts. Bounded only from outside.

    Pauses grow from 5 ms to 100 ms (10 ms while connections are refused in the first 10 s) and start over with each
    stir, so that readiness is seen within milliseconds.
    """
    pause = FIRST_PAUSE_S
    warned = False
    last = None
    early_until = trio.current_time() + EARLY_S
    while True:
        status = None
        with trio.move_on_after(ONE_CHECK_S):
            status = await probe.ask()
        if status == 200:
            if await is_ours():
                return
            if not warned:
                warned = True
                logger.warning("health check answered by a process that is not the model's url=%s", probe.url)
        if status != last:
            logger.debug("health check url=%s status=%s", probe.url, status)
            last = status
        await trio.sleep(FIRST_PAUSE_S)
        stirred = await stir.wait_at_most(pause - FIRST_PAUSE_S)
        early = status is None and trio.current_time() < early_until
        longest = LAST_EARLY_PAUSE_S if early else LAST_PAUSE_S
        pause = FIRST_PAUSE_S if stirred else min(pause * 1.5, longest)


async def tree_listens(port: int, leader: int, guard: int) -> bool:
    """The tree of *guard* listens on *port*, or nobody can be shown to do so but a process we cannot look into."""
    inodes = listening_inodes(port)
    if not inodes or owner_among(inodes, [leader]):
        return True
    return await trio.to_thread.run_sync(_no_stranger_listens, inodes, guard)  # walks the whole process table


def _no_stranger_listens(inodes: set[str], guard: int) -> bool:
    table = process_table()
    tree = [row.pid for row in descendants(table, guard)]
    return owner_among(inodes, tree) is not None or owner_among(inodes, table) is None
