"""Promise 4: every stop ends. Unload or eviction within grace + 2 s; SIGTERM to exit within 35 s, whatever happens."""

import signal
import threading
import time

import pytest

from tests.allowance import ALLOWANCE_S
from tests.e2e.conftest import StartDaemon
from tests.e2e.running import Daemon, alive, fake, suspend, until
from tests.e2e.wire import CutError, Wire

pytestmark = pytest.mark.e2e

STUBBORN = ("--ignore-term", "--setsid", "--double-fork", "--clean-env")
#: What is promised beyond the grace, and what a busy machine may add: a start of the next model among it.
BEYOND_S = 2 + ALLOWANCE_S
PARALLEL = {"scheduler": {"use": "serial", "settings": {"serial": {"parallel": 64}}}}


def test_unload_and_eviction_of_a_stubborn_tree_end_in_time(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a", *STUBBORN, unloadTimeout=1), "b": fake("b")})
    for how in ("unload", "evict"):
        assert running.chat("a").status == 200
        tree = running.look()
        began = time.monotonic()
        if how == "unload":
            assert running.get("/unload").text == "OK"
        else:
            assert running.chat("b").status == 200
        assert time.monotonic() - began <= 1 + BEYOND_S
        assert not [process for process in tree if alive(process)]


def test_a_model_that_never_answers_and_one_that_is_suspended_can_be_unloaded(daemon: StartDaemon) -> None:
    running = daemon({"mute": fake("mute", "--never-answer"), "frozen": fake("frozen", unloadTimeout=1)})
    with running.wire() as served:
        served.chat("mute")
        running.until_serving("mute")
        assert running.get("/unload").status == 200
        assert served.answer().status == 502
    assert running.get("/upstream/frozen/echo").status == 200
    with running.wire() as served:
        frozen = next(p for p in running.look() if p.pid == running.model_pid("frozen"))
        suspend(frozen)
        served.chat("frozen")
        running.until_serving("frozen")
        began = time.monotonic()
        assert running.get("/unload").status == 200
        assert time.monotonic() - began <= 1 + BEYOND_S


def test_a_stop_command_is_used_and_bounded(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a", cmdStop="sh -c 'echo stopping ${PID}; sleep 600'", unloadTimeout=3)})
    assert running.chat("a").status == 200
    pid = running.model_pid("a")
    began = time.monotonic()
    assert running.get("/unload").status == 200
    assert time.monotonic() - began <= 3 + BEYOND_S
    assert f"stopping {pid}\n" in running.get("/logs/stream/a?no-follow").text


def test_sigterm_refuses_the_queue_stops_the_load_and_leaves(daemon: StartDaemon) -> None:
    running = daemon({"slow": fake("slow", "--load", "600"), "b": fake("b")})
    with running.wire() as loading, running.wire() as queued:
        loading.chat("slow")
        until(running.starts, "the load")
        queued.chat("b")
        running.until_waiting(2)
        running.signal(signal.SIGTERM)
        for wire in (queued, loading):
            answer = wire.answer()
            assert answer.status == 503
            assert answer.headers["retry-after"]
            assert answer.error["message"] == "group is shutting down"
    assert running.wait(5) == 0
    assert running.starts() == ["slow"]
    running.log.join()
    assert running.log.lines[-1].endswith("shutdown complete")


def test_sigterm_lets_a_served_request_finish(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a", "--tokens", "20", "--token-delay", "0.05")})
    with running.wire() as served:
        served.chat("a", stream=True)
        assert served.head()[0] == 200
        running.signal(signal.SIGTERM)
        text = b"".join(iter(served.chunk, b""))
        assert b"a-19" in text and text.endswith(b"data: [DONE]\n\n")
    assert running.wait(10) == 0


def test_sigterm_ends_in_time_whatever_clients_and_models_do(daemon: StartDaemon) -> None:
    """Side by side, as each takes its half minute: 50 stalled readers; a model that never answers and never goes."""
    stalled = daemon({"a": fake("a", *STUBBORN)}, routing=PARALLEL, unloadTimeout=60)
    mute = daemon({"a": fake("a", "--never-answer", *STUBBORN)}, unloadTimeout=60)
    wires = [stalled.wire() for _ in range(50)]
    for wire in wires[:40]:
        wire.ask("GET", f"/upstream/a/big?bytes={1 << 28}")
        assert wire.head()[0] == 200
    for wire in wires[40:]:
        wire.ask("GET", "/logs/stream")
    wires.append(mute.wire())
    wires[-1].chat("a")
    mute.until_serving("a")
    ends: dict[str, tuple[int, float]] = {}

    def end(name: str, running: Daemon) -> None:
        began = time.monotonic()
        running.signal(signal.SIGTERM)
        ends[name] = running.wait(35), time.monotonic() - began

    threads = [threading.Thread(target=end, args=each) for each in (("stalled", stalled), ("mute", mute))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for wire in wires:
        wire.sock.close()
    print(ends)
    assert set(ends) == {"stalled", "mute"}
    for running in (stalled, mute):
        until(lambda running=running: not running.left(), "the end of its models", 10)  # type: ignore[misc]


def test_a_second_signal_ends_requests_and_a_third_everything(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a", "--never-answer", unloadTimeout=60)})
    with _served(running) as served:
        running.signal(signal.SIGTERM)
        running.log.wait("SIGTERM: shutting down")
        running.signal(signal.SIGINT)
        assert running.wait(8) == 0
        with pytest.raises(CutError):
            assert served.answer().status == 502
            served.head()
    running = daemon({"a": fake("a", "--never-answer", *STUBBORN, unloadTimeout=60)})
    with _served(running):
        running.look()
        running.signal(signal.SIGTERM)
        running.log.wait("SIGTERM: shutting down")
        running.signal(signal.SIGTERM)
        running.log.wait("SIGTERM again")
        began = time.monotonic()
        running.signal(signal.SIGTERM)
        assert running.wait(2) == 1
        until(lambda: not running.left(), "the end of its models", 10)
        assert time.monotonic() - began < 5 + ALLOWANCE_S  # a third of what the model's grace would take


def _served(running: Daemon) -> Wire:
    wire = running.wire()
    wire.chat("a")
    running.until_serving("a")
    return wire
