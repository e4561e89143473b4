"""The management routes on the wire, byte for byte, over the real dispatcher."""

import json
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from llamaswap.schedule.forecast import MOST_WAITING
from tests.control.rig import CONFIG, A, B, C, control_plane

JSON, TEXT = "application/json", "text/plain; charset=utf-8"


async def test_running_lists_what_is_not_stopped(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as rig:
        answer = await rig.ask("GET", "/running")
        assert (answer.status, answer.headers["content-type"]) == (200, JSON)
        assert answer.body == b'{"running":[]}\n'
        with rig.dispatcher.request(A) as lease:
            (await rig.started(A)).becomes_ready()
            await lease.wait()
            assert (await rig.ask("GET", "/running")).body.decode() == (
                '{"running":[{"model":"a","state":"ready","cmd":"serve a --é","proxy":"http://127.0.0.1:5801",'
                '"ttl":300,"name":"","description":"first"}]}\n'
            )


async def test_the_queue_tells_who_waits_for_what(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as rig:
        with rig.dispatcher.request(A), rig.dispatcher.request(B), rig.dispatcher.request(A):
            (await rig.started(A)).becomes_ready()
            queue = json.loads((await rig.ask("GET", "/api/queue")).body)
        (running,) = queue["running"]
        assert running.pop("since_s") >= 0
        assert [(each.pop("ticket"), each.pop("served_s") >= 0, each) for each in running.pop("serving")] == [
            (1, True, {})
        ]
        assert running == {"model": "a", "state": "ready", "pid": 4711, "requests": 1, "ttl_s": 300, "idle_s": None}
        assert [(w["ticket"], w["model"], w["position"]) for w in queue["waiting"]] == [(2, "org/b", 1), (3, "a", 2)]
        assert all(0 <= w["waited_s"] < 30 for w in queue["waiting"])
        assert queue["waiting_total"] == 2
        assert not any("starts_in_s" in w for w in queue["waiting"])


async def test_the_queue_tells_what_is_to_be_expected(tmp_path: Path) -> None:
    """From what was measured; for the queue's end by extrapolation; nothing for what is unknown, or behind it."""
    async with control_plane(tmp_path) as rig:
        for model in (A, B):
            times = rig.forecaster.stopwatch.measured.of(model)
            for _ in range(8):
                times.load.add(500.0)
                times.service.add(300.0)
        rig.forecaster.stopwatch.measured.any_stop.add(100.0)
        with ExitStack() as requests:
            for _ in range(MOST_WAITING + 2):
                requests.enter_context(rig.dispatcher.request(A))
            queue = json.loads((await rig.ask("GET", "/api/queue")).body)
            (loading,) = queue["running"]
            assert loading["ready_in_s"] == {key: pytest.approx(500, abs=60) for key in ("low", "likely", "high")}
            first, second, *_, last = queue["waiting"]
            assert (first["phase"], first["starts_in_s"]["likely"]) == ("loading", pytest.approx(500, abs=60))
            assert second["starts_in_s"]["likely"] == pytest.approx(800, abs=60)
            assert last["starts_in_s"]["likely"] == pytest.approx(500 + 300 * (MOST_WAITING + 1), abs=100)
            assert ("extrapolated" in second, last["extrapolated"]) == (False, True)
            (await rig.started(A)).becomes_ready()
            requests.enter_context(rig.dispatcher.request(C))
            queue = json.loads((await rig.ask("GET", "/api/queue")).body)
            (serving,) = queue["running"][0]["serving"]
            assert serving["ends_in_s"]["likely"] == pytest.approx(300, abs=60)


async def test_who_waits_for_the_unknown_is_told_nothing(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as rig:
        rig.forecaster.stopwatch.measured.of(A).load.add(500.0)
        with rig.dispatcher.request(A), rig.dispatcher.request(C), rig.dispatcher.request(A):
            waiting = json.loads((await rig.ask("GET", "/api/queue")).body)["waiting"]
        assert ["starts_in_s" in each for each in waiting] == [True, False, False]
        assert [each["phase"] for each in waiting] == ["loading", "queued", "loading"]


async def test_load_waits_until_the_model_is_ready(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as rig, trio.open_nursery() as nursery:
        answers = []

        async def load() -> None:
            answers.append(await rig.ask("POST", "/api/models/load/x%2Fy"))

        nursery.start_soon(load)
        process = await rig.started(B)
        assert not answers
        process.becomes_ready()
        while not answers:
            await trio.lowlevel.checkpoint()
        assert (answers[0].status, answers[0].headers["content-type"], answers[0].body) == (
            200,
            JSON,
            b'{"msg":"ok"}\n',
        )


async def test_a_failed_load_tells_why(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as rig, trio.open_nursery() as nursery:

        async def fail() -> None:
            (await rig.started(A)).fails("exit code 3")

        nursery.start_soon(fail)
        answer = await rig.ask("POST", "/api/models/load/a")
        assert answer.status == 500
        assert json.loads(answer.body)["error"]["message"] == "unspecific error: exit code 3"


async def test_a_loader_that_leaves_is_forgotten(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as rig:
        async with await trio.open_unix_socket(str(rig.socket)) as stream:
            await stream.send_all(b"POST /api/models/load/a HTTP/1.1\r\nHost: x\r\n\r\n")
            await rig.started(A)
            assert len(rig.dispatcher.waiting()) == 1
        while rig.dispatcher.waiting():
            await trio.lowlevel.checkpoint()


@pytest.mark.parametrize(
    ("method", "target", "content_type", "body"),
    [
        ("GET", "/unload", TEXT, b"OK"),
        ("POST", "/api/models/unload", JSON, b'{"msg":"ok"}\n'),
        ("POST", "/api/models/unload/org/b", TEXT, b"OK"),
        ("POST", "/api/models/unload/org%2Fb", TEXT, b"OK"),
        ("POST", "/api/models/unload//bee", TEXT, b"OK"),
    ],
)
async def test_unload_answers_when_it_is_done(
    tmp_path: Path, method: str, target: str, content_type: str, body: bytes
) -> None:
    async with control_plane(tmp_path) as rig:
        for _ in range(2):  # of a running model, and of a stopped one
            answer = await rig.ask(method, target)
            assert (answer.status, answer.headers["content-type"], answer.body) == (200, content_type, body)
            assert not rig.dispatcher.running()
            if not rig.processes:
                with rig.dispatcher.request(B) as lease:
                    (await rig.started(B)).becomes_ready()
                    await lease.wait()


async def test_what_cannot_be_stopped_is_named(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as rig:
        with rig.dispatcher.request(A):
            (await rig.started(A)).becomes_ready()
        rig.processes[0].stuck = True
        answer = await rig.ask("GET", "/unload")
        assert answer.status == 500
        assert "could not be stopped, and still running: a" in json.loads(answer.body)["error"]["message"]


@pytest.mark.parametrize("order", ["load", "unload"])
async def test_unknown_models(tmp_path: Path, order: str) -> None:
    async with control_plane(tmp_path) as rig:
        answer = await rig.ask("POST", f"/api/models/{order}/nobody", "Accept: text/plain")
        assert (answer.status, answer.body) == (404, b"llama-swap: model not found")
        answer = await rig.ask("POST", f"/api/models/{order}/nobody")
        assert json.loads(answer.body)["error"]["code"] == "not_found"
        assert not rig.processes


async def test_version(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as rig:
        answer = await rig.ask("GET", "/api/version")
        assert answer.body == b'{"build_date":"today","commit":"abc","version":"1.2"}\n'


@pytest.mark.parametrize("path", ["/v1/models", "/models"])
async def test_the_model_list(tmp_path: Path, path: str) -> None:
    async with control_plane(tmp_path, replace(CONFIG, include_aliases_in_list=True)) as rig:
        with rig.dispatcher.request(B):
            await rig.started(B)
            answer = await rig.ask("GET", path, "Origin: http://localhost:3")
        assert answer.headers["access-control-allow-origin"] == "http://localhost:3"
        listed = json.loads(answer.body)
        assert list(listed) == ["object", "data"]
        assert [(r["id"], r["status"]["value"]) for r in listed["data"]] == [
            ("a", "unloaded"),
            ("bee", "loaded"),
            ("org/b", "loaded"),
            ("x/y", "loaded"),
        ]
        a, bee, b, _ = listed["data"]
        assert list(a) == ["id", "object", "created", "owned_by", "description", "meta", "status"]
        assert (a["object"], a["owned_by"], a["description"]) == ("model", "llama-swap", "first")
        assert abs(a["created"] - time.time()) < 60
        assert a["meta"] == {"llamaswap": {"type": "model"}}
        assert (b["name"], b["meta"]) == ("Bee", {"llamaswap": {"aliases": ["bee", "x/y"], "type": "model"}})
        assert (bee["name"], bee["meta"]) == ("Bee", {"llamaswap": {"modelID": "org/b", "type": "alias"}})


async def test_aliases_are_left_out_by_default(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as rig:
        listed = json.loads((await rig.ask("GET", "/v1/models")).body)
        assert [record["id"] for record in listed["data"]] == ["a", "org/b"]


@pytest.mark.parametrize(
    ("method", "target", "allow"),
    [
        ("POST", "/running", "GET, HEAD"),
        ("PUT", "/api/models/unload/a", "POST"),
        ("GET", "/api/models/load/a", "POST"),
        ("OPTIONS", "/running", "GET, HEAD"),
        ("DELETE", "/logs/stream/a", "GET, HEAD"),
    ],
)
async def test_wrong_methods(tmp_path: Path, method: str, target: str, allow: str) -> None:
    async with control_plane(tmp_path) as rig:
        answer = await rig.ask(method, target, "Content-Length: 0")
        assert (answer.status, answer.headers["allow"]) == (405, allow)
        assert (answer.headers["content-type"], answer.body) == (TEXT, b"Method Not Allowed\n")


@pytest.mark.parametrize("target", ["/nothing", "/v1/models/", "/running/x", "/%ff", "/logs/"])
async def test_unknown_paths(tmp_path: Path, target: str) -> None:
    async with control_plane(tmp_path) as rig:
        answer = await rig.ask("GET", target, "Accept: application/json")
        assert (answer.status, answer.headers["content-type"], answer.body) == (404, TEXT, b"404 page not found\n")


async def test_the_front_door(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as rig:
        answer = await rig.ask("GET", "/")
        assert (answer.status, answer.headers["location"]) == (302, "/ui")
        head = await rig.ask("HEAD", "/running")
        assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "15")
        assert "server" not in head.headers


async def test_a_bug_in_a_handler_is_one_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with control_plane(tmp_path) as rig:
        with monkeypatch.context() as patched:
            patched.setattr(type(rig.dispatcher), "running", lambda _: 1 / 0)
            answer = await rig.ask("GET", "/running")
        assert (answer.status, json.loads(answer.body)["error"]["code"]) == (500, "internal_error")
        assert "ZeroDivision" not in answer.body.decode()
        assert (await rig.ask("GET", "/running")).status == 200
