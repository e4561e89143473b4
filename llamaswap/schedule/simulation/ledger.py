"""Counts what a run of passes came to, be it recorded or simulated: one judge for both."""

from dataclasses import dataclass, field
from typing import NamedTuple

from llamaswap.config.schema import ModelId
from llamaswap.schedule.commands import Command, Grant, Reject, Start, Stop
from llamaswap.schedule.events import Arrived, Dying, Event, Exited, Left, Life, Started, StartFailed, Ticket


class Wait(NamedTuple):
    """A request that was granted, *seconds* after it had arrived."""

    arrived_at: float
    ticket: Ticket
    model: ModelId
    seconds: float


@dataclass(slots=True)
class _Life:
    model: ModelId
    begun: float
    ready_at: float | None = None
    stop_at: float | None = None
    in_flight: int = 0
    busy_since: float = 0.0


@dataclass(slots=True)
class Ledger:
    """Feed it the passes of one run after the other, with `end_run` after each.

    Attributes:
        waits: Those of the granted requests, in the order of their grants.
        arrived: How many requests there were.
        gave_up: How many left while they waited.
        refused: How many were turned away.
        loads: How many starts there were.
        swaps: How many starts were of another model than the one before.
        aborted: How many starts were stopped before they were done.
        failed: How many starts failed.
        resident_s: Seconds from start to end, over all lives: what the models held their memory for.
        loading_s: The part of it before they were ready.
        aborted_s: The part of that which was for nothing: aborted or failed.
        serving_s: The part of `resident_s` during which somebody was served.
        unjudged: Tickets that do not count.
        crowd: When the number of waiting requests changed, and to what.
    """

    waits: list[Wait] = field(default_factory=list)
    arrived: int = 0
    gave_up: int = 0
    refused: int = 0
    loads: int = 0
    swaps: int = 0
    aborted: int = 0
    failed: int = 0
    resident_s: float = 0.0
    loading_s: float = 0.0
    aborted_s: float = 0.0
    serving_s: float = 0.0
    unjudged: frozenset[Ticket] = frozenset()
    crowd: list[tuple[float, int]] = field(default_factory=list)
    _waiting: dict[Ticket, tuple[float, ModelId]] = field(default_factory=dict)
    _served: dict[Ticket, Life] = field(default_factory=dict)
    _lives: dict[Life, _Life] = field(default_factory=dict)
    _last_model: ModelId | None = None

    def on_pass(self, event: Event, now: float, orders: list[Command]) -> None:
        """Take down one pass."""
        before = len(self._waiting)
        match event:
            case Arrived(ticket, model) if ticket not in self.unjudged:
                self.arrived += 1
                self._waiting[ticket] = (now, model)
            case Left(ticket):
                self._leave(ticket, now)
            case Started(_, life) if life in self._lives and self._lives[life].stop_at is None:
                self._become_ready(self._lives[life], now)
            case Dying(_, life) | StartFailed(_, life) if life in self._lives:
                self._fail(self._lives[life], now)
            case _:
                pass
        for order in orders:
            self._obey(order, now)
        if isinstance(event, Exited | StartFailed):
            self._end(event.life, now)
        if len(self._waiting) != before:
            self.crowd.append((now, len(self._waiting)))

    def end_run(self, now: float) -> None:
        """The run is over: whatever is under way ends with it."""
        for life in list(self._lives):
            self._end(life, now)
        self._waiting.clear()
        self._served.clear()
        self._last_model = None
        self.crowd.append((now, 0))

    def _obey(self, order: Command, now: float) -> None:
        match order:
            case Grant(ticket, _, life):
                self._grant(ticket, life, now)
            case Reject(ticket):
                self.refused += self._waiting.pop(ticket, None) is not None
            case Start(model, life):
                self.loads += 1
                self.swaps += self._last_model not in (None, model)
                self._last_model = model
                self._lives[life] = _Life(model, now)
            case Stop(_, life) if life in self._lives:
                self._stop(self._lives[life], now)
            case _:
                pass

    def _grant(self, ticket: Ticket, life: Life, now: float) -> None:
        known = self._waiting.pop(ticket, None)
        if known is not None:
            arrived_at, model = known
            self.waits.append(Wait(arrived_at, ticket, model, now - arrived_at))
        self._served[ticket] = life
        served_by = self._lives.get(life)
        if served_by is not None:
            if not served_by.in_flight:
                served_by.busy_since = now
            served_by.in_flight += 1

    def _leave(self, ticket: Ticket, now: float) -> None:
        self.gave_up += self._waiting.pop(ticket, None) is not None
        life = self._lives.get(self._served.pop(ticket, Life(0)))
        if life is not None:
            life.in_flight -= 1
            if not life.in_flight:
                self.serving_s += now - life.busy_since

    def _become_ready(self, life: _Life, now: float) -> None:
        life.ready_at = now
        self.loading_s += now - life.begun

    def _stop(self, life: _Life, now: float) -> None:
        if life.stop_at is None:
            life.stop_at = now
            if life.ready_at is None:
                self.aborted += 1
                self._for_nothing(life, now)

    def _fail(self, life: _Life, now: float) -> None:
        if life.stop_at is None:
            life.stop_at = now
            if life.ready_at is None:
                self.failed += 1
                self._for_nothing(life, now)

    def _for_nothing(self, life: _Life, now: float) -> None:
        self.loading_s += now - life.begun
        self.aborted_s += now - life.begun

    def _end(self, number: Life, now: float) -> None:
        life = self._lives.pop(number, None)
        if life is not None:
            self.resident_s += now - life.begun
            if life.in_flight:
                self.serving_s += now - life.busy_since
            if life.ready_at is None and life.stop_at is None:
                self.loading_s += now - life.begun


def quantile(sorted_values: list[float], share: float) -> float:
    """The smallest value that at least *share* of them do not exceed; 0 for none."""
    if not sorted_values:
        return 0.0
    place = max(0, -int(-share * len(sorted_values) // 1) - 1)
    return sorted_values[min(place, len(sorted_values) - 1)]
