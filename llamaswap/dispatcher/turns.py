"""One fact after the other.

Everything the dispatcher does with a fact is synchronous, so one fact is one atomic step. A fact that comes while
nothing waits in the inbox is handled in place, by whoever brings it: a request for a ready model is granted without a
task switch, and since the inbox is empty the order of facts is the same. The loop handles what was posted while
another fact was being handled, and the passing of time.
"""

import math
from collections.abc import Callable

import trio

from llamaswap.schedule.events import Event, Tick


class Turns:
    """Brings each fact to *handle*, one at a time and in order, and a `Tick` when *deadline* passes before the next.

    A failure of *handle* is kept for `run`, since the one who brings a fact is some innocent request.

    Attributes:
        handling: A fact is being handled.
    """

    def __init__(self, handle: Callable[[Event, float], None], deadline: Callable[[], float | None]) -> None:
        self._handle = handle
        self._deadline = deadline
        self._post_nowait, self._inbox = trio.open_memory_channel[Event](math.inf)
        self._backlog = 0
        self.handling = False
        self._running = False
        self._failure: Exception | None = None
        self._timer: trio.CancelScope | None = None

    def post(self, event: Event) -> None:
        """Take in a fact: at once if nothing else is waiting, else in its turn. Never blocks."""
        if self.handling or self._backlog or self._failure is not None:
            self._backlog += 1
            self._post_nowait.send_nowait(event)
        else:
            self._take(event)

    async def run(self) -> None:
        """Take turns until cancelled.

        Raises:
            Exception: *handle* has failed.
        """
        self._running = True
        while self._failure is None:
            with trio.CancelScope(deadline=self._due()) as self._timer:
                event = await self._inbox.receive()
                self._backlog -= 1
            if self._failure is not None:
                break
            self._take(Tick() if self._timer.cancelled_caught else event)
        raise self._failure

    @property
    def alive(self) -> bool:
        """Whether facts are handled."""
        return self._running and self._failure is None

    def _take(self, event: Event) -> None:
        """Handle one fact to its end."""
        self.handling = True
        try:
            self._handle(event, trio.current_time())
        except Exception as failure:  # raised by run(), which ends the daemon
            self._failure = failure
            self._backlog += 1
            self._post_nowait.send_nowait(Tick())
        finally:
            self.handling = False
        timer = self._timer
        if timer is not None and (due := self._due()) < timer.deadline:
            timer.deadline = due

    def _due(self) -> float:
        deadline = self._deadline()
        return math.inf if deadline is None else deadline
