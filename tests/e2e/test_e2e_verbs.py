"""The verbs, as programs of their own beside a running daemon."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import StartDaemon
from tests.e2e.running import ROOT, Daemon, fake, until

pytestmark = pytest.mark.e2e


def verb(running: Daemon, *words: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    command = [sys.executable, "-m", "llamaswap", *words, "--socket", str(running.socket_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def test_load_ps_logs_unload(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a", "--answer-delay", "600", aliases=["al"]), "b": fake("b", ttl=300)})
    until(running.socket_path.exists, "the control plane")
    code, out, _ = verb(running, "ps")
    assert (code, out) == (0, "no model is loaded\n")
    code, out, _ = verb(running, "load", "al")
    assert code == 0
    assert out.startswith("al: ready after ")
    with running.wire() as served, running.wire() as queued:
        served.chat("a")
        running.until_serving("a")
        queued.chat("b")
        running.until_waiting(1)
        code, out, _ = verb(running, "ps")
        assert code == 0
        assert out.splitlines()[1].split()[:2] == ["a", "ready"]
        assert out.splitlines()[3].split()[:2] == ["#1", "b"]
        code, out, _ = verb(running, "ps", "--json")
        assert [row["model"] for row in json.loads(out)["waiting"]] == ["b"]
        code, out, _ = verb(running, "unload", "a")
        assert (code, out.split(" after ")[0]) == (0, "a: unloaded")
        assert queued.answer().status == 200
    code, out, _ = verb(running, "logs", "a")
    assert code == 0
    assert "READY" in out
    assert "model ready model=a" in verb(running, "logs")[1]
    assert json.loads(verb(running, "unload", "--json")[1])["state"] == "unloaded"
    assert running.running() == []


def test_following_a_log_ends_with_the_daemon(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a")})
    until(running.socket_path.exists, "the control plane")
    command = [sys.executable, "-m", "llamaswap", "logs", "-f", "a", "--socket", str(running.socket_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        assert running.chat("a").status == 200
        assert follower.stdout.readline().startswith("LISTENING ")
        running.end()
        assert "READY" in follower.stdout.read()
        assert follower.wait(10) == 0


def test_what_cannot_be_done_is_told(daemon: StartDaemon, tmp_path: Path) -> None:
    running = daemon({"alpha": fake("a"), "dies": {"cmd": "sh -c 'exit 3; ${PORT}'"}})
    until(running.socket_path.exists, "the control plane")
    code, out, err = verb(running, "load", "alhpa")
    assert (code, out) == (1, "")
    assert "did you mean alpha?" in err
    code, _, err = verb(running, "load", "dies")
    assert code == 1
    assert "upstream command exited prematurely" in err
    assert verb(running, "load")[0] == 2
    running.end()
    code, _, err = verb(running, "ps")
    assert code == 3
    assert err.startswith("llamaswap ps: no daemon listens on")
