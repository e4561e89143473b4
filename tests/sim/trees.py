"""Process trees and their guards, as the daemon's kernel would show them: the outside from which promises are judged.

The guard here keeps the contract of `llamaswap.models.guard` and speaks its protocol, over a stream of the kernel.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import trio

from llamaswap.models.markers import LIFE
from llamaswap.models.protocol import Unpacker, pack
from tests.sim.fates import Fate
from tests.sim.kernel import End, Kernel
from tests.sim.plan import NEVER

STUCK_AFTER_S, ORPHAN_GRACE_S = 5.0, 1.0


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


class Guard:
    """One guard, from spawn to its exit. `returncode` is None until then."""

    def __init__(self, machine: Machine, mark: str, channel: End, output: End) -> None:
        self.machine = machine
        self.mark = mark
        self.pid = machine.next_pid()
        self.returncode: int | None = None
        self.ended = trio.Event()
        self.tree: Tree | None = None
        self._kernel = machine.kernel
        self._channel, self._output = channel, output
        self._scope = trio.CancelScope()
        self._gone = self._deaf = False
        self._leftover_grace = 0.0
        self._started = self._stopping = self._leader_told = False
        self._first_kill = NEVER
        self._kill_at = NEVER
        self._wake = trio.Event()

    def kill(self) -> None:
        """SIGKILL to the guard itself; its tree lives on."""
        self._scope.cancel()

    async def run(self) -> None:
        with self._scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._hear)
                await self._watch()
                nursery.cancel_scope.cancel()
        self.returncode = -9 if self._scope.cancelled_caught else 0
        if self.tree is not None and self.tree.alive:
            self.tree.unguarded_at = trio.current_time()
        self._kernel.tell(f"guard of {self.mark.partition(':')[2]} ends: {self.returncode}")
        self._channel.close()
        self._output.close()
        self.ended.set()

    async def _hear(self) -> None:
        inbox = Unpacker()
        while data := await self._channel.read():
            for order, *fields in inbox.feed(data):
                if order == "start":
                    self._start(fields)
                elif not self._deaf:
                    self._stop(float(fields[0]))
        self._gone = self._stopping = True
        self._kill_at = min(self._kill_at, trio.current_time() + ORPHAN_GRACE_S)
        self._deaf = False
        self._wake.set()

    def _start(self, fields: list[str]) -> None:
        self._started = True
        self._leftover_grace = float(fields[0])
        mark = next(field for field in fields if field.startswith(f"{LIFE}=")).partition("=")[2]
        self.tree = self.machine.spawn(mark, fields[3 : 3 + int(fields[2])])
        if self.tree is None:
            self._leader_told = True
            self._report("failed", "13", "Permission denied")
        else:
            self._report("spawned", str(self.tree.leader.pid))
            self.tree.watchers.append(lambda: self._wake.set())  # noqa: PLW0108 - the event is replaced
            fate = self.tree.fate
            if fate.guard == "dies":
                self._kernel.after(fate.guard_s, self.kill)
            self._deaf = fate.guard == "deaf"
            self._output_line(b"loading\n")
        self._wake.set()

    def _stop(self, grace: float) -> None:
        now = trio.current_time()
        self._kill_at = min(self._kill_at, now + grace)
        if self.tree is not None:
            self.tree.kill_at = min(self.tree.kill_at, self._kill_at)
            if not self._stopping:
                self.tree.stop_at = now
                self._kernel.tell(f"stop {self.tree} grace={grace:.3f}")
                self.machine.stopping(self.tree)
                self.machine.term(self.tree, self.tree.leader)
        self._stopping = True
        self._wake.set()

    async def _watch(self) -> None:
        """Press until the tree is gone, then report that."""
        while not (self._tree_is_gone() and (self._leader_told or self._stopping)):
            self._press()
            if self._tree_is_gone() and (self._leader_told or self._stopping):
                break
            await self._next_change()
        self._tell_leader()
        self._report("swept", "0")

    def _tree_is_gone(self) -> bool:
        return self.tree is None or not self.tree.alive

    def _press(self) -> None:
        self._tell_leader()
        tree, now = self.tree, trio.current_time()
        if tree is None:
            return
        if now >= self._kill_at and not self._deaf:
            for process in tree.alive:
                self.machine.kill(tree, process)
            self._first_kill = min(self._first_kill, now)
            if tree.alive and now - self._first_kill >= STUCK_AFTER_S and tree.stuck_at is None:
                tree.stuck_at = now
                self._report("stuck", *(str(process.pid) for process in tree.alive))
        elif self._gone or self._leader_told:
            for process in tree.alive:
                self.machine.term(tree, process)

    def _tell_leader(self) -> None:
        tree = self.tree
        if tree is None or tree.leader.alive or self._leader_told:
            return
        self._leader_told = True
        if not self._stopping:
            self._kill_at = trio.current_time() + self._leftover_grace
        self._report("exited", *tree.leader.how)

    async def _next_change(self) -> None:
        now = trio.current_time()
        due = self._kill_at if now < self._kill_at else self._first_kill + STUCK_AFTER_S
        if self._deaf or due <= now:
            due = NEVER
        with trio.CancelScope(deadline=due):
            await self._wake.wait()
        self._wake = trio.Event()

    def _report(self, *fields: str) -> None:
        self._kernel.tell(f"guard of {self.tree or self.mark.partition(':')[2]}: {' '.join(fields)}")
        try:
            self._channel.send(pack(*fields))
        except OSError:
            return

    def _output_line(self, line: bytes) -> None:
        try:
            self._output.send(line)
        except OSError:
            return
