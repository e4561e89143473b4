"""The judge of what does not happen: somebody is forgotten, a load never ends, an idle model stays."""

import trio

from tests.sim.judge import PROBE_S, STILL_S, Judge
from tests.sim.plan import NEVER
from tests.sim.trees import Tree


def look(judge: Judge) -> None:
    """Is anybody forgotten?"""
    now = trio.current_time()
    if now >= judge.shutdown_at or judge.meddled(now - 100, now):
        return
    _look_for_standstill(judge, now)
    for tree in judge.machine.alive():
        _look_for_overdue(judge, tree, now)
        _look_for_endless_load(judge, tree, now)


def _look_for_endless_load(judge: Judge, tree: Tree, now: float) -> None:
    loading = not tree.ready and tree.leader.alive and tree.stop_at is None and not tree.fate.guard
    specs = judge.specs(tree.model, 0.0, now)
    limits = [spec.health_check_timeout if spec.check_endpoint != "none" else NEVER for spec in specs]
    if loading and now - tree.spawned_at > max(limits) + 2:
        judge.blame(f"{tree} has been loading for {now - tree.spawned_at:.1f} s")


def _look_for_standstill(judge: Judge, now: float) -> None:
    waiting = judge.waiting()
    moving = [tree for tree in judge.machine.alive() if not _stands(tree)]
    if not waiting or moving or len(waiting) < len(judge.clients.pending()):
        return  # who is being answered, and be it slowly because he does not read, holds his place
    came = [call.at for call in waiting]
    went = [call.ended_at or 0.0 for call in judge.clients.calls.values()]
    went += [tree.ended_at or 0.0 for tree in judge.machine.trees]
    since = max(judge.servers.progress_at, judge.configs[-1][0], *came, *went)
    if now - since > STILL_S + PROBE_S:
        judge.blame(f"{waiting[0]} waits, and nothing has moved for {now - since:.1f} s")


def _look_for_overdue(judge: Judge, tree: Tree, now: float) -> None:
    specs = judge.specs(tree.model, now, now)
    if not _stands(tree) or not specs or not specs[0].ttl:
        return
    if any(call.asked.model == tree.model for call in judge.clients.pending()):
        return
    if any(each.order.model == tree.model and each.ended is None for each in judge.done):
        return
    ends = [judge.left_at(each) for each in judge.servers.ledger if each.tree is tree]
    others = [call.ended_at or 0.0 for call in judge.clients.calls.values() if call.asked.model == tree.model]
    loads = [each.ended or 0.0 for each in judge.done]
    since = max([tree.spawned_at + tree.fate.healthy_s + PROBE_S, judge.configs[-1][0], *ends, *others, *loads])
    ttl = specs[0].ttl
    if now - since > ttl + 1:
        judge.blame(f"{tree} is still there {now - since:.1f} s after its last byte, with a ttl of {ttl:g} s")


def _stands(tree: Tree) -> bool:
    """It neither loads nor ends, nor is it left to a guard that does not do its duty."""
    return tree.ready and tree.leader.alive and tree.stop_at is None and not tree.fate.guard
