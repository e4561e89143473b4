"""The guards of process trees. They keep the contract of `llamaswap.models.guard` and speak its protocol."""

import trio

from llamaswap.models.markers import LIFE
from llamaswap.models.protocol import Unpacker, pack
from tests.sim.plan import NEVER
from tests.sim.sockets import End
from tests.sim.trees import Machine, Tree

STUCK_AFTER_S, ORPHAN_GRACE_S = 5.0, 1.0


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
