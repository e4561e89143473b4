"""What the daemon has measured it knows again after a restart, and it tells it where people look."""

import threading

import pytest

from tests.e2e.conftest import StartDaemon
from tests.e2e.running import fake, until

pytestmark = pytest.mark.e2e


def test_a_new_run_foretells_from_what_the_last_one_measured(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a", "--load", "0.3"), "b": fake("b", "--answer-delay", "0.3")})
    answer = running.chat("a")
    assert int(answer.headers.get("x-load-ms", 0)) >= 250
    assert int(answer.headers.get("x-queue-wait-ms", 9999)) < 250
    again = running.chat("a")
    assert (again.headers.get("x-load-ms"), again.headers.get("x-queue-wait-ms")) == ("0", "0")
    running.chat("b")
    running.end()
    (kept,) = (running.directory / "run").glob("timings-*.json")
    assert '"a"' in kept.read_text()

    running.start()
    first = threading.Thread(target=running.chat, args=("a",))
    second = threading.Thread(target=running.chat, args=("b",))
    first.start()
    until(lambda: running.queue()["running"], "the load")
    second.start()
    until(lambda: any("starts_in_s" in row for row in running.queue()["waiting"]), "a forecast")
    first.join()
    second.join()
