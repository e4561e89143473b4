"""Measures what passes: how long loads, stops and services take, how often requests come, what has begun and not ended.

An observer of the dispatcher, or of a simulation or a replay: constant time per pass, and little of it.
"""

from collections import deque
from collections.abc import Container, Iterable, Mapping
from typing import Any

from llamaswap.config.names import ModelId
from llamaswap.schedule.commands import Command, Grant, Reject, Start, Stop
from llamaswap.schedule.events import Arrived, Dying, Event, Exited, Left, Life, Started, StartFailed, Ticket
from llamaswap.schedule.forecast_samples import KEPT, Distribution, Samples
from llamaswap.schedule.simulation.underway import UnderWay

#: Models whose times are kept; those that were measured last stay.
MOST_MODELS = 256
#: What waiting requests did counts for so much less with each that stops to wait.
_FADE = 0.98


class Times:
    """What was measured of one model: `load` from start to ready, `stop` from order to end, `service` of a request."""

    __slots__ = ("load", "service", "stop")

    def __init__(self, load: Iterable[float] = (), stop: Iterable[float] = (), service: Iterable[float] = ()) -> None:
        self.load = Samples(load, spread=0.3)  # a model loads much as it did the last time
        self.stop = Samples(stop, spread=0.5)
        self.service = Samples(service, spread=0.8)  # requests differ


class Known:
    """What was known at one moment. Never changes.

    Args:
        times: Of each model: load, stop, service.
        any_stop: Of all models together.
    """

    def __init__(
        self, times: Mapping[ModelId, tuple[Distribution, Distribution, Distribution]], any_stop: Distribution
    ) -> None:
        self._times = times
        self._any_stop = any_stop

    def load(self, model: ModelId) -> Distribution:
        """From start to ready."""
        return self._times.get(model, _UNKNOWN)[0]

    def stop(self, model: ModelId) -> Distribution:
        """From order to end; that of all models if this one has never been stopped."""
        return self._times.get(model, _UNKNOWN)[1] or self._any_stop

    def service(self, model: ModelId) -> Distribution:
        """From grant until it left."""
        return self._times.get(model, _UNKNOWN)[2]


_NOTHING = Distribution((), 0.0)
_UNKNOWN = (_NOTHING, _NOTHING, _NOTHING)


class Measured:
    """What was measured of all models. `times` has those that were measured last at its end."""

    def __init__(self) -> None:
        self.times: dict[ModelId, Times] = {}
        self.any_stop = Samples()

    def of(self, model: ModelId) -> Times:
        """The times of *model*, to add to."""
        times = self.times.pop(model, None) or Times()
        self.times[model] = times
        if len(self.times) > MOST_MODELS:
            del self.times[next(iter(self.times))]
        return times

    def known(self) -> "Known":
        """What is known now."""
        return Known(
            {
                m: (t.load.distribution(), t.stop.distribution(), t.service.distribution())
                for m, t in self.times.items()
            },
            self.any_stop.distribution(),
        )

    def as_plain(self) -> dict[str, Any]:
        """As values that JSON can hold."""
        return {
            model: {kind: [round(each, 5) for each in getattr(times, kind).values] for kind in Times.__slots__}
            for model, times in self.times.items()
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "Measured":
        """The reverse of `as_plain`; what is not a list of lengths of time is left out."""
        measured = cls()
        for model, kinds in list(plain.items())[-MOST_MODELS:]:
            if isinstance(kinds, dict):
                lists = {kind: _seconds(kinds.get(kind)) for kind in Times.__slots__}
                measured.times[ModelId(model)] = Times(**lists)
                for seconds in lists["stop"]:
                    measured.any_stop.add(seconds)
        return measured


class Stopwatch:
    """Takes notice of every pass.

    Args:
        measured: What is known from before, to be added to.
        not_requests: Tickets of those that ask for a load only; how short they are says nothing about a service. Only
            asked at their grants.

    Attributes:
        passes: How many passes there were.
        loads: The last finished load of each model: when it began, and when the model was ready.
    """

    def __init__(self, measured: Measured | None = None, not_requests: Container[Ticket] = ()) -> None:
        self.measured = measured or Measured()
        self.passes = 0
        self.loads: dict[ModelId, tuple[float, float]] = {}
        self._not_requests = not_requests
        self._lives: dict[Life, tuple[str, float]] = {}
        self._served: dict[Ticket, tuple[ModelId, float]] = {}
        self._unmeasured: set[Ticket] = set()  # of those
        self._waiting: dict[Ticket, float] = {}
        self._arrivals: dict[ModelId, deque[float]] = {}
        self._gave_up = self._waited = 0.0

    def on_pass(self, event: Event, now: float, orders: list[Command]) -> None:
        """Take notice of one pass. Never raises."""
        self.passes += 1
        kind = type(event)
        if kind is Arrived:
            self._arrive(event, now)  # type: ignore[arg-type]  # `kind` says it; `match` costs four times as much
        elif kind is Left:
            self._leave(event, now)  # type: ignore[arg-type]  # as above
        else:
            self._live(event, now)
        for order in orders:
            self._obey(order, now)

    def under_way(self) -> UnderWay:
        """What has begun and not ended: a copy."""
        return UnderWay({life: since for life, (_, since) in self._lives.items()}, dict(self._served))

    def rates(self, now: float) -> dict[ModelId, float]:
        """Arrivals a second of each model, lately."""
        return {model: (len(times) - 1) / (now - times[0]) for model, times in self._arrivals.items() if now > times[0]}

    def impatience(self) -> float:
        """The part of those waiting that gives up in a second."""
        return self._gave_up / self._waited if self._waited > 0 else 0.0

    def _arrive(self, event: Arrived, now: float) -> None:
        self._waiting[event.ticket] = now
        times = self._arrivals.get(event.model)
        if times is None:
            if len(self._arrivals) >= MOST_MODELS:
                del self._arrivals[next(iter(self._arrivals))]
            times = self._arrivals[event.model] = deque(maxlen=KEPT)
        times.append(now)

    def _leave(self, event: Left, now: float) -> None:
        ticket = event.ticket
        served = self._served.pop(ticket, None)
        if served is not None:
            if ticket in self._unmeasured:
                self._unmeasured.discard(ticket)
            else:
                self.measured.of(served[0]).service.add(now - served[1])
            return
        arrived = self._waiting.pop(ticket, None)
        if arrived is not None:
            self._wait_ends(now - arrived, 1.0)

    def _wait_ends(self, seconds: float, gave_up: float) -> None:
        self._gave_up = self._gave_up * _FADE + gave_up
        self._waited = self._waited * _FADE + seconds

    def _obey(self, order: Command, now: float) -> None:
        match order:
            case Grant(ticket, model):
                self._served[ticket] = (model, now)
                if ticket in self._not_requests:
                    self._unmeasured.add(ticket)
                arrived = self._waiting.pop(ticket, now)
                if arrived < now:
                    self._wait_ends(now - arrived, 0.0)
            case Reject(ticket):
                self._waiting.pop(ticket, None)
            case Start(_, life):
                self._lives[life] = ("starting", now)
            case Stop(_, life) if self._lives.get(life, ("", 0.0))[0] != "stopping":
                self._lives[life] = ("stopping", now)
            case _:
                pass

    def _live(self, event: Event, now: float) -> None:
        match event:
            case Started(model, life) if life in self._lives:
                state, since = self._lives[life]
                if state == "starting":
                    self._lives[life] = ("ready", now)
                    self._note_load(model, since, now)
            case Dying(_, life) if life in self._lives and self._lives[life][0] != "stopping":
                self._lives[life] = ("dying", now)
            case Exited(model, life) | StartFailed(model, life) if life in self._lives:
                state, since = self._lives.pop(life)
                if state == "stopping":
                    self.measured.of(model).stop.add(now - since)
                    self.measured.any_stop.add(now - since)
            case _:
                pass

    def _note_load(self, model: ModelId, since: float, now: float) -> None:
        self.measured.of(model).load.add(now - since)
        self.loads[model] = (since, now)
        if len(self.loads) > MOST_MODELS:
            del self.loads[next(iter(self.loads))]


def _seconds(values: Any) -> list[float]:
    if not isinstance(values, list):
        return []
    return [float(each) for each in values[-KEPT:] if type(each) in (int, float) and 0 <= each < 1e9]
