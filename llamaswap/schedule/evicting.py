"""Which model has to go for which, and by which rule of the configuration: as the scheduler is deciding it."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from llamaswap.config.names import ModelId
from llamaswap.schedule.commands import Command, Stop
from llamaswap.schedule.eviction import Decision, OneAtATime
from llamaswap.schedule.scheduler import Scheduler
from llamaswap.schedule.sharing import Claim, SharingScheduler

_ALONE = OneAtATime()


class Eviction(NamedTuple):
    """The stop of a life, and why.

    Attributes:
        target: The model for whose sake it is; None: for its own.
        rule: The rule of the configuration, or what else has led to it.
        decision: The whole decision, where there is a target.
    """

    stop: Stop
    target: ModelId | None
    rule: str
    decision: Decision | None = None


def decision_for(machine: Scheduler, model: ModelId, beside: Iterable[ModelId] = ()) -> Decision:
    """Whom *model* would evict as things are, and why, if those *beside* it stayed too."""
    if isinstance(machine, SharingScheduler):
        return machine._eviction.explain(model, machine._beside(model, beside))
    return _ALONE.explain(model, machine._residents.models())


def rule_for(machine: Scheduler, target: ModelId, victim: ModelId, beside: Iterable[ModelId] = ()) -> str:
    """By which rule *target* evicts *victim*."""
    return next((each.rule for each in _decision(machine, target, victim, beside).evicted if each.model == victim), "")


def evictions(machine: Scheduler, orders: Iterable[Command], now: float) -> list[Eviction]:
    """Why each of the stops among *orders* was ordered, by *machine* after it has given them."""
    stops = [order for order in orders if isinstance(order, Stop)]
    claims = list(_claims(machine, now)) if stops else []
    return [_eviction(machine, stop, claims, now) for stop in stops]


def _eviction(machine: Scheduler, stop: Stop, claims: list[Claim], now: float) -> Eviction:
    claim = next((claim for claim in claims if stop.model in claim.victims), None)
    if claim is None or machine._unloads.awaits(stop.life):
        return Eviction(stop, None, _own_reason(machine, stop, now))
    others = [other.target for other in claims if other is not claim]
    decision = _decision(machine, claim.target, stop.model, others)
    rule = next((each.rule for each in decision.evicted if each.model == stop.model), "")
    return Eviction(stop, claim.target, rule, decision)


def _decision(machine: Scheduler, target: ModelId, victim: ModelId, beside: Iterable[ModelId]) -> Decision:
    """The decision that names *victim*; a swap may have begun in another situation than this."""
    for others in (beside, ()):
        decision = decision_for(machine, target, others)
        if victim in decision.victims:
            return decision
    policy = machine._eviction if isinstance(machine, SharingScheduler) else _ALONE
    return policy.explain(target, [victim])


def _claims(machine: Scheduler, now: float) -> Iterator[Claim]:
    """Of the models for which room is being made."""
    if isinstance(machine, SharingScheduler):
        yield from machine._acting(now)
    elif machine._requests.queue and not machine._requests.active:
        head = machine._requests.head().model
        yield Claim(head, decision_for(machine, head).victims)


def _own_reason(machine: Scheduler, stop: Stop, now: float) -> str:
    resident = machine._residents.find(stop.life)
    if machine._unloads.awaits(stop.life):
        return "it is unloaded"
    if machine._closed:
        return "the daemon stops"
    if resident is not None and resident.obsolete:
        return "its configuration has changed"
    if resident is not None and resident.rules.ttl > 0 and resident.expires_at <= now:
        return "it has been idle for its ttl"
    return "nobody waits for it any more"
