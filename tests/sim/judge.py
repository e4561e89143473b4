"""The judges: they look at the process table, at what reached the models and at what clients got, at no API of ours.

They know the rules and not the machine. What was decided and what is seen of it are at the same virtual instant, though
others may have run in between; `SLACK_S` is for that.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import permutations

import trio

from llamaswap.config.routing import GroupConfig
from llamaswap.config.schema import Config, ModelConfig
from tests.sim.clients import Call, Clients
from tests.sim.kernel import Kernel
from tests.sim.plan import NEVER, Order, Plan
from tests.sim.server import Delivery, Servers
from tests.sim.trees import Machine, Tree

SLACK_S = 0.05
#: Nothing may stand still for longer while somebody waits.
STILL_S = 5.0
#: From healthy to known as such, at the paces of `seams`.
PROBE_S = 2.2
DRAIN_S, EXIT_S = 23.0, 35.0


@dataclass
class Done:
    """An operator's order, from *began* to *ended*; None: not yet. `line`: its place in the transcript."""

    order: Order
    began: float
    line: int
    ended: float | None = None
    stuck: tuple[str, ...] = ()
    said: str = ""

    def names(self, model: str) -> bool:
        return self.order.kind == "unload all" or (self.order.kind == "unload" and self.order.model == model)


@dataclass
class Judge:
    """Collects what is wrong. Wired to the machine by `begin`."""

    plan: Plan
    kernel: Kernel
    machine: Machine
    servers: Servers
    clients: Clients
    configs: list[tuple[float, Config]] = field(default_factory=list)
    done: list[Done] = field(default_factory=list)
    wrongs: list[str] = field(default_factory=list)
    shutdown_at: float = NEVER
    hurried_at: float = NEVER
    ended_at: float | None = None
    killed: bool = False
    #: The fault that was planted may explain what is otherwise wrong with an answer.
    meddled_at: list[float] = field(default_factory=list)

    def begin(self) -> None:
        self.machine.spawning = self._spawning
        self.machine.stopping = self._stopping

    def blame(self, what: str) -> None:
        self.wrongs.append(f"{trio.current_time():.6f} {what}")
        self.kernel.tell(f"WRONG: {what}")

    # -- looks ------------------------------------------------------------------------------------------------------

    def in_force(self, first: float, last: float) -> list[Config]:
        """Every configuration that held at some time between *first* and *last*."""
        held = [config for at, config in self.configs if first <= at <= last]
        before = [config for at, config in self.configs if at < first]
        return before[-1:] + held

    def delivery(self, call: Call) -> Delivery | None:
        return next((each for each in self.servers.ledger if each.number == call.asked.number), None)

    def waiting(self) -> list[Call]:
        """Who has asked and has reached no model."""
        delivered = {each.number for each in self.servers.ledger}
        return [call for call in self.clients.pending() if not call.status and call.asked.number not in delivered]

    def served(self) -> list[Delivery]:
        """What goes on at a model for somebody who is still there."""
        calls = self.clients.calls
        return [each for each in self.servers.ledger if each.going_on and calls[each.number].ending is None]

    def orders(self, kinds: Iterable[str], first: float, last: float) -> Iterator[Done]:
        """Orders of these kinds that went on at some time between *first* and *last*."""
        for each in self.done:
            if each.order.kind in kinds and each.began <= last and (each.ended is None or each.ended >= first):
                yield each

    def meddled(self, first: float, last: float) -> bool:
        failed = self.kernel.failed_at
        times = [*self.meddled_at, failed] if failed is not None else self.meddled_at
        return any(first - SLACK_S <= at <= last + SLACK_S for at in times)

    def specs(self, model: str, first: float, last: float) -> list[ModelConfig]:
        """How *model* was configured at some time between *first* and *last*."""
        configs = self.in_force(first, last)
        return [spec for config in configs for name, spec in config.models.items() if name == model]

    def late_at(self, call: Call) -> float:
        """From when on it is of no use to its client; the latest time, if a reload may have changed it."""
        if call.asked.deadline_s is not None:
            return call.at + call.asked.deadline_s
        specs = self.specs(call.asked.model, call.at - SLACK_S, call.at)
        return call.at + max((spec.deadline or NEVER for spec in specs), default=NEVER)

    def waits(self, call: Call, now: float) -> bool:
        """Somebody may still have to do something for it, as far as can be known now."""
        return (call.ended_at is None or call.ended_at >= now - SLACK_S) and self.late_at(call) >= now - SLACK_S

    def healthy_at(self, tree: Tree) -> float:
        """When it can be known to be ready at the earliest."""
        specs = self.specs(tree.model, tree.spawned_at, tree.spawned_at)
        asked = any(spec.check_endpoint != "none" for spec in specs)
        return tree.spawned_at + (tree.fate.healthy_s if asked else 0.0)

    # -- a tree begins ----------------------------------------------------------------------------------------------

    def _spawning(self, tree: Tree) -> None:
        now = trio.current_time()
        others = [each for each in self.machine.alive() if each is not tree]
        configs = self.in_force(now - SLACK_S, now)
        if others and not any(self._may_begin(config, tree, others) for config in configs):
            self.blame(f"exclusive: {tree} begins beside {', '.join(map(str, others))}")
        if now > self.shutdown_at + SLACK_S:
            self.blame(f"{tree} begins after the shutdown has begun")
        if not any(spec.argv == tree.argv for spec in self.specs(tree.model, now - SLACK_S, now)):
            self.blame(f"{tree} begins as {tree.argv}, which is not how it is configured")
        if not self._is_wanted(tree.model, now):
            self.blame(f"leaving counts: {tree} begins though nobody waits for it")

    def _may_begin(self, config: Config, tree: Tree, others: list[Tree]) -> bool:
        models = {each.model for each in others}
        if config.routing.scheduler.use == "serial" or tree.model in models:
            return False
        if config.routing.router == "matrix":
            together = models | {tree.model}
            return any(together <= set(text.split(" & ")) for text in self.plan.sets.values())
        return can_be_together(config.routing.groups, [*sorted(models), tree.model])

    def _is_wanted(self, model: str, now: float) -> bool:
        asked = any(call.asked.model == model and self.waits(call, now) for call in self.clients.calls.values())
        return asked or any(each.order.model == model for each in self.orders(("load",), now - SLACK_S, now))

    # -- a tree is told to end --------------------------------------------------------------------------------------

    def _stopping(self, tree: Tree) -> None:
        now = trio.current_time()
        unloaded = any(each.names(tree.model) for each in self.orders(("unload", "unload all"), now - SLACK_S, now))
        closing = now >= min(self.shutdown_at + DRAIN_S, self.hurried_at) - SLACK_S
        if unloaded or closing or not tree.leader.alive or self.meddled(now, now):
            return
        busy = [each for each in self.served() if each.tree is tree and each.finished_at is None]
        if busy:
            self.blame(f"{tree} is stopped while it serves request {busy[0].number}")
        if (
            now >= self.shutdown_at - SLACK_S
            or not self._is_known(tree, now)
            or self.is_outdated(tree)
            or self._others_ask(tree, now)
        ):
            return
        ttls = [spec.ttl for spec in self.specs(tree.model, now - SLACK_S, now)]
        idle_s = now - self._idle_since(tree)
        if not any(0 < ttl <= idle_s + SLACK_S for ttl in ttls):
            self.blame(f"{tree} is stopped for no reason: idle for {idle_s:.3f} s, ttl {ttls}")

    def _is_known(self, tree: Tree, now: float) -> bool:
        """It must have been seen to be ready by now."""
        late = tree.ready and now > self.healthy_at(tree) + PROBE_S
        return late or any(each.tree is tree for each in self.servers.ledger)

    def _others_ask(self, tree: Tree, now: float) -> bool:
        calls = self.clients.calls.values()
        asked = any(call.asked.model != tree.model and self.waits(call, now) for call in calls)
        return asked or any(each.order.model != tree.model for each in self.orders(("load",), now - SLACK_S, now))

    def is_outdated(self, tree: Tree) -> bool:
        """A reload has changed or removed its model since it began, or was about to."""
        specs = self.specs(tree.model, tree.spawned_at - SLACK_S, NEVER)
        removed = len(specs) < len(self.in_force(tree.spawned_at - SLACK_S, NEVER))
        return removed or any(spec.argv != specs[0].argv for spec in specs)

    def _idle_since(self, tree: Tree) -> float:
        """When it fell idle at the earliest."""
        ends = [min(each.over_at or NEVER, self._ended(each)) for each in self.servers.ledger if each.tree is tree]
        return max([self.healthy_at(tree), *(end for end in ends if end != NEVER)])

    def _ended(self, delivery: Delivery) -> float:
        ended = self.clients.calls[delivery.number].ended_at
        return NEVER if ended is None else ended

    # -- now and then -----------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Is anybody forgotten?"""
        now = trio.current_time()
        if now >= self.shutdown_at or self.meddled(now - 100, now):
            return
        self._look_for_standstill(now)
        for tree in self.machine.alive():
            self._look_for_overdue(tree, now)
            self._look_for_endless_load(tree, now)

    def _look_for_endless_load(self, tree: Tree, now: float) -> None:
        loading = not tree.ready and tree.leader.alive and tree.stop_at is None and not tree.fate.guard
        specs = self.specs(tree.model, 0.0, now)
        limits = [spec.health_check_timeout if spec.check_endpoint != "none" else NEVER for spec in specs]
        if loading and now - tree.spawned_at > max(limits) + 2:
            self.blame(f"{tree} has been loading for {now - tree.spawned_at:.1f} s")

    def _look_for_standstill(self, now: float) -> None:
        waiting = self.waiting()
        moving = [tree for tree in self.machine.alive() if not _stands(tree)]
        if not waiting or moving or len(waiting) < len(self.clients.pending()):
            return  # who is being answered, and be it slowly because he does not read, holds his place
        came = [call.at for call in waiting]
        went = [call.ended_at or 0.0 for call in self.clients.calls.values()]
        went += [tree.ended_at or 0.0 for tree in self.machine.trees]
        since = max(self.servers.progress_at, self.configs[-1][0], *came, *went)
        if now - since > STILL_S + PROBE_S:
            self.blame(f"{waiting[0]} waits, and nothing has moved for {now - since:.1f} s")

    def _look_for_overdue(self, tree: Tree, now: float) -> None:
        specs = self.specs(tree.model, now, now)
        if not _stands(tree) or not specs or not specs[0].ttl:
            return
        if any(call.asked.model == tree.model for call in self.clients.pending()):
            return
        if any(each.order.model == tree.model and each.ended is None for each in self.done):
            return
        ends = [self._ended(each) for each in self.servers.ledger if each.tree is tree]
        others = [call.ended_at or 0.0 for call in self.clients.calls.values() if call.asked.model == tree.model]
        loads = [each.ended or 0.0 for each in self.done]
        since = max([tree.spawned_at + tree.fate.healthy_s + PROBE_S, self.configs[-1][0], *ends, *others, *loads])
        ttl = specs[0].ttl
        if now - since > ttl + 1:
            self.blame(f"{tree} is still there {now - since:.1f} s after its last byte, with a ttl of {ttl:g} s")


def _stands(tree: Tree) -> bool:
    """It neither loads nor ends, nor is it left to a guard that does not do its duty."""
    return tree.ready and tree.leader.alive and tree.stop_at is None and not tree.fate.guard


def can_be_together(groups: tuple[GroupConfig, ...], models: list[str]) -> bool:
    """Whether there is an order in which *models* can be loaded so that nobody has to go."""
    return any(
        not any(evicts(groups, model, other) for n, model in enumerate(order) for other in order[:n])
        for order in permutations(models)
    )


def evicts(groups: tuple[GroupConfig, ...], model: str, other: str) -> bool:
    """The rule as the manual has it."""
    mine = next((group for group in groups if model in group.members), None)
    its = next((group for group in groups if other in group.members), None)
    if mine is None or its is None:
        return True
    if mine.name == its.name:
        return mine.swap
    return mine.exclusive and not its.persistent
