"""The judge of beginnings and ends: whether a tree may begin at this moment, and whether it had to be stopped."""

from functools import partial

import trio

from llamaswap.config.schema import Config
from tests.sim.judge import DRAIN_S, PROBE_S, SLACK_S, Judge, can_be_together
from tests.sim.plan import NEVER
from tests.sim.trees import Tree


def watch_lives(judge: Judge) -> None:
    """From now on *judge* sees every tree begin and be stopped."""
    judge.machine.spawning = partial(_spawning, judge)
    judge.machine.stopping = partial(_stopping, judge)


def _spawning(judge: Judge, tree: Tree) -> None:
    now = trio.current_time()
    others = [each for each in judge.machine.alive() if each is not tree]
    configs = judge.in_force(now - SLACK_S, now)
    if others and not any(_may_begin(judge, config, tree, others) for config in configs):
        judge.blame(f"exclusive: {tree} begins beside {', '.join(map(str, others))}")
    if now > judge.shutdown_at + SLACK_S:
        judge.blame(f"{tree} begins after the shutdown has begun")
    if not any(spec.argv == tree.argv for spec in judge.specs(tree.model, now - SLACK_S, now)):
        judge.blame(f"{tree} begins as {tree.argv}, which is not how it is configured")
    if not _is_wanted(judge, tree.model, now):
        judge.blame(f"leaving counts: {tree} begins though nobody waits for it")


def _may_begin(judge: Judge, config: Config, tree: Tree, others: list[Tree]) -> bool:
    models = {each.model for each in others}
    if config.routing.scheduler.use == "serial" or tree.model in models:
        return False
    if config.routing.router == "matrix":
        together = models | {tree.model}
        return any(together <= set(text.split(" & ")) for text in judge.plan.sets.values())
    return can_be_together(config.routing.groups, [*sorted(models), tree.model])


def _is_wanted(judge: Judge, model: str, now: float) -> bool:
    asked = any(call.asked.model == model and judge.waits(call, now) for call in judge.clients.calls.values())
    return asked or any(each.order.model == model for each in judge.orders(("load",), now - SLACK_S, now))


# -- a tree is told to end --------------------------------------------------------------------------------------


def _stopping(judge: Judge, tree: Tree) -> None:
    now = trio.current_time()
    unloaded = any(each.names(tree.model) for each in judge.orders(("unload", "unload all"), now - SLACK_S, now))
    closing = now >= min(judge.shutdown_at + DRAIN_S, judge.hurried_at) - SLACK_S
    if unloaded or closing or not tree.leader.alive or judge.meddled(now, now):
        return
    busy = [each for each in judge.served() if each.tree is tree and each.finished_at is None]
    if busy:
        judge.blame(f"{tree} is stopped while it serves request {busy[0].number}")
    if (
        now >= judge.shutdown_at - SLACK_S
        or not _is_known(judge, tree, now)
        or judge.is_outdated(tree)
        or _others_ask(judge, tree, now)
    ):
        return
    ttls = [spec.ttl for spec in judge.specs(tree.model, now - SLACK_S, now)]
    idle_s = now - _idle_since(judge, tree)
    if not any(0 < ttl <= idle_s + SLACK_S for ttl in ttls):
        judge.blame(f"{tree} is stopped for no reason: idle for {idle_s:.3f} s, ttl {ttls}")


def _is_known(judge: Judge, tree: Tree, now: float) -> bool:
    """It must have been seen to be ready by now."""
    late = tree.ready and now > judge.healthy_at(tree) + PROBE_S
    return late or any(each.tree is tree for each in judge.servers.ledger)


def _others_ask(judge: Judge, tree: Tree, now: float) -> bool:
    calls = judge.clients.calls.values()
    asked = any(call.asked.model != tree.model and judge.waits(call, now) for call in calls)
    return asked or any(each.order.model != tree.model for each in judge.orders(("load",), now - SLACK_S, now))


def _idle_since(judge: Judge, tree: Tree) -> float:
    """When it fell idle at the earliest."""
    ends = [min(each.over_at or NEVER, judge.left_at(each)) for each in judge.servers.ledger if each.tree is tree]
    return max([judge.healthy_at(tree), *(end for end in ends if end != NEVER)])
