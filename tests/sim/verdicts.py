"""The judges' last word, when a world is over: every request, every order, the shutdown, and what is left."""

from collections import Counter

from llamaswap.config.schema import Config
from tests.sim.clients import Call
from tests.sim.haste import judge_haste
from tests.sim.judge import DRAIN_S, EXIT_S, SLACK_S, Done, Judge
from tests.sim.plan import NEVER
from tests.sim.server import Delivery
from tests.sim.trees import Tree
from tests.sim.turns import judge_turns

#: What may keep a stop waiting beyond its grace: an unwilling kernel, until that is told, or a guard to be replaced.
STUCK_S, DEAF_S = 6.0, 9.0
#: How soon a model must see that nobody wants its answer any more.
LEFT_S = 1.0


def judge_all(judge: Judge) -> None:
    """Everything that can be said only at the end."""
    for call in judge.clients.calls.values():
        _one_outcome(judge, call)
    _one_delivery(judge)
    judge_turns(judge)
    judge_haste(judge)
    for done in judge.done:
        _stop_ended(judge, done)
    _shutdown(judge)
    judge.wrongs.extend(judge.servers.troubles)


# -- one outcome ----------------------------------------------------------------------------------------------------


def _one_outcome(judge: Judge, call: Call) -> None:
    delivery = judge.delivery(call)
    if call.ending is None and call.status and call.asked.stalls_s:
        return  # it has an answer, and has not looked at it yet
    if call.ending is None or call.ended_at is None:
        judge.blame(f"one outcome: {call} has none")
        return
    if call.wrong:
        judge.blame(f"one outcome: {call} got another answer than its model gave")
    if call.ending == "whole" and (delivery is None or delivery.finished_at is None):
        judge.blame(f"cut means cut: {call} looks whole")
    over_at = delivery.over_at if delivery is not None else None
    if over_at is not None and call.ended_at > over_at + LEFT_S + call.asked.stalls_s and call.ending != "whole":
        judge.blame(f"{call} was left waiting for {call.ended_at - over_at:.1f} s after the end of its answer")
    if call.ending == "cut" and not _may_be_cut(judge, call, delivery):
        judge.blame(f"{call} was cut for no reason")
    if (
        delivery is not None
        and (delivery.over_at or NEVER) > call.ended_at + LEFT_S
        and call.ended_at < judge.shutdown_at
    ):
        judge.blame(f"leaving counts: {call} has ended, and its model was not told")
    if call.ending == "error" and not _is_explained(judge, call):
        judge.blame(f"{call} was told {call.status} for no reason: {call.said}")


def _may_be_cut(judge: Judge, call: Call, delivery: Delivery | None) -> bool:
    assert call.ended_at is not None
    if judge.meddled(call.at, call.ended_at) or call.ended_at >= min(judge.shutdown_at + DRAIN_S, judge.hurried_at):
        return True
    if delivery is None:
        return False
    return delivery.finished_at is None or call.asked.stalls_s >= 60


def _is_explained(judge: Judge, call: Call) -> bool:
    """Whether what it was told is true."""
    assert call.ended_at is not None
    at, model = call.ended_at, call.asked.model
    configs = judge.in_force(call.at - SLACK_S, at)
    mine = [tree for tree in judge.machine.trees if tree.model == model]
    died = [tree for tree in mine if call.at - SLACK_S <= tree.leader.ended_at <= at + SLACK_S]
    early = [tree for tree in mine if tree.spawned_at <= at <= tree.spawned_at + tree.fate.listens_s + SLACK_S]
    true = False
    if call.status == 404:
        true = any(model not in config.models for config in configs)
    elif call.status == 429:
        true = any(_is_full(judge, call, config) for config in configs)
    elif "shutting down" in call.said:
        true = at >= judge.shutdown_at - SLACK_S
    elif call.said.startswith("its deadline"):
        true = judge.late_at(call) < NEVER  # more in `haste`
    elif "unloaded" in call.said:
        true = any(each.names(model) for each in judge.orders(("unload", "unload all"), at - SLACK_S, at))
    elif call.said.startswith("upstream proxy error"):
        true = call.asked.answer.kind in ("hang up", "reset", "break") or bool(died or early)
    elif call.said.startswith("unspecific error"):
        true = any(map(_failed, mine)) or any(tree.stuck_at is not None for tree in judge.machine.trees)
    return true or judge.meddled(call.at, at)


def _is_full(judge: Judge, call: Call, config: Config) -> bool:
    model, at = config.models.get(call.asked.model), call.at
    others = [
        each
        for each in judge.clients.calls.values()
        if each is not call and each.asked.model == call.asked.model and each.at <= at + SLACK_S
        if each.ended_at is None or each.ended_at >= at - SLACK_S
    ]
    loads = [each for each in judge.orders(("load",), at - SLACK_S, at) if each.order.model == call.asked.model]
    return model is not None and 0 < model.concurrency_limit <= len(others) + len(loads)


def _failed(tree: Tree) -> bool:
    """Something was wrong with its start, or it may have been too slow."""
    fate = tree.fate
    return (
        not fate.runs or fate.ends_s != NEVER or fate.healthy_s > 1.6 or bool(fate.guard) or tree.stuck_at is not None
    )


def _one_delivery(judge: Judge) -> None:
    for number, count in Counter(each.number for each in judge.servers.ledger).items():
        if count > 1:
            judge.blame(f"request {number} was delivered {count} times")
    for each in judge.servers.ledger:
        if each.at > each.tree.unguarded_at + SLACK_S:
            judge.blame(f"request {each.number} went to {each.tree}, unguarded since {each.tree.unguarded_at:.3f}")


# -- every stop ends ------------------------------------------------------------------------------------------------


def _stop_ended(judge: Judge, done: Done) -> None:
    if not done.order.kind.startswith("unload"):
        return
    trees = [tree for tree in judge.machine.trees if done.names(tree.model) and tree.spawned_at <= done.began]
    there = [tree for tree in trees if tree.ended_at is None or tree.ended_at >= done.began]
    bound = max((_bound(judge, done, tree) for tree in there), default=SLACK_S)
    ended = judge.ended_at if done.ended is None else done.ended
    assert ended is not None
    if ended - done.began > bound and done.began < judge.shutdown_at:
        judge.blame(f"{done.order} took {ended - done.began:.3f} s, not {bound:.1f}")
    for tree in there:
        excused = done.ended is None or tree.stuck_at is not None or tree.fate.guard or tree.line > done.line
        if not excused and (tree.ended_at is None or tree.ended_at > ended):
            judge.blame(f"{done.order} was answered while {tree} was alive")


def _bound(judge: Judge, done: Done, tree: Tree) -> float:
    graces = [c.models[m].unload_timeout for c in judge.in_force(0.0, done.began) for m in c.models if m == tree.model]
    own = max(graces) if done.order.grace is None else done.order.grace
    extra = (STUCK_S if tree.fate.unkillable_s else 0.0) + (DEAF_S + STUCK_S if tree.fate.guard else 0.0)
    # A start that failed was given five seconds to go, and what a leader leaves as many.
    return max(own, 5.0) + 2.0 + extra


# -- the end --------------------------------------------------------------------------------------------------------


def _shutdown(judge: Judge) -> None:
    if judge.ended_at is None:
        judge.blame("the daemon did not end")
        return
    took = judge.ended_at - judge.shutdown_at
    unwilling = any(tree.fate.unkillable_s or tree.fate.guard for tree in judge.machine.trees)
    if took > EXIT_S:
        judge.blame(f"the shutdown took {took:.3f} s")
    if judge.killed and not unwilling:
        judge.blame("only the watchdog ended the daemon")
    if judge.ended_at - judge.hurried_at > 10 and not unwilling:
        judge.blame(f"the hurried shutdown took {judge.ended_at - judge.hurried_at:.3f} s")
    for tree in judge.machine.alive():
        if not tree.fate.unkillable_s:
            judge.blame(f"no orphans: {tree} outlives the daemon")
    if not judge.killed:
        for end in judge.kernel.left_open():
            judge.blame(f"left open: {end}")
