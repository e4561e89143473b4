"""A fault at any await: counts the steps of the daemon's tasks, and meddles after one of them.

A step is what a task does between two awaits at which it let others run. Meddling after the k-th step of a task is to
make its k-th await the one at which something happens to it.
"""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import trio

from tests.sim.plan import Order

if TYPE_CHECKING:
    from tests.sim.house import World

FaultKind = Literal["", "call", "hang up", "die", "unload", "guard", "signal"]
FAULTS: tuple[FaultKind, ...] = ("call", "hang up", "die", "unload", "guard", "signal")


@dataclass(frozen=True)
class Fault:
    """What happens, and at which count, from 1.

    - ``call``: the daemon's call number *at* fails.
    - ``hang up``: after step *at* of all clients' connections, the client of that one leaves.
    - ``die``, ``guard``, ``unload``, ``signal``: after step *at* of all tasks, every model's process dies, every guard
      is killed, everything is unloaded, or the daemon is told to end.
    """

    kind: FaultKind = ""
    at: int = 0

    def __str__(self) -> str:
        return f"{self.kind.replace(' ', '-')}:{self.at}" if self.kind else "none"

    @classmethod
    def parse(cls, text: str) -> "Fault":
        kind, _, at = text.partition(":")
        found = {each.replace(" ", "-"): each for each in FAULTS}[kind]
        return cls(found, int(at))

    def most(self, calls: int, steps: dict[str, int]) -> int:
        """How many such faults there are in a run that made so many calls and steps."""
        if self.kind == "call":
            return calls
        return steps.get("client", 0) if self.kind == "hang up" else sum(steps.values())


class Steps(trio.abc.Instrument):
    """Counts, from `begin` to `end`."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.counts: Counter[str] = Counter()
        self._world: World | None = None
        self._all = 0
        self._connections: dict[trio.lowlevel.Task, trio.lowlevel.Task | None] = {}

    def begin(self, world: "World") -> None:
        self._world = world

    def end(self) -> None:
        self._world = None

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if self._world is None or not task.name.startswith(("llamaswap", "client ", "model ", "<")):
            return
        if task not in self._connections:
            self._connections[task] = _connection(task)
        connection = self._connections[task]
        self.counts["client" if connection is not None else "other"] += 1
        self._all += 1
        kind = self.fault.kind
        if kind in ("", "call"):
            return
        if self.fault.at == (self.counts["client"] if kind == "hang up" else self._all):
            if kind == "hang up" and connection is None:
                return
            try:
                self._meddle(self._world, connection)
            except Exception as error:  # Trio would only switch us off
                self._world.judge.blame(f"the simulator failed: {error!r}")

    def _meddle(self, world: "World", connection: trio.lowlevel.Task | None) -> None:
        world.judge.meddled_at.append(trio.current_time())
        world.kernel.tell(f"FAULT {self.fault}")
        match self.fault.kind:
            case "hang up":
                assert connection is not None
                if connection.coro.cr_frame is not None:  # else this was its last step
                    connection.coro.cr_frame.f_locals["connection"].scope.cancel()  # as the reader does, but at once
            case "die":
                for tree in world.machine.alive():
                    world.machine.end(tree, tree.leader, ("signal", "11"))
            case "guard":
                for guard in world.machine.guards:
                    guard.kill()
            case "unload":
                order = Order(trio.current_time(), "unload all", next(iter(world.plan.configs[0].models)), 1.0)
                world.nursery.start_soon(world.carry_out, order)
            case "signal":
                world.nursery.start_soon(world.end_now)
            case _:
                raise AssertionError(self.fault)


def _connection(task: trio.lowlevel.Task) -> trio.lowlevel.Task | None:
    """The connection's own task, if *task* is that or one below it."""
    above: trio.lowlevel.Task | None = task
    while above is not None:
        if above.name.startswith("client "):
            return above
        nursery = above.parent_nursery
        above = nursery.parent_task if nursery is not None else None
    return None
