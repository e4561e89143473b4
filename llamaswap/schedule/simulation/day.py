"""A day: what came from outside, and how long everything took, free of what a scheduler has made of it."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from statistics import median

from llamaswap.config.routing import RoutingConfig
from llamaswap.config.schema import ModelId
from llamaswap.schedule.events import ConfigReplaced, Event, ModelRules, Ticket
from llamaswap.schedule.rebuild import build
from llamaswap.schedule.simulation.durations import Durations, Load
from llamaswap.schedule.simulation.engine import Simulation
from llamaswap.schedule.simulation.ledger import Ledger

Change = Callable[[Mapping[ModelId, ModelRules]], Mapping[ModelId, ModelRules]]


@dataclass(frozen=True, slots=True)
class Day:
    """One run of a daemon, or an invented one.

    Attributes:
        routing: Which scheduler there is, with its settings.
        models: What it knows of its models when the day begins.
        begin: When that is; `facts` are later.
        end: When it ends for the books; what is under way then is played to its end.
        wall: Seconds since 1970 minus the clock of `facts`; 0 for an invented day.
        facts: Everything from outside, in order; see `Simulation`.
        durations: Makes anew what says how long things take.
        unjudged: Tickets that are no part of the day, though they keep the models busy: they came before it.
    """

    routing: RoutingConfig
    models: Mapping[ModelId, ModelRules]
    begin: float
    end: float
    wall: float
    facts: tuple[tuple[float, Event], ...]
    durations: Callable[[], Durations]
    unjudged: frozenset[Ticket] = frozenset()

    def under(self, routing: RoutingConfig, change: Change) -> "Day":
        """The same day with other settings; *change* makes other rules for models of each configuration."""
        facts = tuple(
            (at, replace(fact, models=change(fact.models)) if isinstance(fact, ConfigReplaced) else fact)
            for at, fact in self.facts
        )
        return replace(self, routing=routing, models=change(self.models), facts=facts)


def play(days: Iterable[Day]) -> Ledger:
    """Simulate *days* one after the other and return what they came to."""
    ledger = Ledger()
    for day in days:
        machine = build(day.routing, day.models, day.begin)
        simulation = Simulation(machine, day.durations(), day.facts, now=day.begin)
        ledger.unjudged = day.unjudged
        last = day.end
        for now, event, orders in simulation.passes():
            ledger.on_pass(event, now + day.wall, orders)
            last = max(last, now)
        ledger.end_run(last + day.wall)
    return ledger


@dataclass(frozen=True, slots=True)
class Measured:
    """What a recording says of durations.

    Attributes:
        service: Of each granted ticket, from its grant until it left.
        patience: Of each ticket that gave up while it waited.
        models: Of each ticket.
        loads: Of each model, in order.
        stops: Of each model, in order.
    """

    service: Mapping[Ticket, float]
    patience: Mapping[Ticket, float]
    models: Mapping[Ticket, ModelId]
    loads: Mapping[ModelId, list[Load]]
    stops: Mapping[ModelId, list[float]]


class Recorded:
    """Durations as measured: each request as it was, starts and stops of a model in order; then its median."""

    def __init__(self, measured: Measured) -> None:
        self._measured = measured
        self._loads = {model: iter(loads) for model, loads in measured.loads.items()}
        self._stops = {model: iter(stops) for model, stops in measured.stops.items()}
        self._usual_load = _usual(
            {model: [load.seconds for load in loads if not load.failure] for model, loads in measured.loads.items()}
        )
        self._usual_stop = _usual(measured.stops)
        services: dict[ModelId, list[float]] = {}
        for ticket, seconds in measured.service.items():
            services.setdefault(measured.models[ticket], []).append(seconds)
        self._usual_service = _usual(services)

    def service(self, ticket: Ticket, model: ModelId, elapsed: float) -> float:
        """See `Durations`. Whoever was never served takes what is usual for the model."""
        seconds = self._measured.service.get(ticket)
        return max(0.0, (self._usual_service(model) if seconds is None else seconds) - elapsed)

    def patience(self, ticket: Ticket, elapsed: float) -> float:
        """See `Durations`. Whoever was served would have waited for ever."""
        return max(0.0, self._measured.patience.get(ticket, math.inf) - elapsed)

    def load(self, model: ModelId, elapsed: float) -> Load:
        """See `Durations`."""
        load = next(self._loads.get(model, iter(())), None) or Load(self._usual_load(model))
        return Load(max(0.0, load.seconds - elapsed), load.failure)

    def stop(self, model: ModelId, elapsed: float) -> float:
        """See `Durations`."""
        seconds = next(self._stops.get(model, iter(())), None)
        return max(0.0, (self._usual_stop(model) if seconds is None else seconds) - elapsed)


def _usual(seen: Mapping[ModelId, list[float]]) -> Callable[[ModelId], float]:
    """The median of a model; of all, if the model was never seen; 0 if nothing was."""
    every = [value for values in seen.values() for value in values]
    overall = median(every) if every else 0.0
    medians = {model: median(values) for model, values in seen.items() if values}
    return lambda model: medians.get(model, overall)
