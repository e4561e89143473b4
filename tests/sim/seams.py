"""Where the real code meets the machine that is not there: names that its modules look up, and what they find instead.

Nothing in the code knows of this. `installed` lets every module of the daemon find our `trio` (its clock, nurseries and
channels are the real ones; sockets, descriptors, threads, signals and processes are not), and in some modules a few
names more. The lower the name, the more of the real code runs: from the guard's protocol and the health probe's
connection upwards it is all real.
"""

import os
import select
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import trio

from llamaswap.control.context import ControlContext
from llamaswap.models.markers import LIFE
from llamaswap.models.upstream import Upstream
from llamaswap.schedule.forecast_stopwatch import Measured
from llamaswap.startup import LATER
from llamaswap.telemetry.logs import LogHub
from llamaswap.telemetry.timings import Timings
from tests.sim.kernel import End, Kernel, Poll, wait_readable, wait_writable
from tests.sim.trees import Guard, Machine


class Now:
    """What is in use, beside `Kernel.now`; `exit_now` ends the daemon at once."""

    machine: Machine
    exit_now: Callable[[int], None]
    signals: trio.MemoryReceiveChannel[int]


#: Paces of our own that would cost too many steps in a virtual hour, in seconds.
PACES: dict[str, dict[str, float]] = {
    "llamaswap.models.readiness": {"FIRST_PAUSE_S": 0.05, "LAST_PAUSE_S": 2.0, "LAST_EARLY_PAUSE_S": 1.0},
    "llamaswap.gateway.listener": {"_SWEEP_S": 60.0},
    "llamaswap.gateway.reader": {"HANGUP_POLL_S": 5.0},
    "llamaswap.telemetry.timings": {"EVERY_S": 600.0},
}


#: `reclaim.sweep_life` blocks for so long at most.
SWEEP_S = 5.0


class ChannelEnd:
    """`trio.socket`'s socket, as far as the guard's channel and the health probe use it."""

    def __init__(self, end: End) -> None:
        self._end = end

    def __enter__(self) -> "ChannelEnd":
        return self

    def __exit__(self, *_: object) -> None:
        self._end.close()

    def close(self) -> None:
        self._end.close()

    async def connect(self, address: tuple[str, int]) -> None:
        await trio.lowlevel.checkpoint()
        code = self._end.connect_ex(address)
        if code:
            raise OSError(code, "refused")

    async def recv(self, most: int) -> bytes:
        await trio.lowlevel.checkpoint()
        while True:
            with suppress(BlockingIOError):
                return self._end.recv(most)
            await wait_readable(self._end)

    async def send(self, data: bytes) -> int:
        await trio.lowlevel.checkpoint()
        while True:
            with suppress(BlockingIOError):
                return self._end.send(data)
            await wait_writable(self._end)


class ChannelStream:
    """`trio.SocketStream`."""

    def __init__(self, end: ChannelEnd) -> None:
        self._end = end

    async def send_all(self, data: bytes) -> None:
        try:
            while data:
                data = data[await self._end.send(data) :]
        except OSError as error:
            raise trio.BrokenResourceError from error

    async def receive_some(self, most: int) -> bytes:
        try:
            return await self._end.recv(most)
        except OSError as error:
            raise trio.BrokenResourceError from error

    async def aclose(self) -> None:
        self._end.close()
        await trio.lowlevel.checkpoint()


class Timer:
    """`threading.Timer`, on the world's clock."""

    daemon = False

    def __init__(self, seconds: float, act: Callable[[], None]) -> None:
        self._seconds, self._act = seconds, act

    def start(self) -> None:
        Kernel.now.after(self._seconds, self._act)


class Control:
    """The control plane: hypercorn and its socket are not part of this."""

    def __init__(self, path: Path, context: ControlContext) -> None:
        self.upstream = Upstream("http://localhost", unix_path=str(path))
        self.ready, self.ended = trio.Event(), trio.Event()

    async def run(self, stopping: trio.Event) -> None:
        try:
            await stopping.wait()
        finally:
            self.ended.set()


class DisklessTimings(Timings):
    """What was measured of the models, on a disk that is empty at first."""

    def _read(self) -> Measured:
        return Measured()

    def _write(self, text: str) -> None:
        Kernel.now.tell(f"timings: {len(text)} bytes")


# -- functions ------------------------------------------------------------------------------------------------------


def _socket(*_: object) -> End:
    Kernel.now.call("socket")
    return End(Kernel.now, "daemon")


def _socketpair() -> tuple[End, End]:
    Kernel.now.call("socketpair")
    ours, theirs = Kernel.now.pair("daemon", "daemon")
    ours.local = theirs.local = True
    return ours, theirs


def _pipe() -> tuple[int, int]:
    Kernel.now.call("pipe")
    reader, writer = Kernel.now.pair("daemon", "daemon")
    return reader.fileno(), writer.fileno()


def _fdopen(descriptor: int, *_: object) -> End:
    return Kernel.now.ends[descriptor]


def _read(descriptor: int, most: int) -> bytes:
    end = Kernel.now.ends[descriptor]
    end.owner, owner = "pipe", end.owner  # reading a pipe does not fail
    try:
        return end.recv(most)
    finally:
        end.owner = owner


def _notify_closing(end: End) -> None:
    """`End.close` wakes those who wait, and comes next."""


async def _run_in_thread(work: Callable[..., Any], *args: Any, **_: object) -> Any:
    await trio.lowlevel.checkpoint()
    give_up_at = trio.current_time() + SWEEP_S
    while work is _sweep_life and Now.machine.sweep_life(*args) and trio.current_time() < give_up_at:  # noqa: ASYNC110 - the real one polls too
        await trio.sleep(0.1)
    return work(*args)


async def _run_process(
    command: list[str],
    *,
    stdin: int,
    stdout: int,
    env: dict[str, str],
    deliver_cancel: Callable[[Any], Awaitable[None]],
    task_status: trio.TaskStatus[Guard],
    **_: object,
) -> None:
    kernel = Kernel.now
    await trio.lowlevel.checkpoint()
    kernel.call("spawn")
    owner = f"guard of {env[LIFE].partition(':')[2]}"
    machine = Now.machine
    guard = Guard(machine, env[LIFE], kernel.ends[stdin].hand_over(owner), kernel.ends[stdout].hand_over(owner))
    machine.guards.append(guard)
    kernel.nursery.start_soon(guard.run)
    task_status.started(guard)
    try:
        await guard.ended.wait()
    except trio.Cancelled:
        with trio.CancelScope(shield=True):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(deliver_cancel, guard)
                await guard.ended.wait()
                nursery.cancel_scope.cancel()
        raise


@contextmanager
def _open_signal_receiver(*_: int) -> Iterator[AsyncIterator[int]]:
    yield Now.signals


async def _tree_listens(port: int, leader: int, guard: int) -> bool:
    await trio.lowlevel.checkpoint()
    listener = Kernel.now.listening.get(port)
    tree = next((tree for tree in Now.machine.trees if tree.leader.pid == leader), None)
    return listener is None or listener.owner == str(tree)


def _listening_inodes(port: int) -> set[str]:
    listener = Kernel.now.listening.get(port)
    return set() if listener is None else {listener.owner}


def _describe_listener(port: int) -> str | None:
    listener = Kernel.now.listening.get(port)
    return None if listener is None else listener.owner


def _sweep_life(mark: str, leader: int | None) -> list[int]:
    return Now.machine.sweep_life(mark, leader)


def _read_process(pid: int) -> object:
    return Now.machine.read_process(pid)


def _killpg(pid: int, number: int) -> None:
    Now.machine.killpg(pid, number)


def _exit(code: int) -> None:
    Now.exit_now(code)


def _hub(*_: object, **__: object) -> LogHub:
    return LogHub("none", "error")


# -- modules --------------------------------------------------------------------------------------------------------


def _like(module: ModuleType, **other: object) -> ModuleType:
    """A copy of *module* in which some names mean something else."""
    copy = ModuleType(module.__name__)
    copy.__dict__.update(module.__dict__)
    copy.__dict__.update(other)
    return copy


@cache
def _our_trio() -> ModuleType:
    return _like(
        trio,
        lowlevel=_like(
            trio.lowlevel,
            wait_readable=wait_readable,
            wait_writable=wait_writable,
            notify_closing=_notify_closing,
        ),
        socket=_like(
            trio.socket,
            socket=lambda *_: ChannelEnd(_socket()),
            from_stdlib_socket=ChannelEnd,
        ),
        to_thread=SimpleNamespace(run_sync=_run_in_thread),
        run_process=_run_process,
        SocketStream=ChannelStream,
        open_signal_receiver=_open_signal_receiver,
    )


def _names(module: ModuleType) -> dict[str, object]:
    """What *module* is to find instead of what it found."""
    everywhere: dict[str, object] = {
        "trio": _our_trio(),
        "socket": _like(socket, socket=_socket, socketpair=_socketpair),
        "select": _like(select, poll=Poll),
        "time": _like(
            time, monotonic=trio.current_time, perf_counter=trio.current_time, time=lambda: Kernel.now.wall_s
        ),
        "threading": _like(threading, Timer=Timer),
        "fcntl": SimpleNamespace(ioctl=_ioctl),
    }
    some: dict[str, dict[str, object]] = {
        "llamaswap.models.process": {
            "os": _like(os, pipe=_pipe, fdopen=_fdopen, read=_read, set_blocking=lambda *_: None),
            "sweep_life": _sweep_life,
        },
        "llamaswap.models.supervisor": {
            "read_process": _read_process,
            "tree_listens": _tree_listens,
            "listening_inodes": _listening_inodes,
            "describe_listener": _describe_listener,
        },
        "llamaswap.dispatcher.lives": {"os": _like(os, killpg=_killpg)},
        "llamaswap.shutdown": {"os": _like(os, _exit=_exit)},
        "llamaswap.daemon": {
            "ControlPlane": Control,
            "LogHub": _hub,
            "reclaim_orphans": list,
            "Timings": DisklessTimings,
        },
    }
    found = {name: value for name, value in everywhere.items() if isinstance(getattr(module, name, None), ModuleType)}
    return found | some.get(module.__name__, {}) | dict(PACES.get(module.__name__, {}))


def _ioctl(end: End, request: int, buffer: bytes) -> bytes:
    queued = len(end.peer.inbox) if end.peer is not None else 0
    return queued.to_bytes(4, sys.byteorder)


ROOMS = ("dispatcher", "daemon", "reload", "shutdown", "models", "gateway", "proxy", "forecaster", "telemetry.timings")


def _modules() -> list[ModuleType]:
    prefixes = tuple(f"llamaswap.{room}" for room in ROOMS)
    return [
        module
        for name, module in list(sys.modules.items())
        if name.startswith(prefixes) and not name.startswith("llamaswap.models.guard")
    ]


@contextmanager
def installed() -> Iterator[None]:
    """While the block runs, the daemon's modules find this machine. One block at a time."""
    before: list[tuple[ModuleType, dict[str, object]]] = []
    for name in LATER:  # what a daemon imports while it runs has to be found as well
        import_module(name)
    for module in _modules():
        names = _names(module)
        before.append((module, {name: getattr(module, name) for name in names}))
        module.__dict__.update(names)
    try:
        yield
    finally:
        for module, names in before:
            module.__dict__.update(names)
