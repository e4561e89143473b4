"""The verbs against a real control plane; stdout and stderr as a person sees them."""

import json
import os
import pty
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from llamaswap import verbs
from llamaswap.verbs.orders import describe
from llamaswap.verbs.ps import _starts_in, duration
from tests.control.rig import A, B, Rig, control_plane

OUT = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def own_runtime_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LLAMASWAP_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path


async def run(*argv: str) -> int:
    return await trio.to_thread.run_sync(verbs.main, list(argv), abandon_on_cancel=True)


@asynccontextmanager
async def loaded(rig: Rig) -> AsyncIterator[None]:
    """A is ready and serves one request; one for B waits."""
    with rig.dispatcher.request(A) as lease, rig.dispatcher.request(B):
        (await rig.started(A)).becomes_ready()
        await lease.wait()
        yield


async def test_ps_for_people(tmp_path: Path, capfd: OUT) -> None:
    async with control_plane(tmp_path) as rig:
        assert await run("ps") == 0
        assert capfd.readouterr().out == "no model is loaded\n"
        async with loaded(rig):
            assert await run("ps") == 0
        lines = [line.split() for line in capfd.readouterr().out.splitlines()]
    assert lines[0] == ["MODEL", "STATE", "PID", "FOR", "REQUESTS", "UNLOADS", "IN"]
    assert lines[1][:3] == ["a", "ready", "4711"]
    assert lines[1][4:] == ["1", "5m00s", "after", "its", "last", "use"]
    assert lines[-2] == ["WAITING", "MODEL", "FOR", "STARTS", "IN"]
    assert (lines[-1][:2], lines[-1][3]) == (["#1", "org/b"], "-")


async def test_ps_tells_what_to_expect(tmp_path: Path, capfd: OUT) -> None:
    async with control_plane(tmp_path) as rig:
        times = rig.forecaster.stopwatch.measured.of(A)
        for _ in range(8):
            times.load.add(5e5)
        with rig.dispatcher.request(A):
            assert await run("ps") == 0
    assert capfd.readouterr().out.splitlines()[-1].split()[3] == "5d18h"


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ({}, "-"),
        ({"starts_in_s": {"low": 2.0, "likely": 14.0, "high": 75.0}}, "2.0s to 1m15s"),
        ({"starts_in_s": {"low": 14.1, "likely": 14.2, "high": 14.3}}, "14s"),
        ({"starts_in_s": {"low": 14.0, "likely": 20.0, "high": None}}, "14s or more"),
        ({"starts_in_s": {"low": 14.0, "likely": 20.0, "high": 30.0}, "extrapolated": True}, "~14s to ~30s"),
    ],
)
def test_a_range_as_a_person_says_it(told: dict[str, Any], shown: str) -> None:
    assert _starts_in(told) == shown


async def test_ps_for_programs(tmp_path: Path, capfd: OUT) -> None:
    async with control_plane(tmp_path) as rig, loaded(rig):
        assert await run("ps", "--json") == 0
    state = json.loads(capfd.readouterr().out)
    assert [m["model"] for m in state["running"]] == ["a"]
    assert [w["model"] for w in state["waiting"]] == ["org/b"]


async def test_load_and_unload(tmp_path: Path, capfd: OUT) -> None:
    async with control_plane(tmp_path) as rig:
        async with trio.open_nursery() as nursery:

            async def become_ready() -> None:
                (await rig.started(B)).becomes_ready()

            nursery.start_soon(become_ready)
            assert await run("load", "x/y") == 0
        assert capfd.readouterr().out.startswith("x/y: ready after ")
        assert [m.state for m in rig.dispatcher.running()] == ["ready"]
        assert await run("unload", "bee") == 0
        assert not rig.dispatcher.running()
        assert await run("unload", "--json") == 0
        unloaded, everything = capfd.readouterr().out.splitlines()
        assert unloaded.startswith("bee: unloaded after ")
        assert json.loads(everything)["model"] is None


async def test_a_load_that_fails(tmp_path: Path, capfd: OUT) -> None:
    async with control_plane(tmp_path) as rig, trio.open_nursery() as nursery:

        async def fail() -> None:
            (await rig.started(A)).fails("exit code 3\nno \x1b[2Jmemory")

        nursery.start_soon(fail)
        assert await run("load", "a") == 1
        assert capfd.readouterr().err == "llamaswap load: exit code 3\nno memory\n"


@pytest.mark.parametrize("argv", [("load", "org-b"), ("unload", "ORG/B"), ("logs", "org-b"), ("logs", "-f", "orgb/")])
async def test_unknown_models_are_suggested(tmp_path: Path, capfd: OUT, argv: tuple[str, ...]) -> None:
    async with control_plane(tmp_path):
        assert await run(*argv) == 1
    assert "org/b" in capfd.readouterr().err


async def test_logs_of_everything_and_of_a_model(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    async with control_plane(tmp_path) as rig:
        rig.logs.proxy_line("info", "ours")
        rig.logs.model(B).write(b"\xff\x1b[2J theirs\n")
        assert await run("logs") == 0
        assert capfdbinary.readouterr().out == b"[INFO] ours\n\xff\x1b[2J theirs\n"
        assert await run("logs", "x/y") == 0
        assert capfdbinary.readouterr().out == b"\xff\x1b[2J theirs\n"


async def test_following_ends_with_the_daemon(tmp_path: Path, capfd: OUT) -> None:
    async with control_plane(tmp_path) as rig, trio.open_nursery() as nursery:
        codes = []

        async def follow() -> None:
            codes.append(await run("logs", "--follow", "a"))

        nursery.start_soon(follow)
        monitor = rig.logs.model(A).monitor
        while not monitor._subscriptions:
            await trio.lowlevel.checkpoint()
        monitor.write(b"one\n")
        rig.end.set()
    assert codes == [0]
    assert capfd.readouterr().out == "one\n"


async def test_following_on_a_terminal_until_ctrl_c(tmp_path: Path) -> None:
    """Colours come through, nothing else does, and Ctrl-C is a clean end."""
    async with control_plane(tmp_path) as rig:
        rig.logs.model(A).write(b"\x1b[32mgreen\x1b[2J\n")
        ours, theirs = pty.openpty()
        program = "import sys; from llamaswap import verbs; sys.exit(verbs.main(sys.argv[1:]))"
        child = await trio.lowlevel.open_process(
            [sys.executable, "-c", program, "logs", "-f", "a"], stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        try:
            seen = await trio.to_thread.run_sync(os.read, ours, 1000)
            assert seen == b"\x1b[32mgreen\r\n"
            child.send_signal(signal.SIGINT)
            assert await child.wait() == 0
            assert await trio.to_thread.run_sync(os.read, ours, 1000) == b"\x1b[0m"
        finally:
            child.kill()
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 10):
                await child.wait()
            os.close(ours)


async def test_no_daemon(tmp_path: Path, capfd: OUT) -> None:
    for argv in (("ps",), ("logs", "-f"), ("load", "a"), ("ps", "--socket", str(tmp_path / "control-7.sock"))):
        assert await run(*argv) == 3
        assert "start one with: llamaswap -config FILE" in capfd.readouterr().err


async def test_several_daemons(tmp_path: Path, capfd: OUT) -> None:
    async with control_plane(tmp_path) as first:
        other = tmp_path / "control-2.sock"
        other.symlink_to(first.socket)
        assert await run("ps") == 2
        assert str(other) in capfd.readouterr().err
        for where in (("-listen", ":2"), ("--listen", "127.0.0.1:1"), ("--socket", str(other))):
            assert await run("ps", *where) == 0
        assert await run("ps", "--listen", ":3") == 3


@pytest.mark.parametrize("argv", [(), ("nothing",), ("load",), ("ps", "extra"), ("ps", "--listen", "here")])
def test_usage(argv: tuple[str, ...], capfd: OUT) -> None:
    assert verbs.main(list(argv)) == 2
    assert "usage: llamaswap" in capfd.readouterr().err


def test_progress() -> None:
    state = {
        "running": [{"model": "a", "state": "starting", "since_s": 1.2}],
        "waiting": [{"ticket": 5, "model": "b", "position": 1}, {"ticket": 9, "model": "a", "position": 4}],
    }
    assert describe("load", "a", state, 5, 7.0) == "a: waiting in the queue at position 4 for 7.0s"
    state["waiting"] = [{"ticket": 9, "model": "a", "position": 1}]
    assert describe("load", "a", state, 5, 7.0) == "loading a: 1.2s"
    assert describe("load", "a", {"running": [], "waiting": []}, 5, 7.0) == "loading a: 7.0s"
    assert describe("unload", None, state, 5, 7.0) == "unloading all models: 7.0s"


def test_durations() -> None:
    assert [duration(s) for s in (0.04, 9.94, 12, 184, 18_720, 183_600)] == [
        "0.0s",
        "9.9s",
        "12s",
        "3m04s",
        "5h12m",
        "2d03h",
    ]


async def test_log_lines_as_json(tmp_path: Path, capfd: OUT) -> None:
    """One object a line, the last one too if it is incomplete."""
    async with control_plane(tmp_path) as rig:
        rig.logs.model(A).write(b'one "quoted"\ntw')
        assert await run("logs", "--json", "a") == 0
    assert [json.loads(line) for line in capfd.readouterr().out.splitlines()] == [
        {"line": 'one "quoted"'},
        {"line": "tw"},
    ]
