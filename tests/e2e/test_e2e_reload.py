"""Reloads of a real daemon: what is unchanged goes on, what changes drains, and the queue keeps its order."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import StartDaemon
from tests.e2e.reloads import run
from tests.e2e.running import Daemon, fake, until

pytestmark = pytest.mark.e2e


def reload(running: Daemon, models: dict[str, Any], **keys: Any) -> list[str]:
    """Reload to *models*, and return the plan's lines."""
    running.configure({"models": models, **keys})
    answer = running.request("POST", "/api/config/reload")
    assert answer.status == 200, answer.text
    text: list[str] = answer.json()["plan"]["text"]
    return text


def test_short_reloads_under_load(tmp_path: Path) -> None:
    run(12, 4711, tmp_path)


def test_a_bad_file_changes_nothing_and_is_explained(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a")})
    assert running.chat("a").status == 200
    pid = running.model_pid("a")
    running.config_file.write_text("models:\n  a:\n    cmd: srv ${PORT}\n    ttl: soon\n")
    answer = running.request("POST", "/api/config/reload")
    assert answer.status == 422
    assert "models.a.ttl" in answer.json()["error"]["message"]
    running.log.wait(r"reload: the configuration is unchanged")
    held = running.get("/api/config").json()
    (problem,) = held["last_reload"]["problems"]
    assert (problem["file"], problem["line"], problem["path"]) == (str(running.config_file), 4, "models.a.ttl")
    assert (held["generation"], held["last_reload"]["ok"]) == (1, False)
    assert running.chat("a").status == 200
    assert running.model_pid("a") == pid


def test_queued_requests_keep_their_place_when_another_model_goes(daemon: StartDaemon, pause: Path) -> None:
    slow = fake("a", "--pause", str(pause))
    running = daemon({"a": slow, "b": fake("b"), "c": fake("c")})
    with running.wire() as served, running.wire() as lost, running.wire() as first, running.wire() as second:
        served.chat("a", stream=True)
        running.until_serving("a")
        for count, (wire, model) in enumerate(((lost, "b"), (first, "c"), (second, "a")), 1):
            wire.chat(model)
            running.until_waiting(count)
        lines = reload(running, {"a": slow, "c": fake("c")})
        assert "queue: 2 requests in the same order; 1 request for models that are gone: 404" in lines
        assert lost.answer().status == 404
        assert [row["model"] for row in running.queue()["waiting"]] == ["c", "a"]
        pause.unlink()
        assert served.answer().text.endswith("data: [DONE]\n\n")
        assert (first.answer().status, second.answer().status) == (200, 200)
    assert running.starts() == ["a", "c", "a"]


def test_a_removed_model_finishes_its_answer_to_the_end(daemon: StartDaemon, pause: Path) -> None:
    running = daemon({"a": fake("a", "--pause", str(pause)), "b": fake("b")})
    with running.wire() as served:
        served.chat("a", stream=True)
        assert served.head()[0] == 200
        assert "- a: stops after 1 request" in reload(running, {"b": fake("b")})
        assert running.chat("a").status == 404
        with running.wire() as waiting:
            waiting.chat("b")
            running.until_waiting(1)
            pause.unlink()
            assert b"".join(iter(served.chunk, b"")).endswith(b"data: [DONE]\n\n")
            assert waiting.answer().status == 200
    assert [model for model, _ in running.running()] == ["b"]


def test_the_last_of_several_writes_wins(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a")})
    for number in range(8):
        running.configure({"models": {"a": fake("a"), f"v{number}": fake("v")}})
        running.signal(signal.SIGHUP)
    until(lambda: '"v7"' in running.get("/v1/models").text, "the last write in force")
    # Asked for after them all, so nothing of theirs comes after it.
    assert running.request("POST", "/api/config/reload").json()["plan"]["nothing_changes"]


def test_a_model_that_sorts_first_moves_nobody(daemon: StartDaemon) -> None:
    running = daemon({"m": fake("m"), "n": fake("n")}, routing=_fifo("m", "n"))
    assert (running.chat("m").status, running.chat("n").status) == (200, 200)
    before = {row["model"]: (row["pid"], row["state"]) for row in running.queue()["running"]}
    ports = {row["model"]: row["proxy"] for row in running.get("/running").json()["running"]}
    names = ("a", "m", "n")
    assert reload(running, {name: fake(name) for name in names}, routing=_fifo(*names)) == [
        "models: 2 kept, 1 added",
        "+ a",
        "changes at once: routing.router",
    ]
    assert running.chat("a").status == 200
    after = {row["model"]: (row["pid"], row["state"]) for row in running.queue()["running"]}
    assert {name: after[name] for name in ("m", "n")} == before
    moved = {row["model"]: row["proxy"] for row in running.get("/running").json()["running"]}
    assert {name: moved[name] for name in ("m", "n")} == ports
    assert len(set(moved.values())) == 3


def _fifo(*members: str) -> dict[str, Any]:
    groups = {"g": {"swap": False, "members": list(members)}}
    return {"scheduler": {"use": "fifo"}, "router": {"settings": {"groups": groups}}}


def test_a_port_in_use_by_what_drains_is_not_given_away(daemon: StartDaemon, pause: Path) -> None:
    running = daemon({"a": fake("a", "--pause", str(pause))}, routing=_fifo("a"))
    with running.wire() as served:
        served.chat("a", stream=True)
        assert served.head()[0] == 200
        old = running.get("/running").json()["running"][0]["proxy"]
        reload(running, {"b": fake("b"), "c": fake("c")}, routing=_fifo("b", "c"))
        pause.unlink()
        assert b"".join(iter(served.chunk, b"")).endswith(b"data: [DONE]\n\n")
        assert (running.chat("b").status, running.chat("c").status) == (200, 200)
        proxies = [row["proxy"] for row in running.get("/running").json()["running"]]
    assert len(proxies) == 2
    assert old not in proxies


def test_a_changed_model_that_is_just_loading_is_loaded_as_it_is_now(daemon: StartDaemon) -> None:
    """Its caller gets the answer of the new one, and nobody sees a failure."""
    running = daemon({"a": fake("old", "--load", "60")})
    with running.wire() as caller:
        caller.chat("a")
        until(lambda: ("a", "starting") in running.running(), "a loading")
        assert reload(running, {"a": fake("new")})[1].startswith("~ a: stops now, and starts anew")
        assert caller.answer().headers["x-fake-model"] == "new"


def test_during_a_swap(daemon: StartDaemon, pause: Path) -> None:
    """A is being stopped for b, which changes, while c comes and a goes."""
    running = daemon({"a": fake("a", "--stop-while", str(pause)), "b": fake("b")}, unloadTimeout=60)
    assert running.chat("a").status == 200
    with running.wire() as caller:
        caller.chat("b")
        until(lambda: ("a", "stopping") in running.running(), "a stopping")
        reload(running, {"b": fake("new"), "c": fake("c")}, unloadTimeout=60)
        pause.unlink()
        assert caller.answer().headers["x-fake-model"] == "new"
    assert running.chat("c").status == 200
    assert running.starts() == ["a", "new", "c"]


def test_during_the_shutdown_nothing_is_replaced(daemon: StartDaemon, pause: Path) -> None:
    running = daemon({"a": fake("a", "--pause", str(pause))})
    with running.wire() as served, running.wire() as late:
        served.chat("a", stream=True)
        assert served.head()[0] == 200
        late.ask("GET", "/health")
        assert late.answer().status == 200
        running.configure({"models": {"b": fake("b")}})
        running.signal(signal.SIGTERM)
        running.log.wait("shutting down")
        running.signal(signal.SIGHUP)
        pause.unlink()
        assert b"".join(iter(served.chunk, b"")).endswith(b"data: [DONE]\n\n")
    assert running.wait(10) == 0
    assert "reload: done" not in str(running.log)


def test_keys_and_foreign_pages(daemon: StartDaemon) -> None:
    """As every management route: a key where keys are set, and no page of another site may drive it."""
    running = daemon({"a": fake("a")})
    foreign = {"Origin": "https://evil.example", "Content_Length": "0"}
    assert running.request("POST", "/api/config/reload", None, **foreign).status == 403
    assert running.request("POST", "/api/config/reload", Sec_Fetch_Site="cross-site", Content_Length="0").status == 403
    assert running.get("/api/config", Origin="https://evil.example").status == 403
    assert running.get("/api/config").json()["last_reload"] is None
    reload(running, {"a": fake("a")}, apiKeys=["k3y"])
    for method, path in (("GET", "/api/config"), ("POST", "/api/config/reload")):
        assert running.request(method, path).status == 401
        answer = running.request(method, path, Authorization="Bearer k3y")
        assert answer.status == 200
        assert "k3y" not in answer.text
    assert "k3y" not in str(running.log)


def test_every_model_stops_where_that_is_wanted(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a")}, reload={"keepModels": False})
    assert running.chat("a").status == 200
    reload(running, {"a": fake("a")}, reload={"keepModels": False})
    until(lambda: running.running() == [], "the end of all models")


def test_only_what_is_new_or_changed_is_preloaded_again(daemon: StartDaemon) -> None:
    models = {"a": fake("a"), "b": fake("b")}
    running = daemon(models, hooks={"on_startup": {"preload": ["a"]}})
    until(lambda: running.running() == [("a", "ready")], "a preloaded")
    assert running.chat("b").status == 200
    reload(running, models, hooks={"on_startup": {"preload": ["a"]}}, logLevel="info")
    assert running.running() == [("b", "ready")]
    lines = reload(running, models, hooks={"on_startup": {"preload": ["a", "b"]}})
    assert "preloads: b" in lines
    reload(running, models | {"c": fake("c")}, hooks={"on_startup": {"preload": ["a", "c"]}})
    until(lambda: running.running() == [("c", "ready")], "c preloaded")
    assert running.starts() == ["a", "b", "c"]


def test_what_is_printed_follows_a_reload(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a")})
    assert running.chat("a").status == 200
    assert "READY" not in str(running.log)
    reload(running, {"a": fake("a"), "b": fake("b")}, logToStdout="both")
    assert running.chat("b").status == 200
    running.log.wait("^READY")


def test_the_sources_are_told(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a")})
    held = json.loads(running.get("/api/config").body)
    assert held["sources"] == [str(running.config_file)]
