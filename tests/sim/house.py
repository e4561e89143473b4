"""One world, from its first moment to its last: the real daemon in it, and everybody around.

Trio shuffles the tasks that are ready; here it does so by the world's seed, so a world that is played again is the same
world, step by step. That takes two names of `trio._core._run`, which Hypothesis uses for the same purpose.
"""

import logging
import signal
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import trio
from trio._core import _run as trio_run
from trio.testing import MockClock, wait_all_tasks_blocked

from llamaswap.config.load import Loaded, PortsInUse
from llamaswap.control.context import VersionInfo
from llamaswap.daemon import Daemon, Options
from llamaswap.errors import LlamaSwapError
from llamaswap.reload import FromFiles
from llamaswap.schedule.commands import Command
from llamaswap.schedule.events import Event
from tests.sim import calls, seams
from tests.sim.clients import PORT, Clients
from tests.sim.fates import fate_of
from tests.sim.judge import Done, Judge
from tests.sim.kernel import Kernel
from tests.sim.lives import watch_lives
from tests.sim.plan import NEVER, Order, Plan
from tests.sim.server import Servers
from tests.sim.standstill import look
from tests.sim.steps import Fault, Steps
from tests.sim.trees import Machine
from tests.sim.verdicts import judge_all

LOOK_S = 40.0
#: How long after the daemon's end nothing of it may live.
AFTERMATH_S = 10.0


@dataclass
class Played:
    """A world that is over.

    Attributes:
        wrongs: What the judges said; empty if all is well.
        told: The transcript: what happened, and every fact and order of the scheduler.
        calls, steps: How many system calls the daemon made, and how many steps its tasks took, by group.
    """

    wrongs: list[str]
    told: list[str]
    calls: int = 0
    steps: dict[str, int] = field(default_factory=dict)
    facts: int = 0
    served: int = 0


class Faults(logging.Handler):
    """Whatever the daemon's own fences caught is a bug of ours."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.seen.append(f"{record.getMessage()}: {record.exc_info[1]!r}")


def play(plan: Plan, fault: Fault | None = None) -> Played:
    """Play *plan*, with one *fault* more if given."""
    steps = Steps(fault or Fault())
    trio_run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]  # Hypothesis does so too
    trio_run._r.seed(plan.seed)
    with seams.installed():
        return trio.run(_live, plan, steps, clock=MockClock(autojump_threshold=0), instruments=[steps])


async def _live(plan: Plan, steps: Steps) -> Played:
    async with trio.open_nursery() as nursery:
        world = World(plan, steps, nursery)
        await world.run()
        nursery.cancel_scope.cancel()
    return world.played()


class World:
    """Everything that there is. `run` returns when the daemon has ended and been judged."""

    def __init__(self, plan: Plan, steps: Steps, nursery: trio.Nursery) -> None:
        self.plan, self.steps, self.nursery = plan, steps, nursery
        failing = steps.fault.at if steps.fault.kind == "call" else 0
        self.kernel = Kernel.now = Kernel(plan.seed, nursery, failing)
        self.servers = Servers(self.kernel, {each.number: each for each in plan.requests})
        self.machine = calls.Now.machine = Machine(self.kernel, partial(fate_of, plan), self.servers.serve)
        self.clients = Clients(self.kernel)
        self.judge = Judge(plan, self.kernel, self.machine, self.servers, self.clients)
        self._signals, calls.Now.signals = trio.open_memory_channel[int](NEVER)
        self._process = trio.CancelScope()
        self._faults = Faults()
        self._facts = 0
        self._next_config = 1
        self._ended = trio.Event()
        calls.Now.exit_now = self._exit_now
        first = FromFiles((), Loaded(plan.configs[0], ()))
        socket = self.kernel.listen(PORT, "daemon")
        self.daemon = Daemon(
            Options(
                sockets=[socket],  # type: ignore[list-item]  # as good as one
                tls=None,
                runtime_dir=Path("/nowhere"),
                read=self._read,
                watched=None,
                version=VersionInfo("sim"),
            ),
            first,
        )

    async def run(self) -> None:
        plan, nursery = self.plan, self.nursery
        logger = logging.getLogger("llamaswap")
        logger.addHandler(self._faults)
        try:
            watch_lives(self.judge)
            self.judge.configs.append((0.0, plan.configs[0]))
            nursery.start_soon(self._run_daemon, name="llamaswap daemon")
            await wait_all_tasks_blocked()
            self.dispatcher = self.daemon._dispatcher
            self.dispatcher.observe(self._note)
            self.steps.begin(self)
            for asked in plan.requests:
                nursery.start_soon(self.clients.ask, asked)
            for order in plan.orders:
                nursery.start_soon(self.carry_out, order)
            nursery.start_soon(self._look)
            nursery.start_soon(self._end)
            await self._ended.wait()
            self.steps.end()
            await trio.sleep(AFTERMATH_S)
            judge_all(self.judge)
        finally:
            logger.removeHandler(self._faults)
        self.judge.wrongs.extend(f"caught by a fence: {each}" for each in self._faults.seen)

    def played(self) -> Played:
        served = sum(call.ending == "whole" for call in self.clients.calls.values())
        steps = dict(self.steps.counts)
        return Played(self.judge.wrongs, self.kernel.told, self.kernel.calls, steps, self._facts, served)

    # -- the daemon -------------------------------------------------------------------------------------------------

    async def _run_daemon(self) -> None:
        try:
            with self._process:
                await self.daemon.run()
        except Exception as failure:  # whatever it is, the world goes on to be judged
            self.judge.blame(f"the daemon failed: {failure!r} {getattr(failure, 'exceptions', '')}")
        if not self.judge.killed:
            self.judge.ended_at = trio.current_time()
        self.kernel.tell("the daemon has ended")
        self._ended.set()

    def _exit_now(self, code: int) -> None:
        if self._ended.is_set():
            return
        self.judge.killed = True
        self.judge.ended_at = trio.current_time()  # what follows here in its tasks does not happen in a real one
        self.kernel.tell(f"_exit({code})")
        self._process.cancel()

    def _read(self, in_use: PortsInUse) -> FromFiles:
        config = self.plan.configs[min(self._next_config, len(self.plan.configs) - 1)]
        self._next_config += 1
        return FromFiles((), Loaded(config, ()))

    def _note(self, event: Event, now: float, orders: list[Command]) -> None:
        self._facts += 1
        self.kernel.tell(f">> {event}")
        self.kernel.told.extend(f"           << {order}" for order in orders)

    # -- the others -------------------------------------------------------------------------------------------------

    async def carry_out(self, order: Order) -> None:
        """An operator's order, at its time."""
        await trio.sleep_until(order.at)
        done = Done(order, trio.current_time(), len(self.kernel.told))
        self.judge.done.append(done)
        self.kernel.tell(f"{order} begins")
        try:
            if order.kind == "load":
                await self.dispatcher.load(order.model)
            elif order.kind == "reload":
                await self.daemon._reloader.reload("the operator")
                self.judge.configs.append((trio.current_time(), self.daemon._reloader.config))
            else:
                models = None if order.kind == "unload all" else frozenset((order.model,))
                done.stuck = await self.dispatcher.unload(models, order.grace)
        except LlamaSwapError as error:
            done.said = str(error)
        done.ended = trio.current_time()
        self.kernel.tell(f"{order} ends: {done.stuck} {done.said[:80]}")

    async def _look(self) -> None:
        while True:
            await trio.sleep(LOOK_S)
            self.kernel.wall_s += self.kernel.rng.choice((LOOK_S, LOOK_S, 86400.0, -86400.0))
            look(self.judge)

    async def _end(self) -> None:
        await trio.sleep_until(self.plan.ends_at)
        await self.end_now()

    async def end_now(self) -> None:
        """The daemon is told to end, and perhaps told again."""
        if self.judge.shutdown_at != NEVER:
            return
        self._count()
        self.judge.shutdown_at = trio.current_time()
        self.kernel.tell("SIGTERM")
        self._signals.send_nowait(signal.SIGTERM)
        if self.plan.hurried_after != NEVER:
            await trio.sleep(self.plan.hurried_after)
            self.judge.hurried_at = trio.current_time()
            self._signals.send_nowait(signal.SIGTERM)

    def _count(self) -> None:
        """When nobody asks for anything, nothing is counted."""
        if self.clients.pending() or any(each.ended is None for each in self.judge.done):
            return
        busy = [each for each in self.dispatcher.running() if each.requests]
        if busy or self.dispatcher.waiting() or self.dispatcher.waiting_counts() or self.dispatcher._leases:
            self.judge.blame(f"counts: {busy} {self.dispatcher.waiting()} {self.dispatcher._leases}")
        if outstanding := self.dispatcher._scheduler._requests.outstanding:
            self.judge.blame(f"counts: outstanding {outstanding}")
