"""Waking one task from another, at the price of one scheduler step."""

from typing import Any

import trio


class Signal:
    """Wakes its one waiter. A wake while nobody waits is lost: the waiter looks at its condition before it waits.

    In one thread nothing can happen between that look and the wait, so no wake is missed.
    """

    __slots__ = ("_task",)

    def __init__(self) -> None:
        self._task: trio.lowlevel.Task | None = None

    def wake(self) -> None:
        """Let the waiter run, if there is one."""
        task = self._task
        if task is not None:
            self._task = None
            trio.lowlevel.reschedule(task)

    async def wait(self) -> None:
        """Wait for the next wake. Always a checkpoint."""
        assert self._task is None, "a signal has one waiter"
        self._task = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(self._forget)

    def _forget(self, _: Any) -> trio.lowlevel.Abort:
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED
