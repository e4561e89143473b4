"""When each waiting request will start: a copy of the scheduler is played into many possible futures.

Each future is the real machine, run from the state it is in, with durations drawn from what was measured
(`forecast_samples`), given how long what is under way has lasted already, and with further requests as they came
lately. The spread of the futures is the range. The same state and seed give the same forecast. A request that waits for
something of which nothing is known, such as the first load of a model, has no forecast.
"""

import math
from collections.abc import Generator, Iterable, Iterator
from copy import copy
from dataclasses import dataclass, field
from heapq import merge
from itertools import islice

from llamaswap.config.names import ModelId
from llamaswap.schedule.commands import Grant, Reject
from llamaswap.schedule.events import Arrived, Event, Left, Ticket
from llamaswap.schedule.forecast_draws import Drawn, Luck, imagined_arrivals
from llamaswap.schedule.forecast_samples import HIGH, LIKELY, LOW, Range
from llamaswap.schedule.forecast_stopwatch import Known, Stopwatch
from llamaswap.schedule.fork import fork
from llamaswap.schedule.scheduler import Scheduler
from llamaswap.schedule.serial import SerialScheduler
from llamaswap.schedule.simulation.engine import Simulation
from llamaswap.schedule.simulation.underway import UnderWay

#: Futures that are played, and requests that are looked at; for those further back the line is drawn on.
DRAWS = 32
MOST_WAITING = 48
MOST_PLACES = 1000
#: The ticket of a request that has not come: what would be if it came now.
NEWCOMER = Ticket((1 << 60) - 1)
_LUCK = Luck(seed=4)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is to be expected at the time `at` of the machine's clock; ranges count from there.

    Attributes:
        starts: Of the waiting requests that were looked at, as far as something is known.
        places: For models whose limit is reached: when one more request will be admitted.
        seen: How many waiting requests were looked at, from the front.
        order: The place of each waiting request, counted from 1, for the first `MOST_PLACES`.
        spacing: Of those behind, each starts so much later than the one before it; None if nobody knows.
    """

    at: float
    starts: dict[Ticket, Range] = field(default_factory=dict)
    places: dict[ModelId, Range] = field(default_factory=dict)
    seen: int = 0
    order: dict[Ticket, int] = field(default_factory=dict)
    spacing: tuple[Range, Range] | None = None

    def start(self, ticket: Ticket) -> Range | None:
        """When *ticket* will start, as far as anybody knows."""
        return self.starts.get(ticket) or self.behind(self.order.get(ticket, 0))

    def behind(self, place: int) -> Range | None:
        """For the request at *place*, counted from 1, behind those that were looked at: an estimate, no promise."""
        if self.spacing is None or place <= self.seen:
            return None
        last, step = self.spacing
        return Range(*(start + (place - self.seen) * each for start, each in zip(last, step, strict=True)))


@dataclass(frozen=True, slots=True)
class Situation:
    """A copy of all that a forecast follows from; what happens next does not change it.

    Attributes:
        waiting: The requests that are looked at, in order.
        order: As in `Forecast`.
        owners: The model of each request that waits or is served.
        full: Models whose limit is reached.
    """

    machine: Scheduler
    under_way: UnderWay
    known: Known
    rates: dict[ModelId, float]
    impatience: float
    now: float
    waiting: list[Ticket]
    order: dict[Ticket, int]
    owners: dict[Ticket, ModelId]
    full: frozenset[ModelId]


def situation(machine: Scheduler, stopwatch: Stopwatch, now: float, most: int = MOST_WAITING) -> Situation:
    """Copy how things stand at *now*, with the first *most* of the queue: in constant time."""
    known = list(islice(machine.waiting(), MOST_PLACES))
    first = known[:most]
    requests = machine._requests  # of our own room; nobody else may look
    front = type(requests)()
    served = type(requests)()
    served.active = requests.active
    front.take_over(served)
    for waiting in sorted(first):
        front.enqueue(*waiting)
    view = copy(machine)
    view._requests = front
    view._deadlines = machine._deadlines.only({waiting.ticket for waiting in first})
    rules = machine._rules
    owners = {waiting.ticket: waiting.model for waiting in first}
    owners |= {ticket: model for ticket, (model, _) in requests.active.items()}
    full = frozenset(m for m, count in requests.outstanding.items() if m in rules and 0 < rules[m].limit <= count)
    return Situation(
        fork(view),
        stopwatch.under_way(),
        stopwatch.measured.known(),
        {} if isinstance(machine, SerialScheduler) else stopwatch.rates(now),  # there nobody overtakes
        stopwatch.impatience(),
        now,
        [waiting.ticket for waiting in first],
        {waiting.ticket: place for place, waiting in enumerate(known, 1)},
        owners,
        full,
    )


def forecast(given: Situation, newcomer: ModelId | None = None, draws: int = DRAWS) -> Generator[None, None, Forecast]:
    """Play *draws* futures of *given*. Yields often, so that whoever computes it can do something else in between.

    Args:
        newcomer: The model of a request that might come now; its start is told as that of `NEWCOMER`.
    """
    starts: dict[Ticket, list[float]] = {ticket: [] for ticket in given.waiting}
    if newcomer is not None:
        starts[NEWCOMER] = []
    places: dict[ModelId, list[float]] = {model: [] for model in given.full}
    for draw in range(draws):
        future = _Future(given, draw, newcomer)
        yield from future.play()
        for ticket, at in future.starts.items():
            starts[ticket].append(at - given.now)
        for model in given.full:
            places[model].append(future.places.get(model, math.inf) - given.now)
    ranges = {ticket: found for ticket, times in starts.items() if (found := _range(times, draws)) is not None}
    free = {model: found for model, times in places.items() if (found := _range(times, draws)) is not None}
    return Forecast(given.now, ranges, free, len(given.waiting), given.order, _spacing(given.waiting, ranges))


def run(steps: Generator[None, None, Forecast]) -> Forecast:
    """Compute a forecast to its end at once."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: Forecast = done.value
            return result


class _Future:
    """One way in which it may go on. `starts` is infinite for what never comes, and lacks who is turned away."""

    def __init__(self, given: Situation, draw: int, newcomer: ModelId | None) -> None:
        self.starts: dict[Ticket, float] = {}
        self.places: dict[ModelId, float] = {}
        self._owners = given.owners
        self._open = set(given.waiting)
        self._full = set(given.full)
        durations = Drawn(given.known, given.impatience, _LUCK, draw)
        facts: Iterable[tuple[float, Event]] = self._arrivals(given, draw)
        if newcomer is not None:
            self._open.add(NEWCOMER)
            facts = merge([(given.now, Arrived(NEWCOMER, newcomer))], facts, key=lambda fact: fact[0])
        self._simulation = Simulation(fork(given.machine), durations, facts, now=given.now, under_way=given.under_way)

    @staticmethod
    def _arrivals(given: Situation, draw: int) -> Iterator[tuple[float, Event]]:
        rates = {model: rate for model, rate in given.rates.items() if given.known.service(model)}
        return imagined_arrivals(rates, _LUCK, draw, given.now, 50 + 4 * len(given.waiting))

    def play(self) -> Iterator[None]:
        """Go on until everything is decided, or nothing more can be known. Yields after each pass."""
        if not self._open and not self._full:
            return
        for now, event, orders in self._simulation.passes():
            if now == math.inf:
                break
            if isinstance(event, Left):
                self._leave(event.ticket, now)
            for order in orders:
                if isinstance(order, Grant | Reject) and order.ticket in self._open:
                    self._open.discard(order.ticket)
                    if isinstance(order, Grant):
                        self.starts[order.ticket] = now
            if not self._open and not self._full:
                return
            yield
        self.starts.update(dict.fromkeys(self._open, math.inf))

    def _leave(self, ticket: Ticket, now: float) -> None:
        self._open.discard(ticket)
        model = self._owners.get(ticket)
        if model in self._full:
            self._full.discard(model)
            self.places[model] = now


def _range(times: list[float], draws: int) -> Range | None:
    """The quantiles of *times*, unless too little is known or it hardly ever comes to that."""
    if len(times) * 2 < draws:
        return None
    times.sort()
    found = Range(*(_quantile(times, part) for part in (LOW, LIKELY, HIGH)))
    return found if found.likely < math.inf else None


def _quantile(times: list[float], part: float) -> float:
    """One more would lie below it with the probability *part*."""
    place = part * (len(times) + 1) - 1
    below = min(max(int(place), 0), len(times) - 2)
    low, high = times[below], times[below + 1]
    return low if low == high else low + (place - below) * (high - low)


def _spacing(waiting: list[Ticket], ranges: dict[Ticket, Range]) -> tuple[Range, Range] | None:
    """Where the front ends, and how it goes on: as in the second half of it."""
    if len(waiting) < 2:
        return None
    half = len(waiting) // 2
    middle, last = ranges.get(waiting[half - 1]), ranges.get(waiting[-1])
    if middle is None or last is None:
        return None
    steps = [(b - a) / (len(waiting) - half) if b < math.inf else 0.0 for a, b in zip(middle, last, strict=True)]
    return last, Range(*(max(0.0, step) for step in steps))
