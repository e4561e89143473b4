"""The cases of the router that need real processes and connections, by number: selectors, websockets, limits."""

import hashlib
import json
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.e2e.conftest import StartDaemon
from tests.e2e.running import Daemon, fake, until
from tests.e2e.wire import CutError, Wire

pytestmark = pytest.mark.e2e

TOGETHER = {
    "scheduler": {"use": "fifo"},
    "router": {"use": "group", "settings": {"groups": {"g": {"swap": False, "members": ["a", "b", "c"]}}}},
}
IGNORED = {"ignoreWebsockets": True}
SLOW = ("--tokens", "40000", "--token-delay", "0.05")
HANDSHAKE = {
    "Connection": "keep-alive, Upgrade",
    "Upgrade": "WebSocket",
    "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec_WebSocket_Version": "13",
}

# -- limits ------------------------------------------------------------------------------------------------------------


def test_r_03_a_stream_beyond_the_limit_is_refused_in_json(daemon: StartDaemon) -> None:
    """Whatever a waiting stream would be shown: nothing of it goes out before the refusal."""
    running = daemon({"a": fake("a", "--load", "600", concurrencyLimit=1, sendLoadingState=True)})
    with running.wire() as first, running.wire() as second:
        first.chat("a", stream=True)
        running.until_waiting(1)
        second.chat("a", stream=True, Accept="text/event-stream")
        answer = second.answer()
        assert (answer.status, answer.headers["content-type"]) == (429, "application/json")
        assert answer.headers["retry-after"]
        assert answer.error["code"] == "concurrency_limit"
        assert answer.error["message"] == "Too many requests"


# -- websockets --------------------------------------------------------------------------------------------------------


def websocket(running: Daemon, model: str) -> Wire:
    """A handshake with *model*; its answer is still to be read."""
    wire = running.wire()
    wire.ask("GET", f"/upstream/{model}/ws", None, **HANDSHAKE)
    return wire


def echoes(wire: Wire) -> bool:
    """Whether a frame comes back."""
    wire.send(b"\x81\x82\0\0\0\0hi")
    return wire.take(4) == b"\x81\x02hi"


def test_r_04_an_ignored_websocket_starts_nothing(daemon: StartDaemon) -> None:
    """Neither a stopped model nor one that is loading will do, and nobody is counted."""
    running = daemon({"a": fake("a", "--load", "600", compat=IGNORED)})
    message = "model a is not loaded; ignored websocket requests cannot start it"
    with websocket(running, "a") as refused:
        answer = refused.answer()
        assert (answer.status, answer.error["message"], answer.error["code"]) == (409, message, "conflict")
    assert running.starts() == []
    with running.wire() as loading:
        loading.chat("a")
        running.until_waiting(1)
        with websocket(running, "a") as refused:
            assert refused.answer().error["message"] == message
        assert len(running.queue()["waiting"]) == 1
    assert running.entries() == []


def test_r_05_an_ignored_websocket_keeps_nobody_from_the_place(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a", compat=IGNORED), "b": fake("b")})
    assert running.chat("a").status == 200
    with websocket(running, "a") as wire:
        assert wire.head()[0] == 101
        assert echoes(wire)
        assert running.queue()["running"][0]["requests"] == 0
        assert running.chat("a").status == 200  # nor does it take the one place of serial
        assert running.chat("b").status == 200
        assert wire.ended()
    assert running.running() == [("b", "ready")]


def test_r_06_another_websocket_is_a_request_like_others(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a")})
    with websocket(running, "a") as wire:
        assert wire.head()[0] == 101
        assert echoes(wire)
        assert running.queue()["running"][0]["requests"] == 1
    until(lambda: running.queue()["running"][0]["requests"] == 0, "the end of the websocket")


def test_r_22_an_ignored_websocket_does_not_keep_a_model_from_its_ttl(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a", ttl=2, compat=IGNORED)})
    assert running.chat("a").status == 200
    with websocket(running, "a") as wire:
        assert wire.head()[0] == 101
        opened = time.monotonic()
        with suppress(CutError, ConnectionError):  # it may end while it is used
            while not wire.ended_within(0.2):
                assert time.monotonic() - opened < 30
                assert echoes(wire)
    until(lambda: running.running() == [], "its unloading")


# -- selectors ---------------------------------------------------------------------------------------------------------


def select(strategy: str, *targets: str, **settings: int) -> dict[str, object]:
    return {"s": {"strategy": strategy, "targets": list(targets), **({"settings": settings} if settings else {})}}


def asked(wire: Wire, held: ExitStack) -> str:
    """The model that begins to answer a stream, which goes on."""
    held.enter_context(wire)
    wire.chat("s", stream=True)
    status, headers = wire.head()
    assert status == 200
    return headers["x-fake-model"]


def test_r_24_and_r_25_spillover_fills_and_levels(daemon: StartDaemon) -> None:
    """Two requests for a, then one for b; once all are ready and one of a has ended, c is the least busy."""
    models = {name: fake(name, *SLOW, aliases=[f"{name}-alias"]) for name in "abc"}
    running = daemon(models, routing=TOGETHER, selectors=select("spillover", "a-alias", "b", "c", spillover=2))
    with ExitStack() as held:
        first = running.wire()
        assert [asked(first, held), asked(running.wire(), held), asked(running.wire(), held)] == ["a", "a", "b"]
        assert running.request("POST", "/api/models/load/c").status == 200
        first.sock.close()
        until(lambda: [row["requests"] for row in running.queue()["running"]] == [1, 1, 0], "the end of the first")
        assert asked(running.wire(), held) == "c"
    sent = {"model": "a-alias", "messages": [{"role": "user", "content": "hello"}], "stream": True}
    assert running.entries()[0]["sha256"] == hashlib.sha256(json.dumps(sent).encode()).hexdigest()


def test_r_26_without_a_target_there_is_no_answer(daemon: StartDaemon, pause: Path) -> None:
    models = {"a": fake("a", "--stop-while", str(pause), unloadTimeout=60), "b": fake("b")}
    running = daemon(models, selectors=select("spillover", "a"))
    assert running.chat("s").status == 200
    with running.wire() as unloading:
        unloading.ask("GET", "/unload")
        until(lambda: running.running() == [("a", "stopping")], "its stopping")
        answer = running.chat("s")
        assert (answer.status, answer.error["code"]) == (503, "service_unavailable")
        assert answer.error["message"] == 'selector "s" has no available spillover targets'
        pause.unlink()
        assert unloading.answer().text == "OK"
    assert running.chat("s").status == 200


def test_r_27_warm_goes_where_it_is_warm(daemon: StartDaemon, pause: Path) -> None:
    models = {"a": fake("a", "--load-while", str(pause)), "b": fake("b"), "c": fake("c")}
    running = daemon(models, routing=TOGETHER, selectors=select("warm", "b", "a", "c"))
    with running.wire() as loading, running.wire() as selected:
        loading.chat("a")
        running.until_waiting(1)
        selected.chat("s")
        running.until_waiting(2)
        pause.unlink()
        assert selected.answer().headers["x-fake-model"] == "a"
        assert loading.answer().status == 200
    assert running.request("POST", "/api/models/unload/a").status == 200
    assert running.request("POST", "/api/models/load/c").status == 200
    assert running.chat("s").headers["x-fake-model"] == "c"
    assert running.get("/unload").status == 200
    assert running.chat("s").headers["x-fake-model"] == "b"


def test_a_selector_is_a_name_for_requests_only(daemon: StartDaemon) -> None:
    """It is listed, and neither a path nor an order knows it; an alias of a model works as its target."""
    running = daemon({"a": fake("a", aliases=["aa"], useModelName="real")}, selectors=select("pin", "aa"))
    assert running.chat("s").status == 200
    assert running.get("/v1/audio/voices?x=1&model=s").status == 404  # the model's own answer
    assert running.entries()[-1]["path"] == "/v1/audio/voices?x=1&model=aa"
    assert running.get("/upstream/s/echo").status == 404
    assert running.request("POST", "/api/models/unload/s").status == 404
    listed = {record["id"]: record for record in running.get("/v1/models").json()["data"]}
    assert listed["s"]["status"] == {"value": "loaded"}
    sent = {"model": "real", "messages": [{"role": "user", "content": "hello"}], "stream": False}
    assert running.entries()[0]["sha256"] == hashlib.sha256(json.dumps(sent).encode()).hexdigest()
