"""The judge of `maxWait` under `fifo`: once the oldest has waited so long, nobody new gets what it needs.

Whoever is being served may finish, and so may a swap that is running, with all who have joined it until its model is
ready. After that nothing is served that the oldest would have to evict, and nothing of the kind is loaded again.
"""

from llamaswap.config.routing import RoutingConfig
from tests.sim.clients import Call
from tests.sim.judge import PROBE_S, SLACK_S, Judge, evicts
from tests.sim.plan import NEVER
from tests.sim.trees import Tree


def judge_patience(judge: Judge, routing: RoutingConfig, begin: float, end: float) -> None:
    """Look at all who waited too long while *routing* was in force."""
    if not routing.scheduler.fifo.max_wait or any(tree.stuck_at is not None for tree in judge.machine.trees):
        return
    for call in judge.clients.calls.values():
        since, until = _overdue(judge, call, max(begin, call.at + routing.scheduler.fifo.max_wait))
        until = min(until, end)
        if since < until - SLACK_S and not any(judge.orders(("load", "reload"), since, until)):
            _judge_one(judge, routing, call, since + SLACK_S, until - SLACK_S)


def waited_until(judge: Judge, call: Call) -> float:
    """When *call* reached its model or got another end."""
    delivery = judge.delivery(call)
    return delivery.at if delivery is not None else NEVER if call.ended_at is None else call.ended_at


def _overdue(judge: Judge, call: Call, at: float) -> tuple[float, float]:
    """From when to when *call*, by *at* long enough there, was the oldest of all and had no swap of its own."""
    calls = judge.clients.calls.values()
    since = max([at, *(waited_until(judge, each) for each in calls if each.at <= call.at and each is not call)])
    own = [tree for tree in judge.machine.trees if tree.model == call.asked.model]
    begun = [tree.spawned_at for tree in own if (tree.ended_at or NEVER) >= since - SLACK_S]
    return since, min([waited_until(judge, call), *begun])


def _judge_one(judge: Judge, routing: RoutingConfig, call: Call, since: float, until: float) -> None:
    models = {each.asked.model for each in judge.clients.calls.values()}
    victims = {model for model in models if model != call.asked.model and _would_go(judge, routing, call, model)}
    for delivery in judge.servers.ledger:
        tree, came_at = delivery.tree, judge.clients.calls[delivery.number].at
        if tree.model in victims and since < delivery.at < until and came_at > max(since, _settled_at(judge, tree)):
            judge.blame(
                f"bounded waiting: {call} has waited since {call.at:.3f}, too long at {since:.3f}, and "
                f"{delivery.number} came after that and got {tree}, which has to go, at {delivery.at:.3f}"
            )
    for model in victims:
        _judge_loads(judge, call, model, since, until)


def _judge_loads(judge: Judge, call: Call, model: str, since: float, until: float) -> None:
    begun = [tree for tree in judge.machine.trees if tree.model == model and since < tree.spawned_at < until]
    calls = judge.clients.calls.values()
    joined = any(
        each.asked.model == model and each.at <= since and waited_until(judge, each) >= since - SLACK_S
        for each in calls
    )
    for tree in begun[1:] if joined else begun:
        judge.blame(
            f"bounded waiting: {call} has waited since {call.at:.3f}, too long at {since:.3f}, and {tree} begins"
        )


def _settled_at(judge: Judge, tree: Tree) -> float:
    """When it was known to be ready at the latest."""
    return judge.healthy_at(tree) + PROBE_S


def _would_go(judge: Judge, routing: RoutingConfig, call: Call, other: str) -> bool:
    if routing.router == "matrix":
        together = {call.asked.model, other}
        return not any(together <= set(text.split(" & ")) for text in judge.plan.sets.values())
    return evicts(routing.groups, call.asked.model, other)
