"""The verbs as programs beside the daemon as a program."""

import json
import os
import signal
import subprocess
import sys

import pytest

from tests.e2e.conftest import StartDaemon
from tests.e2e.running import SLOWLY, Daemon, fake

pytestmark = pytest.mark.e2e


def begin(daemon: Daemon, *words: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, "LLAMASWAP_RUNTIME_DIR": str(daemon.socket_path.parent), "COLUMNS": "100"}
    command = [sys.executable, "-m", "llamaswap", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def verb(daemon: Daemon, *words: str) -> tuple[int, str, str]:
    with begin(daemon, *words) as program:
        out, err = program.communicate(timeout=SLOWLY)
        return program.returncode, out, err


def test_a_session_at_the_command_line(daemon: StartDaemon) -> None:
    models = {"a": fake("a", aliases=["org/a"], ttl=60), "bad": fake("bad", "--exit-after", "0", "--exit-code", "3")}
    running = daemon(models, logToStdout="both")
    running.running()  # answered by the control plane, so its socket is there
    assert verb(running, "ps") == (0, "no model is loaded\n", "")
    code, out, _ = verb(running, "load", "org/a")
    assert code == 0
    assert out.startswith("org/a: ready after ")
    state = json.loads(verb(running, "ps", "--json")[1])
    assert [(m["model"], m["state"], m["ttl_s"]) for m in state["running"]] == [("a", "ready", 60)]
    assert "READY" in verb(running, "logs", "a")[1]
    code, _, err = verb(running, "load", "bad")
    assert code == 1
    assert "exit code 3" in err
    assert verb(running, "unload", "nobody")[0] == 1
    assert verb(running, "unload")[0] == 0
    assert json.loads(verb(running, "ps", "--json")[1]) == {"running": [], "waiting": []}


def test_following_a_log_ends_cleanly_with_the_daemon(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a")})
    running.running()
    with begin(running, "logs", "-f") as follower:
        assert follower.stdout is not None
        assert "listening" in follower.stdout.readline()
        running.signal(signal.SIGTERM)
        out, err = follower.communicate(timeout=SLOWLY)
    assert "shutting down" in out
    assert (follower.returncode, err) == (0, "")
    assert verb(running, "ps")[0] == 3
