"""The judge of deadlines: refused at once if it is hopeless, at its deadline if it was not granted, and no load for it.

"Hopeless" is what measurements tell the daemon, and they are its own. But some of it can be seen from outside: nothing
is hopeless before anything was measured, nor a request whose model stands there with nobody in front of it; and what is
far quicker than any load of its model has ever been is hopeless if the model must be loaded.
"""

import re

from tests.sim.clients import Call
from tests.sim.judge import PROBE_S, SLACK_S, Judge
from tests.sim.plan import NEVER
from tests.sim.trees import Tree

#: So many loads must have been measured, and all have taken so many times longer, before a wait is blamed as in vain.
LOADS, LONGER = 2, 2.0
#: The listener's rest after an accept that failed.
ACCEPT_REST_S = 0.1
_FORETOLD = re.compile(r"its deadline is in ([\d.]+) s, and it can start in ([\d.]+) s at the earliest")


def judge_haste(judge: Judge) -> None:
    """Look at every request that had a deadline, and at every refusal for one."""
    for call in judge.clients.calls.values():
        if call.status in (429, 503) and "not ready" not in call.said:
            _says_when_to_return(judge, call)
        if judge.late_at(call) == NEVER or call.ended_at is None:
            continue
        _is_not_kept(judge, call)
        if call.status == 503 and "deadline" in call.said:
            _is_refused_in_time(judge, call)
        if not judge.meddled(call.at, call.ended_at):
            _was_not_hopeless(judge, call)


def _says_when_to_return(judge: Judge, call: Call) -> None:
    if not call.retry_after.isdigit() or int(call.retry_after) < 1:
        judge.blame(f"{call} was told {call.status}, and of when to try again: {call.retry_after!r}")


def _is_not_kept(judge: Judge, call: Call) -> None:
    """From its deadline on it is either with its model, or gone."""
    late_at, delivery = judge.late_at(call) + _unseen_s(judge, call), judge.delivery(call)
    got_on = delivery.at if delivery is not None else call.ended_at
    if got_on is not None and got_on > late_at + SLACK_S and not (call.status and delivery is None):
        judge.blame(f"deadline: {call}, of no use after {late_at - call.at:.3f} s, was granted after it")
    if delivery is None and call.ended_at is not None and call.ended_at > late_at + SLACK_S:
        judge.blame(f"deadline: {call}, of no use after {late_at - call.at:.3f} s, was kept for longer")


def _unseen_s(judge: Judge, call: Call) -> float:
    """A deadline counts from when the daemon sees the request: later, if it rests after an accept that failed."""
    failed_at = judge.kernel.failed_at
    if failed_at is None or not failed_at - SLACK_S <= call.at <= failed_at + ACCEPT_REST_S:
        return 0.0
    return ACCEPT_REST_S


def _is_refused_in_time(judge: Judge, call: Call) -> None:
    """At once, and for a reason that can be true; or at its deadline."""
    assert call.ended_at is not None
    foretold = _FORETOLD.match(call.said)
    if foretold is None:
        if call.ended_at < judge.late_at(call) - SLACK_S:
            judge.blame(
                f"deadline: {call} was refused {judge.late_at(call) - call.ended_at:.3f} s before it: {call.said}"
            )
        return
    if call.ended_at > call.at + SLACK_S:
        judge.blame(f"deadline: {call} waited for {call.ended_at - call.at:.3f} s to be told {call.said}")
    if float(foretold[2]) < float(foretold[1]):
        judge.blame(f"deadline: {call} can make it, and was told {call.said}")
    if not _anything_measured(judge, call.at):
        judge.blame(f"deadline: {call} was told {call.said}, though nothing had been measured")
    if _may_begin_at_once(judge, call):
        judge.blame(f"deadline: {call} was told {call.said}, though its model stood there and had nothing to do")


def _anything_measured(judge: Judge, until: float) -> bool:
    loads = any(tree.ready and judge.healthy_at(tree) <= until for tree in judge.machine.trees)
    return loads or any(tree.ended_at is not None and tree.ended_at <= until for tree in judge.machine.trees)


def _may_begin_at_once(judge: Judge, call: Call) -> bool:
    """Its model's process is the only one, has long been ready, and nobody else has been here for a moment."""
    alive = [tree for tree in judge.machine.trees if _lived(tree, call.at)]
    others = [
        each
        for each in judge.clients.calls.values()
        if each is not call and each.at <= call.at + SLACK_S and (each.ended_at or NEVER) > call.at - SLACK_S
    ]
    kinds = ("load", "unload", "unload all", "reload")
    if len(alive) != 1 or others or any(judge.orders(kinds, call.at - SLACK_S, call.at)):
        return False
    (tree,) = alive
    ends_at = min(tree.stop_at or NEVER, tree.leader.ended_at)
    ready_at = judge.healthy_at(tree) + PROBE_S
    stands = tree.model == call.asked.model and ready_at < call.at and ends_at > call.at + SLACK_S
    return stands and not tree.fate.guard and not judge.is_outdated(tree)


def _was_not_hopeless(judge: Judge, call: Call) -> None:
    """It waited in vain for what has never been so quick."""
    model, left_s = call.asked.model, judge.late_at(call) - call.at
    trees = [tree for tree in judge.machine.trees if tree.model == model]
    if any(_lived(tree, call.at) for tree in trees) or judge.delivery(call) is not None or call.status not in (0, 503):
        return
    known = [tree for tree in trees if tree.ready and judge.healthy_at(tree) + PROBE_S < call.at and _used(judge, tree)]
    if len(known) < LOADS or len({tree.argv for tree in trees}) > 1 or call.at >= judge.shutdown_at - SLACK_S:
        return
    quickest = min(judge.healthy_at(tree) - tree.spawned_at for tree in known)
    if left_s * LONGER < quickest and (call.ended_at or NEVER) > call.at + SLACK_S:
        judge.blame(f"deadline: {call} waited for {left_s:.3f} s, though no load took less than {quickest:.1f} s")


def _lived(tree: Tree, at: float) -> bool:
    return tree.spawned_at <= at + SLACK_S and (tree.ended_at or NEVER) >= at - SLACK_S


def _used(judge: Judge, tree: Tree) -> bool:
    return any(each.tree is tree for each in judge.servers.ledger)
