"""The journal of a real daemon: kept by setting, over a crash and the end; it comes out as recorded."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import StartDaemon
from tests.e2e.running import ROOT, fake, until

pytestmark = pytest.mark.e2e


def told(verb: str, path: Path, *words: str) -> dict[str, object]:
    command = [sys.executable, "-m", "llamaswap", verb, str(path), "--json", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def test_a_day_of_the_daemon(daemon: StartDaemon, tmp_path: Path) -> None:
    path = tmp_path / "journal"
    running = daemon({"a": fake("a"), "b": fake("b")}, journal={"path": str(path)})
    for model in ("a", "b", "b", "a"):
        assert running.chat(model).status == 200
    os.kill(running.model_pid("a"), signal.SIGKILL)
    until(lambda: running.running() == [], "the end of a killed model")
    assert running.chat("b").status == 200
    running.end()
    replayed = told("replay", path, "--at", "+1h")
    assert replayed["differences"] == 0
    assert (replayed["runs"], replayed["dropped"], replayed["waiting"]) == (1, 0, [])
    days = told("simulate", path, "--set", "scheduler=batch")["days"]
    assert isinstance(days, dict)
    assert days["recorded"]["requests"] == days["as set"]["requests"] == 5
    assert days["recorded"]["loads"] == days["simulated"]["loads"] == 4


def test_no_journal_by_default(daemon: StartDaemon, tmp_path: Path) -> None:
    running = daemon({"a": fake("a")})
    assert running.chat("a").status == 200
    running.end()
    assert not list(tmp_path.rglob("*-000001.jsonl"))
