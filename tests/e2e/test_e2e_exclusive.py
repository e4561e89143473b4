"""Promise 1: at most one model's process tree is alive at any instant, from spawn to the end of its last process."""

import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.e2e.conftest import StartDaemon
from tests.e2e.running import FAKE_SERVER, fake, until

pytestmark = pytest.mark.e2e

SWAPS = 100


def test_the_lock_tells_of_two_models_at_once(tmp_path: Path) -> None:
    """The judge of the other tests: were it blind, they would pass for nothing."""
    ledger, lock = tmp_path / "ledger", tmp_path / "lock"
    command = [sys.executable, "-I", "-S", str(FAKE_SERVER), "--ledger", str(ledger), "--lock", str(lock)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as first:
        assert first.stdout and first.stdout.readline()
        with subprocess.Popen(command, stdout=subprocess.PIPE) as second:
            assert second.stdout and second.stdout.readline()
            second.kill()
        first.kill()
    assert '"violation"' in ledger.read_text()


def test_no_two_models_are_alive_at_once(daemon: StartDaemon) -> None:
    """Clients of three models, one with stragglers that ignore SIGTERM in sessions of their own, and unloads."""
    models = {
        "a": fake("a", "--stop-delay", "0.02"),
        "b": fake("b", "--load", "0.02"),
        "c": fake("c", "--setsid", "--double-fork", "--clean-env", unloadTimeout=1),
    }
    running = daemon(models)
    enough = threading.Event()
    statuses: list[int] = []

    def client(number: int) -> None:
        dice = random.Random(number)
        while not enough.is_set():
            statuses.append(running.chat(dice.choices("abc", [20, 20, 1])[0]).status)

    def wait_for_answers(count: int) -> None:
        so_many = statuses.count(200) + count
        until(lambda: enough.is_set() or statuses.count(200) >= so_many, "answers", 120)

    def unloader() -> None:
        dice = random.Random(99)
        while not enough.is_set():
            wait_for_answers(dice.randint(1, 4))  # paced by them, so that a slow machine comes to some as well
            enough.wait(dice.uniform(0, 0.3))
            path = dice.choice(["/api/models/unload", "/api/models/unload/a", "/api/models/unload/b"])
            assert running.request("POST", path).status == 200

    threads = [threading.Thread(target=client, args=(number,)) for number in range(6)]
    threads.append(threading.Thread(target=unloader))
    for thread in threads:
        thread.start()
    try:
        until(lambda: len(running.starts()) >= SWAPS, f"{SWAPS} swaps", 120)
    finally:
        enough.set()
        for thread in threads:
            thread.join()
    assert running.entries("violation") == []
    assert set(running.starts()) == {"a", "b", "c"}
    assert set(statuses) <= {200, 500, 502}
    assert statuses.count(200) > SWAPS / 2


def test_unloading_everything_during_a_load_leaves_nothing_alive(daemon: StartDaemon) -> None:
    running = daemon({"slow": fake("slow", "--load", "60")})
    with running.wire() as waiting:
        waiting.chat("slow")
        until(running.starts, "the load")
        assert running.request("POST", "/api/models/unload").json() == {"msg": "ok"}
        assert running.running() == []
        assert running.look() == []
        answer = waiting.answer()
    assert answer.status == 500
    assert answer.error["message"] == "unspecific error: group: model unloaded"
