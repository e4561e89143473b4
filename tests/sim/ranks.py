"""The judge of priorities under `fifo`: of two that want the same place, the one of higher rank gets it.

Judged are models of one group that swaps: they need the same and evict each other, so what keeps one of them out keeps
the other out too, and no excuse is left. When the choice was made is not seen from outside, but it was not before the
last of those who had to go had nothing to do any more, nor before somebody asked for the model that was chosen.
"""

from llamaswap.config.routing import RoutingConfig
from tests.sim.clients import Call
from tests.sim.judge import SLACK_S, Judge, evicts
from tests.sim.patience import waited_until
from tests.sim.plan import NEVER
from tests.sim.trees import Tree


def judge_ranks(judge: Judge, routing: RoutingConfig, begin: float, end: float) -> None:
    """Look at every load while *routing* was in force, and at who waited meanwhile."""
    if routing.router == "matrix" or any(tree.stuck_at is not None for tree in judge.machine.trees):
        return
    for tree in judge.machine.trees:
        group = next((group for group in routing.groups if tree.model in group.members), None)
        if begin < tree.spawned_at < end and group is not None and group.swap:
            rivals = [str(model) for model in group.members if model != tree.model]
            _judge_one(judge, routing, tree, rivals, begin)


def _judge_one(judge: Judge, routing: RoutingConfig, tree: Tree, rivals: list[str], begin: float) -> None:
    now, max_wait = tree.spawned_at, routing.scheduler.fifo.max_wait
    priority = {str(model): rank for model, rank in routing.scheduler.fifo.priority.items()}
    freed = max((_free_at(judge, other) for other in _gone(judge, routing, tree)), default=0.0)
    mine = _waiting(judge, tree.model, freed, now)
    if not mine:
        return
    came_at = min(call.at for call in mine)
    chosen_at = max(freed, came_at, begin)
    kinds = ("load", "unload", "unload all", "reload")
    if any(judge.orders(kinds, came_at - SLACK_S, now)) or (max_wait and now - came_at >= max_wait - SLACK_S):
        return
    rank = (-priority.get(tree.model, 0), came_at - SLACK_S)
    for rival in rivals:
        if any(_lived(each, chosen_at, now) for each in judge.machine.trees if each.model == rival):
            continue
        for call in _waiting(judge, rival, now, chosen_at - SLACK_S):
            if (-priority.get(rival, 0), call.at) < rank and judge.late_at(call) > now + SLACK_S:
                judge.blame(
                    f"priorities: {tree} begins, for which somebody waits since {came_at:.3f}, before {rival} "
                    f"for {call}, since {call.at:.3f}; it was chosen at {chosen_at:.3f} or later; {priority}"
                )


def _waiting(judge: Judge, model: str, until: float, came_by: float) -> list[Call]:
    """The requests for *model* that came no later than *came_by* and waited beyond *until*."""
    calls = judge.clients.calls.values()
    return [c for c in calls if c.asked.model == model and c.at <= came_by and waited_until(judge, c) > until + SLACK_S]


def _gone(judge: Judge, routing: RoutingConfig, tree: Tree) -> list[Tree]:
    """Those that were stopped for *tree*, sooner or later. Who came after the choice may stay beside it for a while."""
    now = tree.spawned_at + SLACK_S
    stopped = [each for each in judge.machine.trees if each.stop_at is not None and (each.ended_at or NEVER) <= now]
    return [each for each in stopped if each.model == tree.model or evicts(routing.groups, tree.model, each.model)]


def _free_at(judge: Judge, tree: Tree) -> float:
    """The earliest time at which it can be seen to have nothing to do any more."""
    calls = judge.clients.calls
    ends = [
        min(each.over_at or NEVER, calls[each.number].ended_at or NEVER)
        for each in judge.servers.ledger
        if each.tree is tree
    ]
    loaded = min(judge.healthy_at(tree), tree.leader.ended_at, tree.stop_at or NEVER)
    return max([loaded, *(end for end in ends if end != NEVER)])


def _lived(tree: Tree, since: float, now: float) -> bool:
    return tree.spawned_at <= now + SLACK_S and (tree.ended_at or NEVER) >= since - SLACK_S
