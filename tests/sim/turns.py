"""The judge of order: who may pass whom under each scheduler, how long, and what priorities decide.

A scheduler is in force for a *reign*, from one reload to the next. Within a model arrival alone counts, whatever the
scheduler and however often it changes; all else is judged reign by reign.
"""

from collections.abc import Iterator
from typing import NamedTuple

from llamaswap.config.routing import RoutingConfig
from tests.sim.clients import Call
from tests.sim.judge import SLACK_S, Judge
from tests.sim.patience import judge_patience
from tests.sim.plan import NEVER
from tests.sim.ranks import judge_ranks
from tests.sim.server import Delivery


class Reign(NamedTuple):
    """One scheduler's time. `inherited`: the one before kept the same books of who has been passed."""

    begin: float
    end: float
    routing: RoutingConfig
    inherited: bool = False


def judge_turns(judge: Judge) -> None:
    """Look at who was served before whom."""
    if judge.kernel.failed_at is not None or judge.meddled_at:
        return
    reigns = list(reigns_of(judge))
    for call in judge.clients.calls.values():
        _not_passed_by_its_like(judge, call)
        _not_passed_too_often(judge, call, reigns)
    for reign in reigns:
        if reign.routing.scheduler.use == "fifo":
            judge_patience(judge, reign.routing, reign.begin, reign.end)
            judge_ranks(judge, reign.routing, reign.begin, reign.end)


def reigns_of(judge: Judge) -> Iterator[Reign]:
    """The schedulers that there were, one after the other."""
    begin, routing, inherited = 0.0, judge.plan.configs[0].routing, False
    for at, config in judge.configs[1:]:
        if config.routing != routing:
            yield Reign(begin, at, routing, inherited)
            inherited = routing.scheduler.use == config.routing.scheduler.use == "batch"
            begin, routing = at, config.routing
    yield Reign(begin, NEVER, routing, inherited)


def _passers(judge: Judge, call: Call) -> list[Delivery]:
    """Those who came later and were served before, in the order in which they were."""
    delivery = judge.delivery(call)
    until = delivery.at if delivery is not None else call.ended_at
    assert until is not None
    calls = judge.clients.calls
    return [
        each for each in judge.servers.ledger if call.at < each.at < until - SLACK_S and calls[each.number].at > call.at
    ]


def _not_passed_by_its_like(judge: Judge, call: Call) -> None:
    for each in _passers(judge, call):
        if judge.clients.calls[each.number].asked.model == call.asked.model:
            _blame(judge, call, each, "of the same model")


def _not_passed_too_often(judge: Judge, call: Call, reigns: list[Reign]) -> None:
    passers, passed = _passers(judge, call), 0
    for reign in reigns:
        passed = passed if reign.inherited else 0
        scheduler = reign.routing.scheduler
        if scheduler.use == "fifo":
            continue
        most = scheduler.batch.max_overtakes if scheduler.use == "batch" else 0
        patient_until = call.at + (scheduler.batch.max_wait if scheduler.use == "batch" else NEVER)
        for each in passers:
            if reign.begin + SLACK_S < each.at < reign.end:
                passed += 1
                if passed > most:
                    _blame(judge, call, each, f"as number {passed} under {scheduler.use}, where {most} may")
                if each.at > patient_until + SLACK_S:
                    _blame(judge, call, each, f"after it had waited for {scheduler.batch.max_wait:g} s")


def _blame(judge: Judge, call: Call, passer: Delivery, why: str) -> None:
    judge.blame(f"bounded waiting: {call}, since {call.at:.3f}, was passed at {passer.at:.3f} by {passer.number} {why}")
