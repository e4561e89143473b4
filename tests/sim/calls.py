"""What the daemon finds for functions of the operating system, of Trio, and of our own look at the process table."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import trio

from llamaswap.models.markers import LIFE
from tests.sim.guards import Guard
from tests.sim.kernel import Kernel
from tests.sim.sockets import End
from tests.sim.trees import Machine


class Now:
    """What is in use, beside `Kernel.now`; `exit_now` ends the daemon at once."""

    machine: Machine
    exit_now: Callable[[int], None]
    signals: trio.MemoryReceiveChannel[int]


#: `reclaim.sweep_life` blocks for so long at most.
SWEEP_S = 5.0


def open_socket(*_: object) -> End:
    Kernel.now.call("socket")
    return End(Kernel.now, "daemon")


def socketpair() -> tuple[End, End]:
    Kernel.now.call("socketpair")
    ours, theirs = Kernel.now.pair("daemon", "daemon")
    ours.local = theirs.local = True
    return ours, theirs


def open_pipe() -> tuple[int, int]:
    Kernel.now.call("pipe")
    reader, writer = Kernel.now.pair("daemon", "daemon")
    return reader.fileno(), writer.fileno()


def fdopen(descriptor: int, *_: object) -> End:
    return Kernel.now.ends[descriptor]


def read_pipe(descriptor: int, most: int) -> bytes:
    end = Kernel.now.ends[descriptor]
    end.owner, owner = "pipe", end.owner  # reading a pipe does not fail
    try:
        return end.recv(most)
    finally:
        end.owner = owner


def notify_closing(end: End) -> None:
    """`End.close` wakes those who wait, and comes next."""


async def run_in_thread(work: Callable[..., Any], *args: Any, **_: object) -> Any:
    await trio.lowlevel.checkpoint()
    give_up_at = trio.current_time() + SWEEP_S
    while work is sweep_life and Now.machine.sweep_life(*args) and trio.current_time() < give_up_at:  # noqa: ASYNC110 - the real one polls too
        await trio.sleep(0.1)
    return work(*args)


async def run_process(
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
def open_signal_receiver(*_: int) -> Iterator[AsyncIterator[int]]:
    yield Now.signals


async def tree_listens(port: int, leader: int, guard: int) -> bool:
    await trio.lowlevel.checkpoint()
    listener = Kernel.now.listening.get(port)
    tree = next((tree for tree in Now.machine.trees if tree.leader.pid == leader), None)
    return listener is None or listener.owner == str(tree)


def listening_inodes(port: int) -> set[str]:
    listener = Kernel.now.listening.get(port)
    return set() if listener is None else {listener.owner}


def describe_listener(port: int) -> str | None:
    listener = Kernel.now.listening.get(port)
    return None if listener is None else listener.owner


def sweep_life(mark: str, leader: int | None) -> list[int]:
    return Now.machine.sweep_life(mark, leader)


def read_process(pid: int) -> object:
    return Now.machine.read_process(pid)


def killpg(pid: int, number: int) -> None:
    Now.machine.killpg(pid, number)


def exit_now(code: int) -> None:
    Now.exit_now(code)


def ioctl(end: End, request: int, buffer: bytes) -> bytes:
    queued = len(end.peer.inbox) if end.peer is not None else 0
    return queued.to_bytes(4, sys.byteorder)
