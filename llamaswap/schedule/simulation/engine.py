"""A discrete-event simulation around a scheduler: the clock jumps from one fact to the next.

The world is the dispatcher's contract and nothing more: a grant is followed by one `Left`, a start by `Started` or by
its failure, a stop by `Exited`; when the machine's deadline passes without a fact, it is told so. Requests come from
outside, as facts with their times, and so does whatever else people do.
"""

import math
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from typing import NamedTuple

from llamaswap.config.schema import ModelId
from llamaswap.schedule.commands import Command, Grant, Reject, Start, Stop
from llamaswap.schedule.events import (
    Arrived,
    Dying,
    Event,
    Exited,
    Left,
    Life,
    Started,
    StartFailed,
    Tick,
    Ticket,
)
from llamaswap.schedule.scheduler import Scheduler
from llamaswap.schedule.simulation.durations import Durations
from llamaswap.schedule.simulation.underway import NOTHING, UnderWay

#: In a fact from outside: whichever life of its model is there by then. If none is, nothing happens.
SOME_LIFE = Life(0)


class Pass(NamedTuple):
    """One call of `handle`."""

    now: float
    event: Event
    orders: list[Command]


class Simulation:
    """Plays *machine*, which it changes: give it a `fork` of one that is needed.

    Args:
        machine: In any state; what it has ordered must be in *under_way*.
        durations: How long things take.
        facts: Facts from outside with their times, in order: arrivals, unloads, crashes. `Dying` of `SOME_LIFE` is
            the end of a ready process by itself.
        now: What the machine's clock shows.
        under_way: What has begun before, and when.
    """

    def __init__(
        self,
        machine: Scheduler,
        durations: Durations,
        facts: Iterable[tuple[float, Event]] = (),
        *,
        now: float = 0.0,
        under_way: UnderWay = NOTHING,
    ) -> None:
        self.now = now
        self._machine = machine
        self._durations = durations
        self._facts = iter(facts)
        self._due: list[tuple[float, int, Event, int]] = []
        self._count = 0
        self._latest: dict[int, int] = {}  # of a ticket, or of the negative of a life: the one due fact that counts
        self._ready: dict[ModelId, Life] = {}
        self._ending: set[Life] = set()
        self._ticked_at = -math.inf
        self._resume(under_way)

    def passes(self) -> Iterator[Pass]:
        """Play until nothing more will happen. The caller may stop anywhere."""
        outside = next(self._facts, None)
        machine, due = self._machine, self._due
        while True:
            at = due[0][0] if due else math.inf
            coming = outside[0] if outside is not None else math.inf
            deadline = machine.next_deadline
            if deadline is not None and deadline < at and deadline < coming and deadline > self._ticked_at:
                self._ticked_at = deadline
                yield self._tell(Tick(), deadline)
            elif outside is not None and coming <= at:
                event = self._addressed(outside[1])
                outside = next(self._facts, None)
                if event is not None:
                    yield self._tell(event, coming)
            elif due:
                _, number, event, key = heappop(due)
                if self._latest.get(key) == number:
                    del self._latest[key]
                    yield self._tell(event, at)
            else:
                return

    def _tell(self, event: Event, at: float) -> Pass:
        self.now = now = max(at, self.now)
        match event:
            case Arrived(ticket):
                patience = self._durations.patience(ticket, 0.0)
                if patience < math.inf:
                    self._schedule(ticket, now + patience, Left(ticket))
            case Started(model, life):
                self._ready[model] = life
            case Dying(model, life):
                self._die(model, life)
            case Exited(_, life) | StartFailed(_, life):
                self._ending.discard(life)
            case _:
                pass
        orders = self._machine.handle(event, now)
        for order in orders:
            self._obey(order)
        return Pass(now, event, orders)

    def _obey(self, order: Command) -> None:
        match order:
            case Grant(ticket, model):
                self._schedule(ticket, self.now + self._durations.service(ticket, model, 0.0), Left(ticket))
            case Reject(ticket):
                self._schedule(ticket, self.now, Left(ticket))
            case Start(model, life):
                self._load(model, life, 0.0)
            case Stop(model, life):
                self._stop(model, life)
            case _:
                pass

    def _load(self, model: ModelId, life: Life, elapsed: float) -> None:
        load = self._durations.load(model, elapsed)
        ends = Started(model, life) if load.failure is None else Dying(model, life, load.failure)
        self._schedule(-life, self.now + load.seconds, ends)

    def _stop(self, model: ModelId, life: Life) -> None:
        """Begin to stop, unless it is ending already: a stop in a hurry takes no less time than another."""
        if life in self._ending:
            return
        if self._ready.get(model) == life:
            del self._ready[model]
        self._end(Exited(model, life), self._durations.stop(model, 0.0))

    def _die(self, model: ModelId, life: Life) -> None:
        was_ready = self._ready.pop(model, None) == life
        ends = Exited(model, life) if was_ready else StartFailed(model, life)
        self._end(ends, self._durations.stop(model, 0.0))

    def _end(self, event: Exited | StartFailed, seconds: float) -> None:
        self._ending.add(event.life)
        self._schedule(-event.life, self.now + seconds, event)

    def _addressed(self, event: Event) -> Event | None:
        """*event* with its life; None if there is none."""
        if not isinstance(event, Dying) or event.life != SOME_LIFE:
            return event
        life = self._ready.get(event.model)
        return None if life is None else Dying(event.model, life, event.detail)

    def _schedule(self, key: int, at: float, event: Event) -> None:
        """Let *event* be due at *at*, instead of whatever else was due for *key*."""
        self._count += 1
        self._latest[key] = self._count
        heappush(self._due, (at, self._count, event, key))

    def _resume(self, under_way: UnderWay) -> None:
        now, durations = self.now, self._durations
        for resident in self._machine.residents():
            model, life = resident.model, resident.life
            elapsed = now - under_way.since.get(life, now)
            if resident.state == "ready":
                self._ready[model] = life
            elif resident.state == "starting":
                self._load(model, life, elapsed)
            elif resident.state == "stopping":
                self._end(Exited(model, life), durations.stop(model, elapsed))
        for ticket, (model, granted_at) in under_way.served.items():
            self._schedule(ticket, now + durations.service(ticket, model, now - granted_at), Left(ticket))
        for waiting in self._machine.waiting():
            patience = durations.patience(waiting.ticket, now - waiting.arrived_at)
            if patience < math.inf:
                self._schedule(waiting.ticket, now + patience, Left(waiting.ticket))


def starts_of(simulation: Simulation, waiting: Iterable[Ticket]) -> dict[Ticket, float | None]:
    """When each of *waiting* will be granted; None: it will be turned away, or gives up. Plays no further than needed.

    A ticket that nothing is ever decided about is missing.
    """
    left, found = set(waiting), dict[Ticket, float | None]()
    if not left:
        return found
    for now, event, orders in simulation.passes():
        if isinstance(event, Left) and event.ticket in left:
            left.discard(event.ticket)
            found[event.ticket] = None
        for order in orders:
            if isinstance(order, Grant | Reject) and order.ticket in left:
                left.discard(order.ticket)
                found[order.ticket] = now if isinstance(order, Grant) else None
        if not left:
            break
    return found
