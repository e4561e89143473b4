"""One process tree under its guard, as the daemon sees it: orders in, reports and output out."""

import logging
import os
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO

import trio

from llamaswap.models.command import Command
from llamaswap.models.markers import LIFE, OWNER
from llamaswap.models.protocol import Unpacker, pack
from llamaswap.models.reclaim import sweep_life
from llamaswap.models.reports import LeaderExited, Report, Spawned, SpawnFailed, Stuck, describe_ending

logger = logging.getLogger(__name__)

#: The guard imports its few modules from where we were imported from; it is isolated from everything else.
GUARD = (
    "-I",
    "-S",
    "-E",
    "-c",
    "import sys; sys.path.append(sys.argv[1]); from llamaswap.models.guard import main; main()",
)
PACKAGE_ROOT = str(Path(__file__).parents[2])

READ_BYTES = 65536
#: What may still be read when the tree is gone but somebody who got away from it holds, and feeds, the pipe.
LAST_READ_BYTES = 1 << 20
#: An orphaned guard needs 1 s and the kernel's time for SIGKILL.
ABANDON_AFTER_S = 8.0
#: How long after the kill time a guard must have ended, or said who is stuck (which it does after 5 s).
TRUST_S = 6.0


class GuardedProcess:
    """A process tree from before its spawn to the end of its last process.

    Args:
        command: What to run.
        hear: Called with each report, from within `run`.
        output: Called with each piece of what the tree writes, from within `run`.
    """

    def __init__(self, command: Command, hear: Callable[[Report], None], output: Callable[[bytes], None]) -> None:
        self._command = command
        self._hear = hear
        self._output = output
        self._kill_at = float("inf")
        self._stop_command: Sequence[str] = ()
        self._hurried = trio.Event()
        self._guard: trio.Process | None = None
        self._leader = 0
        self._leader_gone = False
        self._stuck = False
        self._draining = trio.CancelScope()
        #: `run` returned although something of the tree survives SIGKILL.
        self.abandoned = False

    @property
    def guard_pid(self) -> int | None:
        """The guard, whose descendants are the tree; None before it exists."""
        return self._guard.pid if self._guard else None

    def stop(self, grace: float, command: Sequence[str] = ()) -> None:
        """Ask for the end: *command* (program path, then its argv; empty: SIGTERM), and SIGKILL after *grace* seconds.

        Repeatable: the earliest kill time counts, and the first call's command. May come before `run`.
        """
        if self._kill_at == float("inf"):
            self._stop_command = command
        kill_at = trio.current_time() + max(0.0, grace)
        if kill_at < self._kill_at:
            self._kill_at = kill_at
            self._hurried.set()

    async def run(self) -> None:
        """Spawn, pass on orders and reports, and return when nothing of the tree is left.

        Cancelling it lets the guard end the tree (SIGTERM, 1 s, SIGKILL) and waits, for at most `ABANDON_AFTER_S`.
        """
        with ExitStack() as ends:
            try:
                order = pack(*_start_order(self._command))
                ours, theirs = map(ends.enter_context, socket.socketpair())
                read_end, write_end = os.pipe()
                reader = ends.enter_context(os.fdopen(read_end, "rb", 0))
                writer = ends.enter_context(os.fdopen(write_end, "wb", 0))
            except (OSError, ValueError) as error:
                self._hear(SpawnFailed(getattr(error, "strerror", None) or str(error)))
                return
            os.set_blocking(reader.fileno(), False)
            async with trio.open_nursery() as nursery:
                try:
                    self._guard = await nursery.start(self._run_guard, theirs, writer)
                except (OSError, RuntimeError) as error:  # RuntimeError: no thread to fork in
                    self._hear(SpawnFailed(f"its guard process could not be started: {error}"))
                else:
                    theirs.close()
                    writer.close()
                    nursery.start_soon(self._drain, reader.fileno())
                    nursery.start_soon(self._converse, ours, order)
            if self._guard is not None:
                self._drain_rest(reader.fileno())

    async def _run_guard(
        self, channel: socket.socket, output: IO[bytes], *, task_status: trio.TaskStatus[trio.Process]
    ) -> None:
        """One guard from spawn to reap, and the sweep it could not do if it did not end by itself."""
        env = os.environ | {name: self._command.env[name] for name in (OWNER, LIFE)}
        try:
            await trio.run_process(
                [sys.executable, *GUARD, PACKAGE_ROOT, env[LIFE]],
                stdin=channel.fileno(),
                stdout=output.fileno(),
                stderr=output.fileno(),
                start_new_session=True,
                env=env,
                check=False,
                deliver_cancel=_abandon,
                task_status=task_status,
            )
        finally:
            if self._guard and self._guard.returncode != 0:
                # The sweep shields itself, in bounded steps; between them a cancelled daemon may go.
                await self._sweep(self._guard.returncode)  # noqa: ASYNC102 - as said above
            self._draining.cancel("the tree is gone")

    async def _sweep(self, code: int | None) -> None:
        logger.warning("guard process lost, sweeping code=%s life=%s", code, self._command.env[LIFE])
        leader = None if self._leader_gone else self._leader
        self._mourn(leader)
        while True:
            with trio.CancelScope(shield=True):  # bounded by itself
                left = await trio.to_thread.run_sync(sweep_life, self._command.env[LIFE], leader)
            self.abandoned = bool(left)
            if not left:
                break
            self._hear(Stuck(tuple(left)))
            await trio.sleep(1)

    def _mourn(self, leader: int | None) -> None:
        """Tell of the end before the sweep, which may take seconds: nobody is to be sent to what is being killed."""
        if leader:
            self._hear(LeaderExited("its guard process was killed"))
        elif not self._leader_gone:
            self._hear(SpawnFailed("its guard process ended before it"))

    async def _converse(self, ours: socket.socket, start: bytes) -> None:
        """Orders out and reports in, until the guard closes its end. Closing ours is what tells the guard to mourn."""
        with trio.socket.from_stdlib_socket(ours) as channel:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._give_orders, channel, start)
                inbox = Unpacker()
                while data := await receive(channel):
                    for message in inbox.feed(data):
                        self._take_report(*message)
                nursery.cancel_scope.cancel("the guard has ended")

    async def _give_orders(self, channel: trio.socket.SocketType, start: bytes) -> None:
        with suppress(OSError):  # the guard is gone; the receiving side sees it too and ends the conversation
            if not self._hurried.is_set():
                await send_all(channel, start)
            while True:
                await self._wait_for_hurry()
                self._hurried = trio.Event()
                grace = max(0.0, self._kill_at - trio.current_time())
                await send_all(channel, pack("stop", f"{grace:.3f}", *self._stop_command))

    async def _wait_for_hurry(self) -> None:
        """Until there is a new kill time. A guard that lets one pass by far without a word is replaced by the sweep."""
        with trio.move_on_at(self._kill_at + TRUST_S):
            await self._hurried.wait()
            return
        if self._guard and not self._stuck:
            logger.warning("guard process does not act, killing it life=%s", self._command.env[LIFE])
            self._guard.kill()
        await self._hurried.wait()

    def _take_report(self, kind: str, *fields: str) -> None:
        match kind:
            case "spawned":
                self._leader = int(fields[0])
                self._hear(Spawned(self._leader))
            case "failed":
                self._hear(SpawnFailed(fields[1]))
            case "exited":
                self._leader_gone = True
                self._hear(LeaderExited(describe_ending(*fields)))
            case "stuck":
                self._stuck = True
                self._hear(Stuck(tuple(int(field) for field in fields if field)))
            case "stopper":
                level = logging.DEBUG if fields == ("code", "0") else logging.WARNING
                logger.log(
                    level, "stop command ended life=%s how=%s", self._command.env[LIFE], describe_ending(*fields)
                )
            case _:
                logger.debug("tree is gone life=%s killed=%s", self._command.env[LIFE], fields)

    async def _drain(self, descriptor: int) -> None:
        """Pass output on as it comes, so that the model never waits for us."""
        with self._draining:
            while True:
                await trio.lowlevel.wait_readable(descriptor)
                try:
                    data = os.read(descriptor, READ_BYTES)
                except BlockingIOError:  # readiness is a hint, not a promise
                    continue
                if not data:
                    return
                self._output(data)

    def _drain_rest(self, descriptor: int) -> None:
        """What the tree wrote last. Somebody who got away may hold the pipe open, and even feed it."""
        read = 0
        with suppress(BlockingIOError):
            while read < LAST_READ_BYTES and (data := os.read(descriptor, READ_BYTES)):
                read += len(data)
                self._output(data)


def _start_order(command: Command) -> list[str]:
    env = [f"{name}={value}" for name, value in command.env.items()]
    return ["start", f"{command.leftover_grace:.3f}", command.path, str(len(command.argv)), *command.argv, *env]


async def _abandon(guard: trio.Process) -> None:
    """The daemon is being torn down: give the guard its time, then leave a tree that cannot be killed to the kernel."""
    await trio.sleep(ABANDON_AFTER_S)
    guard.kill()


async def receive(channel: trio.socket.SocketType) -> bytes:
    """What came, or nothing at its end. A guard that was killed before it had read its orders resets the connection."""
    try:
        return await channel.recv(READ_BYTES)
    except ConnectionError:
        return b""


async def send_all(channel: trio.socket.SocketType, data: bytes) -> None:
    """Send the whole of *data*."""
    sent = 0
    while sent < len(data):
        sent += await channel.send(data[sent : sent + READ_BYTES])
