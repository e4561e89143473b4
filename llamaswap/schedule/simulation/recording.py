"""A day out of a recording: the facts are taken apart into what came from outside and how long things took.

What the recorded scheduler decided is only used to tell the two apart. Requests that were waiting or being served when
the recording begins arrive again at that moment, and are not judged.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

from llamaswap.config.routing import RoutingConfig
from llamaswap.config.schema import ModelId
from llamaswap.schedule.commands import Command, Grant, Reject, Start, Stop
from llamaswap.schedule.events import (
    Arrived,
    ConfigReplaced,
    Dying,
    Event,
    Exited,
    Left,
    Life,
    ModelRules,
    ShutdownAsked,
    Started,
    StartFailed,
    Ticket,
    UnloadAsked,
)
from llamaswap.schedule.scheduler import Scheduler
from llamaswap.schedule.simulation.day import Day, Measured, Recorded
from llamaswap.schedule.simulation.durations import Load
from llamaswap.schedule.simulation.engine import SOME_LIFE


@dataclass(slots=True)
class _Life:
    model: ModelId
    begun: float
    load: int  # its place among the model's loads
    ready: bool = False
    ending_since: float | None = None


@dataclass(slots=True)
class Recorder:
    """Feed it the passes of one run, with the orders that were recorded."""

    routing: RoutingConfig
    models: Mapping[ModelId, ModelRules]
    begin: float
    wall: float
    _facts: list[tuple[float, Event]] = field(default_factory=list)
    _unjudged: set[Ticket] = field(default_factory=set)
    _arrived: dict[Ticket, float] = field(default_factory=dict)
    _of: dict[Ticket, ModelId] = field(default_factory=dict)
    _granted: dict[Ticket, float] = field(default_factory=dict)
    _service: dict[Ticket, float] = field(default_factory=dict)
    _patience: dict[Ticket, float] = field(default_factory=dict)
    _lives: dict[Life, _Life] = field(default_factory=dict)
    _loads: dict[ModelId, list[Load | None]] = field(default_factory=dict)
    _stopped_after: dict[tuple[ModelId, int], float] = field(default_factory=dict)
    _stops: dict[ModelId, list[float]] = field(default_factory=dict)
    _last: float = 0.0

    def resume(self, machine: Scheduler) -> None:
        """The run begins with *machine* as it is: whoever waits or is served there comes again."""
        for ticket, (model, _) in sorted(machine._requests.active.items()):
            self._again(ticket, model)
            self._granted[ticket] = self.begin
        for waiting in machine.waiting():
            self._again(waiting.ticket, waiting.model)

    def _again(self, ticket: Ticket, model: ModelId) -> None:
        self._unjudged.add(ticket)
        self._arrive(ticket, model, self.begin)

    def _arrive(self, ticket: Ticket, model: ModelId, now: float, deadline: float | None = None) -> None:
        self._facts.append((now, Arrived(ticket, model, deadline)))
        self._arrived[ticket] = now
        self._of[ticket] = model

    def on_pass(self, event: Event, now: float, orders: list[Command]) -> None:
        """Take down one pass."""
        self._last = now
        match event:
            case Arrived(ticket, model, deadline):  # what else was known of it held for that day only
                self._arrive(ticket, model, now, deadline)
            case Left(ticket):
                self._leave(ticket, now)
            case Started(_, life) if life in self._lives:
                self._become_ready(self._lives[life], now)
            case Dying(_, life, detail) if life in self._lives:
                self._fail(self._lives[life], now, detail)
            case StartFailed(_, life, detail) | Exited(_, life, detail) if life in self._lives:
                self._end(life, now, detail)
            case UnloadAsked() | ConfigReplaced() | ShutdownAsked():
                self._facts.append((now, event))
            case _:
                pass
        for order in orders:
            self._obey(order, now)

    def _obey(self, order: Command, now: float) -> None:
        match order:
            case Grant(ticket):
                self._granted[ticket] = now
                self._arrived.pop(ticket, None)
            case Reject(ticket):
                self._arrived.pop(ticket, None)
            case Start(model, life):
                loads = self._loads.setdefault(model, [])
                self._lives[life] = _Life(model, now, len(loads))
                loads.append(None)
            case Stop(_, life) if life in self._lives:
                self._stop(self._lives[life], now)
            case _:
                pass

    def _leave(self, ticket: Ticket, now: float) -> None:
        granted_at = self._granted.pop(ticket, None)
        arrived_at = self._arrived.pop(ticket, None)
        if granted_at is not None:
            self._service[ticket] = now - granted_at
        elif arrived_at is not None:
            self._patience[ticket] = now - arrived_at

    def _become_ready(self, life: _Life, now: float) -> None:
        if not life.ready and life.ending_since is None:
            life.ready = True
            self._loads[life.model][life.load] = Load(now - life.begun)

    def _stop(self, life: _Life, now: float) -> None:
        if life.ending_since is None:
            life.ending_since = now
            if not life.ready:  # all that is known is that the load would have taken longer
                self._stopped_after[life.model, life.load] = now - life.begun

    def _fail(self, life: _Life, now: float, detail: str) -> None:
        """It fails to start, or ends by itself, and is going."""
        if life.ending_since is not None:
            return
        life.ending_since = now
        if life.ready:
            self._facts.append((now, Dying(life.model, SOME_LIFE, detail)))
        else:
            self._loads[life.model][life.load] = Load(now - life.begun, detail)

    def _end(self, number: Life, now: float, detail: str) -> None:
        life = self._lives.pop(number)
        self._fail(life, now, detail)
        assert life.ending_since is not None
        self._stops.setdefault(life.model, []).append(now - life.ending_since)

    def _all_loads(self) -> dict[ModelId, list[Load]]:
        """Those that were stopped took what is usual, but longer than until they were stopped."""
        filled: dict[ModelId, list[Load]] = {}
        for model, loads in self._loads.items():
            known = [load.seconds for load in loads if load is not None and load.failure is None]
            usual = median(known) if known else 0.0
            filled[model] = [
                load or Load(max(usual, 1.01 * self._stopped_after.get((model, place), 0.0) + 0.001))
                for place, load in enumerate(loads)
            ]
        return filled

    def day(self) -> Day:
        """What has been recorded. Durations that had not ended by then are not known."""
        measured = Measured(self._service, self._patience, self._of, self._all_loads(), self._stops)
        return Day(
            self.routing,
            self.models,
            self.begin,
            max(self._last, self.begin),
            self.wall,
            tuple(self._facts),
            lambda: Recorded(measured),
            frozenset(self._unjudged),
        )
