"""The daemon dies in any phase of a model's life, and nothing it started outlives it."""

import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from llamaswap.models.markers import own_mark
from llamaswap.models.process import PACKAGE_ROOT
from llamaswap.models.proctable import descendants, process_table, read_process, signal_process
from llamaswap.models.reclaim import reclaim_orphans
from tests.allowance import ALLOWANCE_S
from tests.models.living import free_port, survivors

pytestmark = pytest.mark.processes

ROUNDS = int(os.environ.get("LLAMASWAP_KILLS", "20"))
SEED = int(os.environ.get("LLAMASWAP_SEED", random.randrange(1 << 30)))
TINY_DAEMON = Path(__file__).with_name("tiny_daemon.py")
KINDS = [
    [],
    ["--ignore-term"],
    ["--background", "--ignore-term"],
    ["--wrap", "--ignore-term"],
    ["--double-fork", "--ignore-term"],
    ["--setsid", "--double-fork", "--clean-env"],
    ["--stop-delay", "20"],
    ["--flood-forever", "--ignore-term"],
]


@asynccontextmanager
async def running_daemon(stops: str, *flags: str) -> AsyncIterator[tuple[trio.Process, str]]:
    """A daemon that has begun its model's life, and its mark. It is dead when the block is left."""
    daemon = await trio.lowlevel.open_process(
        [sys.executable, str(TINY_DAEMON), str(free_port()), stops, *flags],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": PACKAGE_ROOT},
    )
    assert daemon.stdout is not None
    try:
        assert await told(daemon) == b"running"
        row = read_process(daemon.pid)
        assert row
        namespace = own_mark().rpartition(":")[2]
        yield daemon, f"{daemon.pid}:{row.start}:{namespace}"
    finally:
        daemon.kill()
        with trio.CancelScope(shield=True):  # SIGKILL bounds it
            await daemon.wait()
            await daemon.stdout.aclose()


async def told(daemon: trio.Process) -> bytes:
    """The first word of the next line that *daemon* writes."""
    assert daemon.stdout is not None
    line = b""
    with trio.fail_after(20):
        while not line.endswith(b"\n"):
            byte = await daemon.stdout.receive_some(1)
            assert byte, line
            line += byte
    return line.partition(b"(")[0].strip()


async def nothing_left(mark: str) -> float:
    """Seconds until no process with *mark* was alive."""
    began = time.monotonic()
    for _ in range(200):
        alive = await trio.to_thread.run_sync(survivors, mark)
        if not alive:
            return time.monotonic() - began
        await trio.sleep(0.05)
    raise AssertionError(alive)


async def one_death(number: int, signum: int) -> float:
    """Kill a daemon at a random moment of a random kind of model's life; seconds until all was gone."""
    dice = random.Random(f"{SEED}/{number}")
    flags = [*KINDS[number % len(KINDS)], "--load", "0.1"]
    async with running_daemon(dice.choice(["stop", "stay"]), *flags) as (daemon, mark):
        await trio.sleep(dice.uniform(0, 0.4))
        daemon.send_signal(signum)
        with trio.fail_after(20):
            await daemon.wait()
    print(f"round {number} of seed {SEED}: {flags}")
    return await nothing_left(mark)


async def test_a_killed_daemon_leaves_nothing() -> None:
    took: list[float] = []
    limit = trio.CapacityLimiter(4)

    async def one(number: int) -> None:
        async with limit:
            took.append(await one_death(number, signal.SIGKILL))

    async with trio.open_nursery() as nursery:
        for number in range(ROUNDS):
            nursery.start_soon(one, number)
    print(f"median {statistics.median(took):.2f} s, longest {max(took):.2f} s")
    assert len(took) == ROUNDS
    assert max(took) < 10 + ALLOWANCE_S
    assert statistics.median(took) <= 1.5 + ALLOWANCE_S


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP, signal.SIGSEGV, signal.SIGINT])
async def test_any_other_death_leaves_nothing_either(signum: int) -> None:
    assert await one_death(1, signum) < 10 + ALLOWANCE_S


async def test_a_daemon_that_starts_meanwhile_leaves_the_guards_to_their_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the guard knows its unmarked processes; were it reclaimed before it is done, they would live for ever."""
    monkeypatch.setattr("llamaswap.models.reclaim.TERM_GRACE_S", 0.0)
    async with running_daemon("stay", "--setsid", "--double-fork", "--clean-env") as (daemon, mark):
        assert await told(daemon) == b"Started"
        tree = descendants(process_table(), daemon.pid)
        assert len(tree) == 4  # guard, server, and two that went their own ways, without their marks
    await trio.to_thread.run_sync(reclaim_orphans)
    await nothing_left(mark)
    assert [row for row in tree if signal_process(row, signal.SIGKILL)] == []


async def test_the_search_finds_what_there_is() -> None:
    """Were the mark wrong, every test above would find nothing, and pass."""
    async with running_daemon("stay", "--setsid", "--double-fork") as (daemon, mark):
        assert await told(daemon) == b"Started"
        assert len(survivors(mark)) == 4  # guard, server, and two that went their own ways
    await nothing_left(mark)
