"""A life from the outside: the facts it posts, and the process table when it posts the last one."""

import os
import resource
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest
import trio

from llamaswap.models.markers import LIFE, OWNER
from llamaswap.schedule.events import Dying, Exited, Started, StartFailed
from tests.allowance import ALLOWANCE_S
from tests.models.living import Lives

pytestmark = pytest.mark.processes


async def test_a_model_starts_serves_and_stops(lives: Lives) -> None:
    run = lives.begin(lives.server("--load", "0.2"))
    assert await run.next_fact() == Started(run.life._spec.id, run.life._life)
    assert repr(run.life).endswith(f"ready pid={run.life.pid}>")
    assert run.life.pid and psutil.pid_exists(run.life.pid)
    assert await run.end() == Exited(run.life._spec.id, run.life._life, "signal SIGTERM")
    assert run.life.state == "stopped"
    assert run.left_at_the_end == []


async def test_readiness_is_seen_at_once(lives: Lives) -> None:
    """Within milliseconds; the bound here leaves room for a loaded machine, and is far below any polling step."""
    delays = []
    for _ in range(9):
        run = lives.begin(lives.server("--load", "0.2"))
        await run.next_fact()
        await run.end()
        ready = float(bytes(run.sink.data).partition(b"READY ")[2].split()[0])
        delays.append(run.times[0] - ready)
    assert sorted(delays)[2] < 0.05


@pytest.mark.parametrize(
    "flags",
    [
        ["--ignore-term"],
        ["--wrap"],
        ["--wrap", "--ignore-term"],
        ["--setsid"],
        ["--double-fork"],
        ["--setsid", "--double-fork", "--clean-env", "--ignore-term"],
        ["--stop-delay", "30"],
        ["--flood-forever", "--setsid"],
    ],
    ids=" ".join,
)
async def test_a_stop_takes_the_whole_tree_within_its_grace(lives: Lives, flags: list[str]) -> None:
    """R-30, and more ways in which a tree may hold on."""
    endless = "--flood-forever" in flags  # never gets to the end of its loading
    run = lives.begin(lives.server(*flags, check_endpoint="none" if endless else "/health"))
    assert isinstance(await run.next_fact(), Started)
    began = trio.current_time()
    assert isinstance(await run.end(grace=0.5), Exited)
    assert trio.current_time() - began < 0.5 + 2 + ALLOWANCE_S
    assert run.left_at_the_end == []


async def test_a_leader_that_leaves_its_server_behind_has_ended(lives: Lives) -> None:
    run = lives.begin(lives.server("--background", "--ignore-term", "--load", "20", unload_timeout=1.5))
    fact = await run.next_fact()
    if isinstance(fact, Dying):  # unless the server was asked to end before it had learnt to ignore that
        assert "exited prematurely (exit code 0)" in fact.detail
        fact = await run.next_fact()
    assert isinstance(fact, StartFailed)
    assert "exited prematurely (exit code 0)" in fact.detail
    assert run.left_at_the_end == []


async def test_an_exit_while_loading_tells_code_and_last_output(lives: Lives) -> None:
    run = lives.begin(lives.server("--load", "20", "--exit-after", "0.1", "--exit-code", "7"))
    fact = await run.next_fact()
    assert isinstance(fact, StartFailed)
    assert "upstream command exited prematurely (exit code 7)" in fact.detail
    assert "LISTENING" in fact.detail


async def test_the_detail_of_a_failure_is_short(lives: Lives) -> None:
    run = lives.begin(lives.spec("sh", "-c", "yes | head -c 100000; echo THE END; exit 1", check_endpoint="/health"))
    fact = await run.next_fact()
    assert isinstance(fact, StartFailed)
    assert fact.detail.endswith("THE END")
    assert len(fact.detail) < 2200
    assert run.sink.written == 100_008


@pytest.mark.parametrize(
    "flags",
    [
        ["--health-hang"],
        ["--health-status", "503"],
        ["--health-status", "404"],
        ["--health-status", "302"],
        ["--load", "20"],
    ],
    ids=" ".join,
)
async def test_only_a_200_in_time_is_ready(lives: Lives, flags: list[str]) -> None:
    run = lives.begin(lives.server(*flags, health_check_timeout=0.6))
    began = trio.current_time()
    fact = await run.next_fact()
    assert isinstance(fact, StartFailed)
    assert "health check timed out after 0.6s" in fact.detail
    assert 0.6 <= trio.current_time() - began < 0.6 + 2 + ALLOWANCE_S
    assert run.left_at_the_end == []


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("no-such-program", "'no-such-program': executable file not found in PATH"),
        ("/no/such/program", "'/no/such/program': no such file"),
        (__file__, "permission denied"),
        ("BROKEN", "Exec format error"),
    ],
)
async def test_a_command_that_cannot_run_says_why(lives: Lives, command: str, reason: str, tmp_path: Path) -> None:
    if command == "BROKEN":
        broken = tmp_path / "broken"
        broken.write_bytes(b"\x7fELF nonsense")
        broken.chmod(0o755)
        command = str(broken)
    run = lives.begin(lives.spec(command, "--api-key", "sesame"))
    fact = await run.next_fact()
    assert isinstance(fact, StartFailed)
    assert "failed to start" in fact.detail
    assert reason in fact.detail
    assert "sesame" not in fact.detail


async def test_a_command_no_system_could_take_says_so(lives: Lives) -> None:
    fact = await lives.begin(lives.spec("echo", "nul\0byte")).next_fact()
    assert isinstance(fact, StartFailed)
    assert "embedded null" in fact.detail


async def test_no_command_and_no_address_say_so(lives: Lives) -> None:
    for spec in (lives.spec(argv=(), cmd=""), lives.spec("sleep", "9", proxy="nonsense")):
        fact = await lives.begin(spec).next_fact()
        assert isinstance(fact, StartFailed)
        assert "has no command" in fact.detail or "invalid proxy URL 'nonsense'" in fact.detail


async def test_no_descriptors_left_is_a_failed_start(lives: Lives) -> None:
    run = lives.prepare(lives.spec("sleep", "9"))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = psutil.Process().num_fds()
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 1, hard))
    try:
        await run.life.run()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    (fact,) = run.facts
    assert isinstance(fact, StartFailed)
    assert "Too many open files" in fact.detail


@pytest.mark.parametrize("delay", [0.0, 0.003, 0.01, 0.03, 0.2])
async def test_a_stop_during_the_start_ends_in_exited(lives: Lives, delay: float) -> None:
    run = lives.begin(lives.server("--load", "20"))
    await trio.sleep(delay)
    fact = await run.end()
    assert isinstance(fact, Exited)
    assert run.facts == [fact]
    assert run.left_at_the_end == []


async def test_a_stop_while_a_failed_start_is_cleared_away_ends_in_exited(lives: Lives) -> None:
    deaf = lives.spec("sh", "-c", "trap '' TERM; sleep 60", check_endpoint="/health", health_check_timeout=1.5)
    run = lives.begin(deaf)
    fact = await run.next_fact()  # past the time-out, and well within the 5 s of its grace
    assert isinstance(fact, Dying)
    assert fact.detail.startswith("health check timed out after 1.5s")
    assert run.life.state == "stopping"
    assert isinstance(await run.end(grace=0.1), Exited)
    assert run.left_at_the_end == []


async def test_a_stop_before_the_run_starts_nothing(lives: Lives, tmp_path: Path) -> None:
    run = lives.prepare(lives.spec("touch", str(tmp_path / "ran")))
    run.life.stop(1.0)
    await run.life.run()
    assert [type(fact) for fact in run.facts] == [Exited]
    assert not (tmp_path / "ran").exists()


async def test_a_second_stop_hurries_the_first(lives: Lives) -> None:
    run = lives.begin(lives.server("--ignore-term"))
    await run.next_fact()
    began = trio.current_time()
    run.life.stop(60)
    run.life.stop(0.2)
    run.life.stop(60)
    assert await run.next_fact() == Exited(run.life._spec.id, run.life._life, "signal SIGKILL")
    assert trio.current_time() - began < 2.2 + ALLOWANCE_S


async def test_cancelling_takes_the_tree_down_within_its_second(lives: Lives) -> None:
    run = lives.prepare(lives.server("--ignore-term", "--setsid", "--double-fork"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run.life.run)
        await run.next_fact()
        began = trio.current_time()
        nursery.cancel_scope.cancel()
    assert trio.current_time() - began < 3 + ALLOWANCE_S
    assert [type(fact) for fact in run.facts] == [Started, Exited]
    assert run.left_at_the_end == []


@pytest.mark.parametrize(("signum", "detail"), [(signal.SIGKILL, "signal SIGKILL"), (signal.SIGSEGV, "signal SIGSEGV")])
async def test_a_crash_while_ready_is_told_at_once(lives: Lives, signum: int, detail: str) -> None:
    run = lives.begin(lives.server())
    await run.next_fact()
    assert run.life.pid
    began = trio.current_time()
    os.kill(run.life.pid, signum)
    assert await run.next_fact() == Dying(run.life._spec.id, run.life._life, detail)
    assert await run.next_fact() == Exited(run.life._spec.id, run.life._life, detail)
    assert trio.current_time() - began < 1 + ALLOWANCE_S


async def test_leftovers_of_a_crash_are_gone_before_it_is_told(lives: Lives, monkeypatch: pytest.MonkeyPatch) -> None:
    """While they take their time, that the model is dying is told at once: nobody may be let through to it any more."""
    monkeypatch.setattr("llamaswap.models.supervisor.LINGER_S", 60.0)  # not when a failed start would be told of
    run = lives.begin(lives.server("--setsid", "--double-fork", unload_timeout=4.0))
    await run.next_fact()
    assert run.life.pid
    os.kill(run.life.pid, signal.SIGKILL)
    assert await run.next_fact() == Dying(run.life._spec.id, run.life._life, "signal SIGKILL")
    assert run.life.state == "stopping"
    assert isinstance(await run.next_fact(), Exited)
    assert run.left_at_the_end == []


async def test_a_suspended_model_can_be_stopped(lives: Lives) -> None:
    run = lives.begin(lives.server())
    await run.next_fact()
    assert run.life.pid
    os.kill(run.life.pid, signal.SIGSTOP)
    assert await run.end(grace=30) == Exited(run.life._spec.id, run.life._life, "signal SIGTERM")


async def test_a_flood_of_output_stalls_nobody(lives: Lives) -> None:
    run = lives.begin(lives.server("--flood", str(50 << 20), health_check_timeout=60))
    assert isinstance(await run.next_fact(60), Started)
    assert run.sink.written >= 50 << 20
    await run.end()


async def test_a_port_in_use_is_told_before_anything_is_spawned(lives: Lives) -> None:
    spec = lives.server()
    listeners = await trio.open_tcp_listeners(int(spec.proxy.rpartition(":")[2]), host="127.0.0.1")
    run = lives.begin(spec)
    fact = await run.next_fact()
    await listeners[0].aclose()
    assert isinstance(fact, StartFailed)
    assert f"already in use by {os.getpid()} (" in fact.detail
    assert run.life.pid is None


async def test_a_stranger_on_the_port_is_not_the_model(lives: Lives) -> None:
    spec = lives.spec("sleep", "60", check_endpoint="/health", owns_port=True, health_check_timeout=2.5)
    run = lives.begin(spec)
    await run.spawned()
    answered = 0

    async def say_200(stream: trio.SocketStream) -> None:
        nonlocal answered
        await stream.receive_some()
        answered += 1
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with trio.open_nursery() as stranger:
        stranger.start_soon(trio.serve_tcp, say_200, int(spec.proxy.rpartition(":")[2]))
        fact = await run.next_fact()
        stranger.cancel_scope.cancel()
    assert answered > 1
    assert isinstance(fact, StartFailed)
    assert "timed out" in fact.detail


async def test_what_a_model_is_given(lives: Lives) -> None:
    """Markers, its own session, no input, default signals, and the last of equal names in its environment."""
    code = (
        "import os, signal as s, sys; e = os.environ; print(e['A'], 'PATH' in e, os.getsid(0) == os.getpid(), "
        f"bool(e['{OWNER}'] and e['{LIFE}']), repr(sys.stdin.read()), "
        "s.getsignal(s.SIGTERM) == s.getsignal(s.SIGHUP) == s.SIG_DFL, sorted(s.pthread_sigmask(s.SIG_BLOCK, [])), "
        "len(os.listdir('/proc/self/fd')), repr(e['B']), flush=True); import time; time.sleep(60)"
    )
    run = lives.begin(lives.spec(sys.executable, "-c", code, env=("A=1", "A=2", "B=x=\udcff")))
    await run.output(b"\n")
    assert run.sink.tail(200).decode().strip() == "2 True True True '' True [] 4 'x=\\udcff'"


async def test_both_outputs_keep_their_order(lives: Lives) -> None:
    run = lives.begin(lives.spec("sh", "-c", "for i in 1 2 3 4; do echo o$i; echo e$i >&2; done; sleep 60"))
    await run.output(b"e4")
    assert run.sink.tail(200).split() == [f"{kind}{i}".encode() for i in range(1, 5) for kind in "oe"]


async def test_thirty_lives_leave_no_descriptor_thread_or_zombie(lives: Lives) -> None:
    me = psutil.Process()

    async def one() -> None:
        run = lives.begin(lives.spec(*["sh", "-c", "sleep 60 & sleep 60"]))
        await run.next_fact()
        await run.end()

    await one()
    before = me.num_fds()
    began = time.monotonic()
    for _ in range(int(os.environ.get("LLAMASWAP_CYCLES", "30"))):
        await one()
    print(f"{time.monotonic() - began:.1f} s")
    assert me.num_fds() <= before
    assert me.children() == []
    assert me.num_threads() < 10
