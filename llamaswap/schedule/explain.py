"""Why each waiting request waits: in a few facts, and in words.

Read from the machine itself as it stands, and nothing is changed. What comes of it is told by `planning`.
"""

import math
from bisect import bisect
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from llamaswap.config.names import ModelId
from llamaswap.schedule import sentences
from llamaswap.schedule.batch import BatchScheduler
from llamaswap.schedule.events import Ticket
from llamaswap.schedule.evicting import rule_for
from llamaswap.schedule.fifo import PLACES, FifoScheduler
from llamaswap.schedule.requests import Waiting
from llamaswap.schedule.residents import Resident
from llamaswap.schedule.scheduler import Scheduler
from llamaswap.schedule.serial import SerialScheduler
from llamaswap.schedule.sharing import Claim, SharingScheduler
from llamaswap.schedule.simulation.underway import NOTHING, UnderWay

Kind = Literal["loading", "serving", "places", "stopping", "stuck", "others-load", "swap", "order", "behind", "next"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a request waits.

    Attributes:
        kind: ``loading``: its model is being loaded. ``serving``: what must be stopped for it serves still. ``places``:
            its model serves as many as it may. ``stopping``: a process is ending. ``stuck``: one cannot be ended.
            ``others-load``: what must be stopped is being loaded for others. ``swap``: another model is being loaded
            and needs the same place. ``order``: somebody who came earlier may not be passed any more. ``behind``:
            others come first. ``next``: it is just coming.
        sentence: The same in words, without a subject.
        models: The models that are waited for.
        requests: How many requests of them are being served.
        ahead: How many requests come first: all, or with the schedulers that share those for the same model.
        rule: The rule of the configuration by which the models must go.
        seconds: How long it has been loading, or when it will be killed; None: not known, or neither.
    """

    kind: Kind
    sentence: str
    models: tuple[ModelId, ...] = ()
    requests: int = 0
    ahead: int = 0
    rule: str = ""
    seconds: float | None = None

    def as_json(self) -> dict[str, Any]:
        """For programs; what does not apply is absent."""
        facts = {
            "models": list(self.models),
            "requests": self.requests,
            "ahead": self.ahead,
            "rule": self.rule,
            "seconds": None if self.seconds is None else round(self.seconds, 3),
        }
        return {"kind": self.kind, "sentence": self.sentence} | {
            k: v for k, v in facts.items() if v not in ([], 0, "", None)
        }


_NEXT = Explanation("next", sentences.is_next())


def why_all_wait(
    machine: Scheduler, now: float, under_way: UnderWay = NOTHING, most: int | None = None
) -> Iterator[tuple[Waiting, Explanation]]:
    """The reason of each waiting request, in order, of the first *most*; to be read before the next event."""
    models: dict[ModelId, Explanation] = {}
    ahead: Counter[ModelId] = Counter()
    serial = not isinstance(machine, SharingScheduler)
    first: Waiting | None = None
    for place, waiting in enumerate(islice(machine.waiting(), most)):
        model = waiting.model
        first = waiting if first is None else first
        cause = first.model if serial else model
        if cause not in models:
            models[cause] = _why(machine, cause, now, under_way)
        before = place if serial else ahead[model]
        yield waiting, _behind(models[cause], before, cause, alone=serial)
        ahead[model] += 1


def why_waiting(machine: Scheduler, ticket: Ticket, now: float, under_way: UnderWay = NOTHING) -> Explanation | None:
    """The reason of one; None if it does not wait."""
    return next((why for waiting, why in why_all_wait(machine, now, under_way) if waiting.ticket == ticket), None)


def _behind(why: Explanation, ahead: int, first: ModelId, *, alone: bool) -> Explanation:
    if not ahead:
        return why
    if alone:
        sentence, kind = sentences.waits_behind(ahead, first, why.sentence), "behind"
    else:
        sentence, kind = sentences.has_others_before(why.sentence, ahead, first), why.kind
    return Explanation(kind, sentence, why.models, why.requests, ahead, why.rule, why.seconds)  # type: ignore[arg-type] # a literal


def _why(machine: Scheduler, model: ModelId, now: float, under_way: UnderWay) -> Explanation:
    """What the first request for *model* waits for; with serial it is the first of all."""
    return _Look(machine, now, under_way).at(model)


class _Look:
    def __init__(self, machine: Scheduler, now: float, under_way: UnderWay) -> None:
        self._machine = machine
        self._now = now
        self._since = under_way.since
        self._lives = list(machine._residents)

    def at(self, model: ModelId) -> Explanation:
        machine = self._machine
        own = machine._residents.of(model)
        match machine:
            case SerialScheduler():
                return self._serial(machine, model, own)
            case FifoScheduler():
                return self._fifo(machine, model, own)
            case BatchScheduler():
                return self._batch(machine, model, own)
            case _:
                return _NEXT

    # One scheduler after the other

    def _serial(self, machine: SerialScheduler, model: ModelId, own: Resident | None) -> Explanation:
        served = Counter(served for served, _ in machine._requests.active.values())
        if own is not None and own.serves and served[model] >= machine._parallel:
            return self._is_full(model, served[model], machine._parallel)
        for other in sorted(served):
            if other != model:
                return self._serves(model, other, served[other])
        if served:
            return self._renews(model, served[model])
        return self._what_is_in_the_way([life for life in self._lives if life.model != model or not life.stays], model)

    def _fifo(self, machine: FifoScheduler, model: ModelId, own: Resident | None) -> Explanation:
        swap = machine._swaps.get(model)
        if swap is not None:
            return self._what_is_in_the_way(machine._in_the_way(swap), model)
        claim = machine._claim(model, machine._swaps)
        places = machine._rules[model].limit or PLACES
        if own is not None and own.serves and not claim.victims and own.in_flight >= places:
            return self._is_full(model, own.in_flight, places)
        other = next((swap for swap in machine._swaps.values() if swap.collides(claim)), None)
        if other is not None:
            return self._is_swapped(other, claim)
        kept = self._overdue(machine, model)
        if kept is not None and machine._hinders(claim, machine._claim(kept.model, machine._swaps)):
            bound = f"maxWait is {machine._settings.max_wait:g} s"
            return Explanation("order", sentences.keeps_order(kept.model, bound), (kept.model,))
        return self._what_is_in_the_way(machine._in_the_way(claim), model)

    def _batch(self, machine: BatchScheduler, model: ModelId, own: Resident | None) -> Explanation:
        oldest = machine._requests.head()
        bound = self._bound(machine, oldest)
        if bound and oldest.model != model:
            return Explanation("order", sentences.keeps_order(oldest.model, bound), (oldest.model,))
        claim = machine._claim(model, machine._requests.serving)
        serving = machine._requests.serving.get(model, 0)
        if own is not None and own.serves and not claim.victims and serving:
            return self._is_full(model, serving, machine._rules[model].parallel)
        why = self._what_is_in_the_way(machine._in_the_way(claim), model)
        if why.kind != "next":
            return why
        if serving:
            return self._renews(model, serving)
        others = sorted(other for other in claim.victims if other in machine._requests.serving)
        if others:
            return self._serves(model, others[0], machine._requests.serving[others[0]])
        earlier = [first.model for first in machine._requests.firsts() if first.model != model]
        return Explanation("swap", sentences.yields(earlier[0]), (earlier[0],)) if earlier else why

    def _overdue(self, machine: FifoScheduler, model: ModelId) -> Waiting | None:
        """The request that may not be passed by those for *model*."""
        first = next(iter(machine._turns(self._now)), None)
        if first is None or first.model == model or not machine._is_overdue(first, self._now):
            return None
        return first

    def _bound(self, machine: BatchScheduler, oldest: Waiting) -> str:
        """Why *oldest* must not be passed; empty if it may."""
        settings = machine._settings
        if self._now - oldest.arrived_at >= settings.max_wait:
            return f"maxWait is {settings.max_wait:g} s"
        passed = len(machine._passed_by) - bisect(machine._passed_by, oldest.ticket)
        return f"maxOvertakes is {settings.max_overtakes}" if passed >= settings.max_overtakes else ""

    # What there is to see

    def _what_is_in_the_way(self, lives: list[Resident], model: ModelId) -> Explanation:
        """*lives* must end before *model* can be served. What has to happen first is told, the worst of it."""
        stuck = next((life for life in lives if life.state == "stuck"), None)
        if stuck is not None:
            return self._is_stuck(stuck)
        busy = next((life for life in lives if life.running and life.in_flight), None)
        if busy is not None:
            renewed = busy.model == model
            return self._renews(model, busy.in_flight) if renewed else self._serves(model, busy.model, busy.in_flight)
        ending = [life for life in lives if life.state == "stopping"]
        if ending:
            return self._stops(ending, model)
        loading = next((life for life in lives if life.state == "starting" and life.model != model), None)
        if loading is not None:
            return self._loads_for_others(model, loading.model)
        own = self._machine._residents.of(model)
        return self._loads(own) if own is not None and own.state == "starting" else _NEXT

    def _loads(self, own: Resident) -> Explanation:
        since = self._since.get(own.life)
        elapsed = None if since is None else self._now - since
        return Explanation("loading", sentences.loads(own.model, elapsed), (own.model,), seconds=elapsed)

    def _loads_for_others(self, model: ModelId, other: ModelId) -> Explanation:
        rule = self._rule(model, other)
        return Explanation("others-load", sentences.loads_for_others(other, rule), (other,), rule=rule)

    def _is_stuck(self, life: Resident) -> Explanation:
        return Explanation("stuck", sentences.is_stuck(life.model, life.trouble), (life.model,))

    def _stops(self, ending: list[Resident], model: ModelId) -> Explanation:
        ordered = [life.kill_at for life in ending if life.kill_at < math.inf]  # others end by themselves
        killed = max(0.0, max(ordered) - self._now) if ordered else None
        models = tuple(life.model for life in ending)
        return Explanation("stopping", sentences.stops(models, model, killed), models, seconds=killed)

    def _serves(self, model: ModelId, other: ModelId, requests: int) -> Explanation:
        rule = self._rule(model, other)
        return Explanation("serving", sentences.serves(other, requests, rule), (other,), requests, rule=rule)

    def _rule(self, model: ModelId, other: ModelId) -> str:
        machine = self._machine
        beside = machine._swaps if isinstance(machine, FifoScheduler) else ()
        return rule_for(machine, model, other, beside)

    @staticmethod
    def _is_full(model: ModelId, requests: int, places: int) -> Explanation:
        return Explanation("places", sentences.is_full(model, requests, places), (model,), requests)

    @staticmethod
    def _renews(model: ModelId, requests: int) -> Explanation:
        return Explanation("serving", sentences.renews(model, requests), (model,), requests)

    @staticmethod
    def _is_swapped(other: Claim, claim: Claim) -> Explanation:
        both = [model for model in claim.victims if model in other.victims]
        return Explanation("swap", sentences.is_swapped(other.target, both), (other.target,))
