"""The guard by itself: what it imports, and what happens when it is the one that is killed."""

import os
import signal
import subprocess
import sys

import psutil
import pytest
import trio

from llamaswap.models.process import PACKAGE_ROOT
from llamaswap.models.proctable import is_alive, read_process
from llamaswap.models.protocol import Unpacker, pack
from llamaswap.schedule.events import Dying, Exited, StartFailed
from tests.models.living import Lives, Run

SLOW = {
    "json",
    "re",
    "enum",
    "typing",
    "ctypes",
    "signal",
    "socket",
    "subprocess",
    "contextlib",
    "dataclasses",
    "pathlib",
}


def guard_of(run: Run) -> int:
    pid = run.life._process.guard_pid if run.life._process else None
    assert pid
    return pid


def test_it_imports_nothing_that_is_slow() -> None:
    code = "import sys; sys.path.append(sys.argv[1]); from llamaswap.models import guard; print(*sys.modules)"
    command = [sys.executable, "-I", "-S", "-E", "-c", code, PACKAGE_ROOT]
    modules = set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert "llamaswap.models.guard" in modules
    assert modules & SLOW == set()


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_messages_survive_any_cut(size: int) -> None:
    messages = [["start", "a b", "", "ü\n\udcff"], ["stop"], ["x" * 5000]]
    data = b"".join(pack(*message) for message in messages)
    unpacker = Unpacker()
    got = [message for at in range(0, len(data), size) for message in unpacker.feed(data[at : at + size])]
    assert got == messages
    with pytest.raises(ValueError, match="null"):
        pack("a\0b")


@pytest.mark.processes
@pytest.mark.parametrize("flags", [[], ["--ignore-term", "--setsid", "--double-fork"], ["--wrap", "--setsid"]])
async def test_killed_with_its_model_ready(lives: Lives, flags: list[str]) -> None:
    run = lives.begin(lives.server(*flags))
    await run.next_fact()
    os.kill(guard_of(run), signal.SIGKILL)
    assert isinstance(await run.next_fact(), Dying)
    fact = await run.next_fact()
    assert fact == Exited(run.life._spec.id, run.life._life, "its guard process was killed")
    assert run.left_at_the_end == []


@pytest.mark.processes
async def test_suspended_while_its_model_is_to_stop(lives: Lives, monkeypatch: pytest.MonkeyPatch) -> None:
    """A guard that does not act is replaced by the sweep."""
    monkeypatch.setattr("llamaswap.models.process.TRUST_S", 0.5)
    run = lives.begin(lives.server("--setsid"))
    await run.next_fact()
    os.kill(guard_of(run), signal.SIGSTOP)
    assert isinstance(await run.end(grace=0.2), Exited)
    assert run.left_at_the_end == []


@pytest.mark.processes
async def test_without_a_subreaper_the_process_group_is_swept(lives: Lives, monkeypatch: pytest.MonkeyPatch) -> None:
    """What other systems have to do with."""
    code = "from llamaswap.models import guard; guard.become_subreaper = lambda: False; guard.main()"
    monkeypatch.setattr("llamaswap.models.process.GUARD", ("-c", f"import sys; sys.path.append(sys.argv[1]); {code}"))
    for flags in (["--wrap", "--ignore-term"], []):
        run = lives.begin(lives.server(*flags))
        await run.next_fact()
        assert isinstance(await run.end(grace=0.3), Exited)
        assert run.left_at_the_end == []
    run = lives.begin(lives.spec("sh", "-c", "sleep 60 & exit 3", check_endpoint="/health", unload_timeout=0.1))
    fact = await run.next_fact()
    if isinstance(fact, Dying):  # without adoption the end of a tree is looked for, and seen somewhat later
        fact = await run.next_fact()
    assert isinstance(fact, StartFailed)
    assert run.left_at_the_end == []


@pytest.mark.processes
async def test_killed_while_its_model_loads(lives: Lives) -> None:
    run = lives.begin(lives.server("--load", "20", "--setsid"))
    await run.spawned()
    os.kill(guard_of(run), signal.SIGKILL)
    fact = await run.next_fact()
    assert isinstance(fact, StartFailed)
    assert "its guard process was killed" in fact.detail
    assert run.left_at_the_end == []


@pytest.mark.processes
async def test_killed_with_a_model_that_dropped_the_markers(lives: Lives) -> None:
    """What stayed in the model's session is found all the same."""
    run = lives.begin(lives.spec("env", "-i", "sleep", "60"))
    await run.next_fact()
    model = read_process(await run.spawned())
    assert model and is_alive(model)
    os.kill(guard_of(run), signal.SIGKILL)
    assert isinstance(await run.next_fact(), Dying)
    assert isinstance(await run.next_fact(), Exited)
    assert not is_alive(model)


@pytest.mark.processes
async def test_it_ignores_the_signals_of_a_terminal(lives: Lives) -> None:
    run = lives.begin(lives.server())
    await run.next_fact()
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        os.kill(guard_of(run), signum)
    assert os.getsid(guard_of(run)) != os.getsid(0)
    assert (await run.end()) == Exited(run.life._spec.id, run.life._life, "signal SIGTERM")


@pytest.mark.processes
async def test_it_adopts_and_reaps_what_the_model_leaves(lives: Lives) -> None:
    """Orphans that end while the model lives do not stay as zombies."""
    script = "for i in 1 2 3 4 5; do (sleep 0.01 &) ; done; sleep 0.2; echo done; sleep 60"
    run = lives.begin(lives.spec("sh", "-c", script))
    await run.next_fact()
    await run.output(b"done")
    with trio.fail_after(20):
        while len(psutil.Process(guard_of(run)).children()) > 1:  # noqa: ASYNC110 - zombies among them; nobody tells
            await trio.sleep(0.01)
