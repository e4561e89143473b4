"""Foretells for people and programs when their requests start: on demand, and never in the way of anything.

A forecast is computed when somebody asks, in slices of the event loop's time, so that nothing waits for it longer than
`SLICE_S`; all who ask meanwhile get the same one. The more it cost, the longer it is used, so that however often people
ask, it takes at most a tenth of the time. What only foretelling needs is imported when somebody asks.
"""

import time
from collections.abc import Generator
from typing import TYPE_CHECKING, NamedTuple

import trio

from llamaswap.config.schema import ModelId
from llamaswap.dispatcher import Dispatcher
from llamaswap.schedule.events import Ticket
from llamaswap.schedule.forecast_samples import Range
from llamaswap.schedule.forecast_stopwatch import Measured, Stopwatch

if TYPE_CHECKING:
    from llamaswap.schedule.explain import Explanation
    from llamaswap.schedule.forecast import Forecast
    from llamaswap.schedule.planning import Plan

#: What others have to wait for a forecast at most, and for how long one may be used while nothing happens.
SLICE_S = 0.004
FRESH_S = 0.25
#: However much happens, a forecast is used for so many times what it took to make.
WORTH = 10.0


class Serving(NamedTuple):
    """A request that has been served for *elapsed_s*, and what is left of it; None: nobody knows."""

    ticket: Ticket
    elapsed_s: float
    rest: Range | None


class Forecaster:
    """Measures what *dispatcher* does from now on, and foretells what it will do.

    Args:
        measured: What is known from before; it is added to.
    """

    def __init__(self, dispatcher: Dispatcher, measured: Measured | None = None) -> None:
        self._dispatcher = dispatcher
        self.stopwatch = Stopwatch(measured, dispatcher.loads)
        dispatcher.observe(self.stopwatch.on_pass)
        self._last: Forecast | None = None
        self._passes = -1
        self._cost_s = 0.0
        self._computing: trio.Event | None = None
        self._newcomers: dict[ModelId, tuple[Forecast, float]] = {}
        self._one_by_one = trio.Lock()

    async def fresh(self) -> "Forecast":
        """What is to be expected, as good as it is worth. Cancelling the wait takes it from nobody else."""
        while self._last is None or not self._is_fresh(self._last):
            if self._computing is not None:
                await self._computing.wait()
                continue
            self._computing = trio.Event()
            try:
                passes = self.stopwatch.passes
                self._last, self._cost_s = await self._compute(None)
                self._passes = passes
            finally:
                self._computing.set()
                self._computing = None
        return self._last

    async def start_of(self, ticket: Ticket) -> Range | None:
        """When the waiting *ticket* will start, in seconds from now; None: nobody knows."""
        expected = await self.fresh()
        return self.seen_now(expected, expected.starts.get(ticket))

    async def place_for(self, model: ModelId) -> Range | None:
        """When *model*, whose limit is reached, will take one more request, in seconds from now; None: nobody knows."""
        expected = await self.fresh()
        return self.seen_now(expected, expected.places.get(model))

    async def newcomer(self, model: ModelId) -> Range | None:
        """When a request for *model* would start if it came now; None: nobody knows. As good as it is worth, too."""
        from llamaswap.schedule.forecast import NEWCOMER  # noqa: PLC0415 - see the top

        async with self._one_by_one:
            known = self._newcomers.get(model)
            if known is not None and trio.current_time() < known[1]:
                expected = known[0]
            else:
                expected, cost = await self._compute(model)
                self._newcomers[model] = expected, expected.at + max(FRESH_S, cost * WORTH)
        return self.seen_now(expected, expected.starts.get(NEWCOMER))

    def earliest(self, model: ModelId) -> float | None:
        """Before that time of the dispatcher's clock a request for *model* that comes now will hardly be granted."""
        from llamaswap.schedule.earliest import earliest_start  # noqa: PLC0415 - see the top

        machine, _ = self._dispatcher.scheduling
        return earliest_start(machine, self.stopwatch, model, trio.current_time())

    def plan(self, model: ModelId) -> "Plan":
        """What would become of a request for *model* that came now."""
        from llamaswap.schedule.planning import Likely, what_if  # noqa: PLC0415 - see the top

        machine, _ = self._dispatcher.scheduling
        typical = Likely(self.stopwatch.measured.known())
        return what_if(machine, model, trio.current_time(), self.stopwatch.under_way(), typical)

    def reasons(self, most: int | None = None) -> "dict[Ticket, Explanation]":
        """Why each waiting request (of the first *most*) waits."""
        from llamaswap.schedule.explain import why_all_wait  # noqa: PLC0415 - see the top

        machine, _ = self._dispatcher.scheduling
        reasons = why_all_wait(machine, trio.current_time(), self.stopwatch.under_way(), most)
        return {waiting.ticket: why for waiting, why in reasons}

    def serving(self) -> dict[ModelId, list[Serving]]:
        """The requests that are being served, and how long they will still take."""
        now, known = trio.current_time(), self.stopwatch.measured.known()
        found: dict[ModelId, list[Serving]] = {}
        for ticket, (model, since) in self.stopwatch.under_way().served.items():
            elapsed = now - since
            found.setdefault(model, []).append(Serving(ticket, elapsed, known.service(model).range(elapsed)))
        return found

    def rest_of_load(self, model: ModelId, elapsed: float) -> Range | None:
        """What is left of a load of *model*; None: nobody knows."""
        return self.stopwatch.measured.known().load(model).range(elapsed)

    def rest_of_stop(self, model: ModelId, elapsed: float) -> Range | None:
        """What is left of a stop of *model*; None: nobody knows."""
        return self.stopwatch.measured.known().stop(model).range(elapsed)

    def load_within(self, model: ModelId, begin: float, end: float) -> float:
        """For how many seconds of a wait from *begin* to *end* its *model* was loading."""
        began, ready = self.stopwatch.loads.get(model, (0.0, 0.0))
        return max(0.0, min(end, ready) - max(begin, began))

    def seen_now(self, expected: "Forecast", told: Range | None) -> Range | None:
        """*told* in *expected*, as it looks now."""
        return None if told is None else told.later(trio.current_time() - expected.at)

    def _is_fresh(self, last: "Forecast") -> bool:
        age = trio.current_time() - last.at
        return age < self._cost_s * WORTH or (age < FRESH_S and self._passes == self.stopwatch.passes)

    async def _compute(self, newcomer: ModelId | None) -> "tuple[Forecast, float]":
        """A forecast, and the seconds it took to compute."""
        from llamaswap.schedule.forecast import forecast, situation  # noqa: PLC0415 - see the top

        machine, _ = self._dispatcher.scheduling
        cost, begun = 0.0, time.perf_counter()
        steps = forecast(situation(machine, self.stopwatch, trio.current_time()), newcomer)
        while (result := _advance(steps, begun + SLICE_S)) is None:
            cost += time.perf_counter() - begun
            await trio.lowlevel.checkpoint()
            begun = time.perf_counter()
        return result, cost + time.perf_counter() - begun


def _advance(steps: "Generator[None, None, Forecast]", until: float) -> "Forecast | None":
    """Compute until then, or to the end, which gives the forecast."""
    try:
        next(steps)
        while time.perf_counter() < until:
            next(steps)
    except StopIteration as done:
        result: Forecast = done.value
        return result
    return None
