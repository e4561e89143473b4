"""What the daemon has measured it knows again after a restart, and it tells it where people look."""

import threading
from pathlib import Path

import pytest

from tests.e2e.conftest import StartDaemon
from tests.e2e.running import fake, until

pytestmark = pytest.mark.e2e


def test_a_new_run_foretells_from_what_the_last_one_measured(daemon: StartDaemon, tmp_path: Path) -> None:
    loading = tmp_path / "loading"
    running = daemon({"a": fake("a", "--load", "1", "--load-while", str(loading)), "b": fake("b")})
    answer = running.chat("a")
    load_ms, wait_ms = (int(answer.headers[name]) for name in ("x-load-ms", "x-queue-wait-ms"))
    assert load_ms >= 1000 > wait_ms
    again = running.chat("a")
    assert again.headers["x-load-ms"] == "0"
    assert int(again.headers["x-queue-wait-ms"]) < 1000
    running.chat("b")
    running.end()
    (kept,) = (running.directory / "run").glob("timings-*.json")
    assert '"a"' in kept.read_text()

    loading.touch()
    running.start()
    first = threading.Thread(target=running.chat, args=("a",))
    second = threading.Thread(target=running.chat, args=("b",))
    first.start()
    until(lambda: running.queue()["running"], "the load")
    second.start()
    until(lambda: any("starts_in_s" in row for row in running.queue()["waiting"]), "a forecast")
    loading.unlink()
    first.join()
    second.join()
