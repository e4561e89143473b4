"""Process trees, as the daemon's kernel would show them: the outside from which promises are judged."""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import trio

from tests.sim.fates import Fate
from tests.sim.kernel import Kernel
from tests.sim.plan import NEVER

if TYPE_CHECKING:
    from tests.sim.guards import Guard


@dataclass(eq=False)
class Process:
    """One process. `term_s` and `unkillable_s` as in `Fate`."""

    pid: int
    term_s: float
    unkillable_s: float
    alive: bool = True
    asked: bool = False
    killed: bool = False
    ended_at: float = NEVER
    how: tuple[str, str] = ("code", "0")


@dataclass(eq=False)
class Tree:
    """One life of a model. `watchers` are told of each end of one of its processes."""

    model: str
    nth: int
    mark: str
    fate: Fate
    leader: Process
    processes: list[Process]
    spawned_at: float
    #: Its place in the transcript, which tells what came first within one instant.
    line: int
    argv: tuple[str, ...]
    #: When somebody first asked it to end, and the earliest time at which force was to follow.
    stop_at: float | None = None
    kill_at: float = NEVER
    stuck_at: float | None = None
    #: When it lost its guard although something of it was alive.
    unguarded_at: float = NEVER
    ready: bool = False
    ended_at: float | None = None
    watchers: list[Callable[[], None]] = field(default_factory=list)

    @property
    def alive(self) -> list[Process]:
        return [process for process in self.processes if process.alive]

    def __str__(self) -> str:
        return f"{self.model}#{self.nth}"


class Machine:
    """The process table.

    Attributes:
        trees: Every tree there ever was.
        spawning, ending: Told of each tree's beginning (before it counts) and end.
    """

    def __init__(self, kernel: Kernel, fate: Callable[[str, int], Fate], serve: Callable[[Tree], Any]) -> None:
        self.kernel = kernel
        self.trees: list[Tree] = []
        self.spawning: Callable[[Tree], None] = lambda _: None
        self.stopping: Callable[[Tree], None] = lambda _: None
        self.guards: list[Guard] = []
        self.serve = serve
        self._fate = fate
        self._next_pid = 100

    def next_pid(self) -> int:
        self._next_pid += 1
        return self._next_pid

    def alive(self) -> list[Tree]:
        return [tree for tree in self.trees if tree.alive]

    def spawn(self, mark: str, argv: list[str]) -> Tree | None:
        """A new life of the model that *mark* names; None: the command cannot be run."""
        model = mark.partition(":")[2]
        nth = 1 + sum(tree.model == model for tree in self.trees)
        fate = self._fate(model, nth)
        leader = Process(self.next_pid(), fate.term_s, fate.unkillable_s)
        tree = Tree(model, nth, mark, fate, leader, [leader], trio.current_time(), len(self.kernel.told), tuple(argv))
        if fate.straggler_s is not None and fate.runs:
            tree.processes.append(Process(self.next_pid(), fate.straggler_s, 0.0))
        if not fate.runs:
            leader.alive, leader.ended_at = False, trio.current_time()
            tree.ended_at = trio.current_time()
        self.kernel.tell(f"spawn {tree} pid={leader.pid} fate={fate}")
        self.spawning(tree)
        self.trees.append(tree)
        if not fate.runs:
            return None
        self.kernel.after(fate.ends_s, lambda: self.end(tree, leader, ("code", "1")))
        self.serve(tree)
        return tree

    def end(self, tree: Tree, process: Process, how: tuple[str, str]) -> None:
        """*process* is no more."""
        if not process.alive:
            return
        process.alive, process.how, process.ended_at = False, how, trio.current_time()
        if not tree.alive:
            tree.ended_at = trio.current_time()
        self.kernel.tell(f"end of {process.pid} of {tree} {how}, {len(tree.alive)} left")
        for watcher in tree.watchers:
            watcher()

    def term(self, tree: Tree, process: Process) -> None:
        if process.alive and not process.asked:
            process.asked = True
            self.kernel.after(process.term_s, lambda: self.end(tree, process, ("signal", "15")))

    def kill(self, tree: Tree, process: Process) -> None:
        if process.alive and not process.killed:
            process.killed = True
            self.kernel.after(process.unkillable_s, lambda: self.end(tree, process, ("signal", "9")))

    # -- what our code asks the machine -----------------------------------------------------------------------------

    def sweep_life(self, mark: str, leader: int | None = None) -> list[int]:
        for tree in self.trees:
            if tree.mark == mark:
                for process in tree.alive:
                    self.kill(tree, process)
                return [process.pid for process in tree.alive]
        return []

    def killpg(self, pid: int, signum: int) -> None:
        tree = next((tree for tree in self.trees if tree.leader.pid == pid and tree.leader.alive), None)
        if tree is None:
            raise ProcessLookupError
        self.kill(tree, tree.leader)

    def read_process(self, pid: int) -> Any:
        leaders = (tree.leader for tree in self.trees if tree.leader.pid == pid and tree.leader.alive)
        return SimpleNamespace(state="S") if next(leaders, None) else None
