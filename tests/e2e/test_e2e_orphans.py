"""Promise 3: 10 s after the daemon died, no process it started lives. The long form is scripts/rigs/orphans."""

import secrets
import signal
import statistics
from pathlib import Path

import pytest

from tests.allowance import ALLOWANCE_S
from tests.e2e.conftest import StartDaemon
from tests.e2e.orphans import LIMIT_S, MEDIAN_S, one_round, run_rounds, table
from tests.e2e.running import Daemon, alive, fake, lock_is_free, suspend, until

pytestmark = pytest.mark.e2e

IN_A_NAMESPACE = (
    "import sys; from llamaswap.models import markers; markers._namespace = lambda: '[{}]'; "
    "from llamaswap import cli; sys.exit(cli.main())"
)


def test_a_killed_daemon_leaves_nothing(tmp_path: Path) -> None:
    took = run_rounds(8, seed=8, directory=tmp_path)
    print(table(took))
    times = [time for cell in took.values() for time in cell]
    assert len(times) == 8
    assert max(times) <= LIMIT_S + ALLOWANCE_S
    assert statistics.median(times) <= MEDIAN_S + ALLOWANCE_S


def test_what_lives_is_found(daemon: StartDaemon) -> None:
    """The judge of the other tests: were it blind, they would pass for nothing."""
    running = daemon({"a": fake("a", "--setsid", "--double-fork", "--clean-env")})
    assert running.left() != []
    assert lock_is_free(running.lock)
    assert running.chat("a").status == 200
    assert len(running.look()) == 4  # guard, server, and two that went their own ways
    assert len(running.left()) == 5
    assert not lock_is_free(running.lock)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGHUP, signal.SIGQUIT], ids=lambda number: number.name)
def test_other_signals_leave_nothing_either(daemon: StartDaemon, number: signal.Signals) -> None:
    """SIGHUP reloads, so that the daemon lives; the others end it."""
    running = daemon({"a": fake("a", "--ignore-term")})
    assert running.chat("a").status == 200
    running.look()
    running.signal(number)
    if number == signal.SIGHUP:
        running.log.wait("reload: done")
        assert running.running() == [("a", "ready")]
        return
    assert running.wait(5) == -number
    until(lambda: not running.left() and lock_is_free(running.lock), "the end of all", LIMIT_S + ALLOWANCE_S)


def test_what_outlived_daemon_and_guard_is_reclaimed_at_the_next_start(tmp_path: Path) -> None:
    """Somebody kills them both: the model is left, and the next daemon ends it before it loads anything.

    Not one of other tests, which would do so too: these two take themselves to be in a namespace of their own.
    """
    program = ("-c", IN_A_NAMESPACE.format(secrets.token_hex(8)))
    first = Daemon(tmp_path, {"models": {"a": fake("a", "--ignore-term")}}, program=program)
    first.start()
    try:
        assert first.chat("a").status == 200
        tree = first.look()
        model = next(process for process in tree if process.pid == first.model_pid("a"))
        guard = next(process for process in tree if process.pid != model.pid)
        suspend(guard)
        first.signal(signal.SIGKILL)
        first.wait(5)
        guard.kill()
        assert alive(model)
        (tmp_path / "second").mkdir()
        with Daemon(tmp_path / "second", {"models": {"b": fake("b")}}, program=program) as second:
            assert second.chat("b").status == 200
            assert not alive(model)
            second.log.wait(f"leftover of an earlier daemon pid={model.pid} model=a ended=True")
    finally:
        first.end(strict=False)


def test_the_rig_tells_which_round_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.e2e.orphans.one_round", _left_something)
    with pytest.raises(AssertionError, match=r"round \d of seed 1, \('\w+', '[\w ]+'\): something is left"):
        run_rounds(2, seed=1, directory=tmp_path)
    assert one_round is not _left_something


def _left_something(*_: object) -> float:
    raise AssertionError("something is left")
