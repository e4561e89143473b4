"""What would happen if a request for a model came now: who would have to end, stop and start for it, in which order.

A copy of the machine is played with such a request until it is decided, so the plan is what happens if nobody else
comes. Of all that happens meanwhile only that is told which the request waits for (`causes`).
"""

import math
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from llamaswap.config.names import ModelId
from llamaswap.schedule import sentences
from llamaswap.schedule.causes import Cause, Happened, History, Served
from llamaswap.schedule.commands import Grant, Reject
from llamaswap.schedule.events import Arrived, Ticket
from llamaswap.schedule.evicting import evictions, rule_for
from llamaswap.schedule.explain import why_waiting
from llamaswap.schedule.forecast_stopwatch import Known
from llamaswap.schedule.fork import fork
from llamaswap.schedule.scheduler import Scheduler
from llamaswap.schedule.simulation.durations import Load
from llamaswap.schedule.simulation.engine import Simulation
from llamaswap.schedule.simulation.underway import NOTHING, UnderWay

#: The ticket of the request that has not come.
IMAGINED = Ticket((1 << 60) - 2)
#: So many passes are played; what is not decided then is too far away to be told step by step.
MOST_PASSES = 400

Outcome = Literal["served", "refused", "open"]


class Typical(Protocol):
    """How long things usually take, in seconds; None or infinite: nobody knows.

    *elapsed*: so many seconds of it have passed already; the answer is what is left of it.
    """

    def service(self, model: ModelId, elapsed: float) -> float | None:
        """From the grant until the request leaves: what is left of it."""

    def load(self, model: ModelId, elapsed: float) -> float | None:
        """From the start until the model is ready: what is left of it."""

    def stop(self, model: ModelId, elapsed: float) -> float | None:
        """From the order to stop until nothing is left: what is left of it."""


class Likely:
    """Implements `Typical` by what was measured: half of all have taken longer."""

    def __init__(self, known: Known) -> None:
        self._known = known

    def service(self, model: ModelId, elapsed: float) -> float:
        """See `Typical`."""
        return self._known.service(model).remaining(0.5, elapsed)

    def load(self, model: ModelId, elapsed: float) -> float:
        """See `Typical`."""
        return self._known.load(model).remaining(0.5, elapsed)

    def stop(self, model: ModelId, elapsed: float) -> float:
        """See `Typical`."""
        return self._known.stop(model).remaining(0.5, elapsed)


@dataclass(frozen=True, slots=True)
class Step:
    """Something the request waits for.

    Attributes:
        kind: ``requests`` end; a process is stopped; one is started, and waited for until it is ready.
        rule: Why it is stopped.
        target: The model for whose sake it is stopped; None: for its own.
        requests: How many, of which `queued` wait at present.
        ends_s: When that is over, in seconds from now; None: nobody knows.
    """

    kind: Literal["requests", "stop", "start"]
    model: ModelId
    sentence: str
    rule: str = ""
    target: ModelId | None = None
    requests: int = 0
    queued: int = 0
    ends_s: float | None = None

    def as_json(self) -> dict[str, Any]:
        """For programs; what does not apply is absent."""
        facts: dict[str, Any] = {"kind": self.kind, "model": self.model}
        if self.kind == "requests":
            facts |= {"requests": self.requests, "queued": self.queued}
        if self.kind == "stop":
            facts |= {"for": self.target, "rule": self.rule}
        return facts | _time("ends_s", self.ends_s) | {"sentence": self.sentence}


@dataclass(frozen=True, slots=True)
class Plan:
    """What would become of a request for `model`.

    Attributes:
        outcome: ``open``: nobody can say; what it waits for may never end, or is too far away.
        sentence: The outcome in words, without a subject.
        steps: In the order in which they end. None with ``open``.
        evicted: What would be stopped for `model`, and by which rules.
        starts_s: When it would be served or refused, in seconds from now; None: nobody knows.
    """

    model: ModelId
    outcome: Outcome
    sentence: str
    steps: tuple[Step, ...] = ()
    evicted: tuple[tuple[ModelId, str], ...] = ()
    starts_s: float | None = None

    def as_json(self) -> dict[str, Any]:
        """For programs; times that nobody knows are absent."""
        facts: dict[str, Any] = {"model": self.model, "outcome": self.outcome, "sentence": self.sentence}
        facts |= _time("starts_s", self.starts_s)
        facts["evicted"] = [{"model": model, "rule": rule} for model, rule in self.evicted]
        return facts | {"steps": [step.as_json() for step in self.steps]}


def what_if(
    machine: Scheduler, model: ModelId, now: float, under_way: UnderWay = NOTHING, typical: Typical | None = None
) -> Plan:
    """What would become of a request for *model* that came now. Nothing is changed.

    Args:
        under_way: What has begun before, and when.
        typical: How long things take. Without, the order of what can end in any order is a guess.
    """
    copy = fork(machine)
    clock = _Clock(now, typical)
    begun = _completed(machine, under_way, now)
    simulation = Simulation(copy, clock, [(now, Arrived(IMAGINED, model))], now=now, under_way=begun)
    clock.simulation = simulation
    passes, outcome, sentence = _play(simulation, copy)
    serving = {ticket: Served(*served) for ticket, served in machine._requests.active.items()}
    causes = History(passes, serving).causes(len(passes) - 1, model) if outcome != "open" else []
    steps = tuple(_step(machine, model, cause, clock.told(passes[cause.ended].now)) for cause in causes)
    evicted = [each for one in passes for each in one.evicted if each.target == model]
    starts = clock.told(passes[-1].now) if outcome != "open" else None
    if outcome == "served":
        sentence = sentences.outcome(model, starts, steps=len(steps))
    return Plan(model, outcome, sentence, steps, tuple((each.stop.model, each.rule) for each in evicted), starts)


def _completed(machine: Scheduler, under_way: UnderWay, now: float) -> UnderWay:
    """What nobody has seen the beginning of begins now."""
    active = machine._requests.active.items()
    return UnderWay(under_way.since, {t: under_way.served.get(t, (model, now)) for t, (model, _) in active})


def _play(simulation: Simulation, copy: Scheduler) -> tuple[list[Happened], Outcome, str]:
    passes: list[Happened] = []
    for now, event, orders in simulation.passes():
        passes.append(Happened(now, event, orders, evictions(copy, orders, now)))
        for order in orders:
            if isinstance(order, Grant) and order.ticket == IMAGINED:
                return passes, "served", ""
            if isinstance(order, Reject) and order.ticket == IMAGINED:
                return passes, "refused", sentences.refusal(order)
        if len(passes) == MOST_PASSES:
            return passes, "open", sentences.is_far_back()
    why = why_waiting(copy, IMAGINED, simulation.now)
    return passes, "open", why.sentence if why else sentences.is_next()


def _step(machine: Scheduler, model: ModelId, cause: Cause, ends_s: float | None) -> Step:
    match cause.kind:
        case "requests":
            sentence = sentences.step_requests(cause.model, cause.requests, cause.queued)
            return Step("requests", cause.model, sentence, requests=cause.requests, queued=cause.queued, ends_s=ends_s)
        case "start":
            begun = machine._residents.find(cause.life) is not None
            return Step("start", cause.model, sentences.step_starts(cause.model, begun=begun), ends_s=ends_s)
        case "stop":
            target = cause.eviction.target if cause.eviction else None
            rule = cause.eviction.rule if cause.eviction else _old_rule(machine, model, cause.model)
            sentence = sentences.step_stops(cause.model, target, rule, begun=cause.eviction is None)
            return Step("stop", cause.model, sentence, rule, target, ends_s=ends_s)


def _old_rule(machine: Scheduler, model: ModelId, victim: ModelId) -> str:
    """Of a stop that was ordered before: why it is waited for."""
    return "" if victim == model else rule_for(machine, model, victim)


class _Clock:
    """Implements `Durations` by what is typical, and knows up to when that is more than a guess.

    What nobody knows takes a second: so what follows from it follows, but no time after it is told.
    """

    def __init__(self, now: float, typical: Typical | None) -> None:
        self.simulation: Simulation | None = None
        self._now = now
        self._typical = typical
        self._known_until = math.inf

    def told(self, at: float) -> float | None:
        """*at* in seconds from now, if it is known."""
        return at - self._now if self._typical is not None and at < self._known_until else None

    def service(self, ticket: Ticket, model: ModelId, elapsed: float) -> float:
        """See `Durations`."""
        return self._take(None if self._typical is None else self._typical.service(model, elapsed))

    def patience(self, ticket: Ticket, elapsed: float) -> float:
        """See `Durations`: nobody gives up."""
        return math.inf

    def load(self, model: ModelId, elapsed: float) -> Load:
        """See `Durations`: no start fails."""
        return Load(self._take(None if self._typical is None else self._typical.load(model, elapsed)))

    def stop(self, model: ModelId, elapsed: float) -> float:
        """See `Durations`."""
        return self._take(None if self._typical is None else self._typical.stop(model, elapsed))

    def _take(self, seconds: float | None) -> float:
        if seconds is not None and seconds < math.inf:
            return seconds
        now = self._now if self.simulation is None else self.simulation.now
        self._known_until = min(self._known_until, now + 1.0)
        return 1.0


def _time(name: str, seconds: float | None) -> dict[str, float]:
    return {} if seconds is None else {name: round(seconds, 3)}
