"""What a model may do to itself, and what its clients see of it."""

import os
import signal
import socket
import threading
import time

import pytest

from tests.allowance import ALLOWANCE_S
from tests.e2e.conftest import StartDaemon
from tests.e2e.running import alive, fake, until
from tests.e2e.wire import Answer

pytestmark = pytest.mark.e2e


def test_a_hundred_clients_of_a_stopped_model_start_it_once(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a", "--load", "0.2")})
    answers: list[Answer] = []
    clients = [threading.Thread(target=lambda: answers.append(running.chat("a"))) for _ in range(100)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert [answer.status for answer in answers] == [200] * 100
    assert running.starts() == ["a"]
    assert len(running.entries()) == 100


def test_a_model_that_dies_while_loading_is_explained_and_the_next_goes_on(daemon: StartDaemon) -> None:
    dies = fake("dies", "--load", "600", "--exit-after", "0.3", "--exit-code", "7")
    running = daemon({"dies": dies, "b": fake("b")})
    with running.wire() as first, running.wire() as second:
        first.chat("dies")
        running.log.wait(r">> Arrived\(.*'dies'")
        second.chat("b")
        answer = first.answer()
        assert answer.status == 500
        message = answer.error["message"]
        assert message.startswith("unspecific error: upstream command exited prematurely")
        assert "7" in message and "LISTENING" in message
        assert second.answer().status == 200


def test_a_model_that_fails_at_each_start_rests(daemon: StartDaemon) -> None:
    running = daemon({"dies": {"cmd": "sh -c 'echo no such GPU; exit 3; ${PORT}'"}, "b": fake("b")})
    for _ in range(3):
        answer = running.chat("dies")
        assert answer.status == 500
        assert "no such GPU" in answer.error["message"]
    seen = len(running.log.lines)
    answer = running.chat("dies")
    assert answer.status == 500
    assert "not tried again for" in answer.error["message"] and "no such GPU" in answer.error["message"]
    assert int(answer.headers["retry-after"]) <= 5
    assert not [line for line in running.log.lines[seen:] if "<< Start" in line]
    assert running.chat("b").status == 200
    assert running.request("POST", "/api/models/unload/dies").status == 200
    assert "not tried again" not in running.chat("dies").error["message"]


def test_a_health_path_that_never_says_200_is_given_up(daemon: StartDaemon) -> None:
    """R-31: one that accepts and stays silent, and one that says 404: side by side, as each takes its 15 s."""
    silent, lost = daemon({"a": fake("a", "--health-hang")}), daemon({"a": fake("a", "--health-status", "404")})
    began = time.monotonic()
    with silent.wire() as first, lost.wire() as second:
        first.chat("a")
        second.chat("a")
        for wire in (first, second):
            answer = wire.answer()
            assert answer.status == 500
            assert "health check timed out after 15s" in answer.error["message"]
            assert 15 <= time.monotonic() - began < 15 + 2 + ALLOWANCE_S
    for running in (silent, lost):
        assert running.running() == []
        assert running.look() == []


@pytest.mark.parametrize("command", ["/no/such/program", "/etc/hostname", "no-such-program"])
def test_a_command_that_cannot_be_run_is_told(daemon: StartDaemon, command: str) -> None:
    running = daemon({"bad": {"cmd": command, "proxy": "http://127.0.0.1:9"}, "b": fake("b")})
    answer = running.chat("bad")
    assert answer.status == 500
    assert answer.error["message"].startswith(f"unspecific error: failed to start command '{command}': ")
    assert running.chat("b").status == 200


def test_a_model_that_exits_while_idle_is_seen_and_started_again(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a")})
    assert running.chat("a").status == 200
    os.kill(running.model_pid("a"), signal.SIGKILL)
    until(lambda: running.running() == [], "its end in /running", 1 + ALLOWANCE_S)
    assert running.chat("a").status == 200
    assert running.starts() == ["a", "a"]


def test_a_server_forked_by_a_wrapper_is_stopped_with_it(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a", "--wrap"), "b": fake("b")})
    assert running.chat("a").status == 200
    tree = running.look()
    assert len(tree) == 3
    assert running.chat("b").status == 200
    assert not [process for process in tree if alive(process)]
    assert running.entries("violation") == []


def test_an_idle_model_without_ttl_stays_and_one_with_it_goes(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a", "--tokens", "30", "--token-delay", "0.1", ttl=1), "b": fake("b")})
    began = time.monotonic()
    assert running.chat("a").status == 200  # takes 3 s, three times its ttl
    until(lambda: running.running() == [], "its unloading")
    assert time.monotonic() - began > 3 + 1
    assert running.chat("a").status == 200


def test_a_model_that_floods_its_log_is_not_held_up(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a", "--flood", str(20 << 20))}, logToStdout="both")
    with running.wire() as stalled:
        stalled.ask("GET", "/logs/stream/a")
        assert running.chat("a").status == 200
    assert len(running.get("/logs/stream/a?no-follow").body) <= 100 << 10


def test_a_stranger_on_the_port_is_no_model(daemon: StartDaemon) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        running = daemon({"a": fake("a")}, startPort=stranger.getsockname()[1])
        answer = running.chat("a")
        assert answer.status == 500
        assert "already in use by" in answer.error["message"]


def test_a_model_whose_leader_died_is_waited_for_and_started_again(daemon: StartDaemon) -> None:
    """Its children hold on for seconds; a request in the meantime must not run into a refused connection."""
    running = daemon({"a": fake("a", "--setsid", unloadTimeout=6)})
    assert running.chat("a").status == 200
    os.kill(running.model_pid("a"), signal.SIGKILL)
    running.log.wait(r">> Dying\(model='a'")
    assert running.queue()["running"][0]["state"] == "stopping"
    assert running.chat("a").status == 200
    assert running.starts() == ["a", "a"]


def test_a_reload_keeps_a_model_whose_command_is_the_same(daemon: StartDaemon) -> None:
    """Its ttl, its names and its description are ours alone: the process need not know."""
    running = daemon({"a": fake("a")})
    assert running.chat("a").status == 200
    pid = running.model_pid("a")
    running.configure({"models": {"a": fake("a", ttl=600, description="new", aliases=["other"])}})
    running.signal(signal.SIGHUP)
    running.log.wait("reload: done")
    assert running.chat("other").status == 200
    assert running.model_pid("a") == pid
