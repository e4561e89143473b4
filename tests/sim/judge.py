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
    """Collects what is wrong, and has eyes for what was when."""

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

    def is_outdated(self, tree: Tree) -> bool:
        """A reload has changed or removed its model since it began, or was about to."""
        specs = self.specs(tree.model, tree.spawned_at - SLACK_S, NEVER)
        removed = len(specs) < len(self.in_force(tree.spawned_at - SLACK_S, NEVER))
        return removed or any(spec.argv != specs[0].argv for spec in specs)

    def left_at(self, delivery: Delivery) -> float:
        """When its client was done with it."""
        ended = self.clients.calls[delivery.number].ended_at
        return NEVER if ended is None else ended


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
