"""The way out for a crowd of clients that leave together.

Trio wakes in one turn of its loop all whose sockets have something to tell. A client that has hung up costs some 0.2 ms
then, in the two or three turns until it is unwound; if thousands leave at once, everybody else waits for all of them.
Those who leave wait for nothing any more, so they go a few at a time, and others have their turns in between.
"""

from collections import OrderedDict
from typing import Any

import trio

from llamaswap.gateway.signal import Signal

#: So many go in one turn of the loop, which then takes some 5 ms.
AT_ONCE = 24


class Turnstile:
    """Lets `AT_ONCE` through, and the next ones after a turn of the loop, in the order in which they came.

    `run` must be running: it lets those through who have to wait.
    """

    def __init__(self) -> None:
        self._places = AT_ONCE
        self._line: OrderedDict[trio.lowlevel.Task, None] = OrderedDict()
        self._taken = Signal()

    async def go_through(self) -> None:
        """Go on as soon as it is one's turn: a checkpoint only if that is not now. Cancelling leaves the line."""
        if self._places:
            self._places -= 1
            if not self._places:
                self._taken.wake()
            return
        task = trio.lowlevel.current_task()
        self._line[task] = None

        def leave(_: Any) -> trio.lowlevel.Abort:
            del self._line[task]
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(leave)

    async def run(self) -> None:
        """Offer new places a turn after the last one was taken, until cancelled."""
        while True:
            if self._places:
                await self._taken.wait()
            else:
                await trio.lowlevel.checkpoint()
            self._places = AT_ONCE
            while self._line and self._places:
                self._places -= 1
                task, _ = self._line.popitem(last=False)
                trio.lowlevel.reschedule(task)
