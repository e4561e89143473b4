"""What a client learns of its wait: in headers, in a refusal, and while it waits for a stream."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import openai
import pytest
import trio

from llamaswap.errors import UnloadedError
from llamaswap.proxy import waiting
from llamaswap.schedule.forecast_samples import FEW
from tests.gateway.wire import BODY, A, Rig, Wire, answer, post, running

STREAM = b'{"model":"a","stream":true}'
EVENTS = b"Content-Type: text/event-stream"
CHUNK = {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "a"}


def event(text: str) -> bytes:
    choice = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": None}
    return b"data: %b\n\n" % json.dumps({**CHUNK, "choices": [choice]}).encode()


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def configure(rig: Rig, **keys: Any) -> None:
    """Before the first request; the scheduler keeps its own rules."""
    rig.config = replace(rig.config, models={**rig.config.models, A: replace(rig.config.models[A], **keys)})
    rig.dispatcher.replace_config(rig.config)


def measure(rig: Rig, load: float = 500.0, service: float = 300.0) -> None:
    times = rig.plane.handler._forecaster.stopwatch.measured.of(A)
    for _ in range(FEW):
        times.load.add(load)
        times.service.add(service)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams begin without a second's silence, and comments come quickly."""
    monkeypatch.setattr(waiting, "QUIET_S", 0.0)
    monkeypatch.setattr(waiting, "EVERY_S", 0.01)


async def begun(rig: Rig, body: bytes = STREAM, *headers: bytes) -> tuple[Wire, bytes]:
    """A client whose stream has begun while its model loads, and the stream's head."""
    client = await rig.ask(post(body, *headers))
    head = await client.until(b"\r\n\r\n")
    await client.until(b"\n\n")
    return client, head


async def rest(client: Wire) -> bytes:
    """The rest of the stream without its comments; what was read of it ends at a comment's end."""
    assert await client.exactly(2) == b"\r\n"
    body = await client.chunked()
    return b"".join(part + b"\n\n" for part in body.split(b"\n\n") if part and not part.startswith(b":"))


# -- headers ----------------------------------------------------------------------------------------------------------


async def test_an_answer_says_how_long_it_was_waited_for() -> None:
    async with running(loads_by_itself=False) as rig:
        first, second = await rig.ask(post()), await rig.ask(post())
        await rig.dispatcher.until(lambda: rig.dispatcher.arrived == 2)
        await trio.sleep(0.2)  # what is to be measured
        rig.processes[0].becomes_ready()
        for client in (first, second):
            server, _ = await rig.server.request()
            await trio.sleep(0.2)
            await server.send(answer(b"ok", b"Connection: close"))
            got = await client.message()
            queue_ms, load_ms = int(got.get(b"x-queue-wait-ms") or -1), int(got.get(b"x-load-ms") or -1)
            assert load_ms >= 190
            assert (queue_ms < 190) == (client is first)


async def test_an_answer_of_a_ready_model_says_so() -> None:
    async with running() as rig:
        for expected in (None, b"0"):
            client = await rig.ask(post())
            server, _ = await rig.server.request()
            await server.send(answer(b"ok", b"Connection: close"))
            got = await client.message()
            assert expected in (None, got.get(b"x-load-ms"))
            assert expected is None or 0 <= int(got.get(b"x-queue-wait-ms") or -1) < 1000


async def test_an_upstreams_own_account_goes_before_ours() -> None:
    async with running() as rig:
        client = await rig.ask(post())
        server, _ = await rig.server.request()
        await server.send(answer(b"ok", b"X-Queue-Wait-Ms: 7000", b"X-Load-Ms: 12"))
        got = await client.message()
        assert (got.get(b"x-queue-wait-ms"), got.get(b"x-load-ms")) == (b"7000", b"12")


# -- refusals ---------------------------------------------------------------------------------------------------------


async def test_a_full_model_says_when_it_has_a_place() -> None:
    async with running(loads_by_itself=False) as rig:
        configure(rig, concurrency_limit=1)
        await rig.ask(post())
        await rig.dispatcher.until(lambda: rig.dispatcher.arrived == 1)
        got = await (await rig.ask(post())).message()
        assert (got.status, got.get(b"retry-after")) == (429, b"1")
    async with running(loads_by_itself=False) as rig:
        configure(rig, concurrency_limit=1)
        measure(rig)
        await rig.ask(post())
        await rig.dispatcher.until(lambda: rig.dispatcher.arrived == 1)
        got = await (await rig.ask(post())).message()
        assert got.status == 429
        assert int(got.get(b"retry-after") or 0) == pytest.approx(800, abs=20)


# -- streams ----------------------------------------------------------------------------------------------------------


async def test_a_stream_that_waits_is_told_what_to_expect(at_once: None) -> None:
    async with running(loads_by_itself=False) as rig:
        configure(rig, send_loading_state=True)
        measure(rig)
        await rig.ask(post())
        await rig.dispatcher.until(lambda: rig.dispatcher.arrived == 1)
        client = await rig.ask(post(STREAM, b"Accept-Encoding: gzip"))
        head = await client.until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n")
        assert await client.until(b"\n\n") in [
            b"%x\r\n%b\n\n" % (len(comment) + 2, comment)
            for comment in (b": position 2, starts in about %d s" % seconds for seconds in range(790, 801))
        ]
        rig.processes[0].becomes_ready()
        first, _ = await rig.server.request()
        await first.send(answer(b"ok", b"Connection: close"))
        server, request = await rig.server.request()
        assert request.all(b"accept-encoding") == [b"identity"]
        await server.send(b"HTTP/1.1 200 OK\r\n%b\r\nTransfer-Encoding: chunked\r\n\r\n" % EVENTS)
        await server.send(chunked(event("hello"), b"data: [DONE]\n\n"))
        assert await rest(client) == event("hello") + b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (answer(b'{"error":{"message":"no","code":7}}', status=b"400 Bad"), {"error": {"message": "no", "code": 7}}),
        (
            b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"still ", b"loading"),
            {"error": {"message": "still loading", "type": "server_error", "param": None, "code": 503}},
        ),
        (
            b"HTTP/1.1 404 No\r\nConnection: close\r\n\r\n" + b'{"error":"unknown"}',
            {"error": {"message": "unknown", "type": "invalid_request_error", "param": None, "code": 404}},
        ),
        (answer(b'{\n "whole": "answer"\n}', b"Content-Type: application/json"), {"whole": "answer"}),
        (
            answer(b"<html>", b"Content-Type: text/html"),
            {
                "error": {
                    "message": "upstream proxy error: a stream was asked for, and something else came",
                    "type": "server_error",
                    "param": None,
                    "code": "bad_gateway",
                }
            },
        ),
    ],
    ids=("json", "chunked text", "to the end", "no stream", "no json"),
)
async def test_what_is_no_stream_becomes_an_event(at_once: None, response: bytes, expected: dict[str, Any]) -> None:
    async with running(loads_by_itself=False) as rig:
        configure(rig, send_loading_state=True)
        client, _ = await begun(rig)
        rig.processes[0].becomes_ready()
        server, _ = await rig.server.request()
        await server.send(response)
        await server.close()
        first, done, end = (await rest(client)).split(b"\n\n")
        assert json.loads(first.removeprefix(b"data: ")) == expected
        assert (done, end) == (b"data: [DONE]", b"")


async def test_an_upstream_that_breaks_off_before_its_head_is_an_event(at_once: None) -> None:
    async with running(loads_by_itself=False) as rig:
        configure(rig, send_loading_state=True)
        client, _ = await begun(rig)
        rig.processes[0].becomes_ready()
        server, _ = await rig.server.request()
        await server.reset()
        assert b'"code":"bad_gateway"' in await rest(client)
    assert [line.split('" ')[1].split()[0] for line in rig.lines] == ["502"]  # the log tells the real status


async def test_a_refusal_is_an_event(at_once: None) -> None:
    async with running(loads_by_itself=False) as rig:
        configure(rig, send_loading_state=True)
        client, _ = await begun(rig)
        await rig.dispatcher.unload(None)
        assert UnloadedError.code.encode() in await rest(client)


async def test_a_stream_that_breaks_off_is_cut(at_once: None) -> None:
    async with running(loads_by_itself=False) as rig:
        configure(rig, send_loading_state=True)
        client, _ = await begun(rig)
        rig.processes[0].becomes_ready()
        server, _ = await rig.server.request()
        await server.send(b"HTTP/1.1 200 OK\r\n%b\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nda" % EVENTS)
        await client.until(b"5\r\nda")
        await server.close()
        await client.ended()
        assert b"0\r\n\r\n" not in client.buffer


async def test_an_old_client_gets_it_without_frames(at_once: None) -> None:
    async with running(loads_by_itself=False) as rig:
        configure(rig, send_loading_state=True)
        raw = post(STREAM).replace(b"HTTP/1.1", b"HTTP/1.0")
        client = await rig.ask(raw)
        head = await client.until(b"\r\n\r\n")
        assert b"transfer-encoding" not in head.lower()
        await client.until(b"\n\n")
        rig.processes[0].becomes_ready()
        server, _ = await rig.server.request()
        await server.send(b"HTTP/1.1 200 OK\r\n%b\r\nTransfer-Encoding: chunked\r\n\r\n" % EVENTS)
        await server.send(chunked(event("hello")))
        assert (await client.all()).endswith(event("hello"))


async def test_a_client_that_leaves_while_it_is_told_leaves(at_once: None) -> None:
    async with running(loads_by_itself=False) as rig:
        configure(rig, send_loading_state=True)
        client, _ = await begun(rig)
        await client.close()
        await rig.idle()


@pytest.mark.parametrize(
    ("body", "path", "on"),
    [
        (STREAM, b"/v1/chat/completions", False),
        (BODY, b"/v1/chat/completions", True),
        (STREAM, b"/v1/completions", True),
    ],
    ids=("switched off", "no stream", "no chat"),
)
async def test_others_are_told_nothing_before_their_answer(at_once: None, body: bytes, path: bytes, on: bool) -> None:
    async with running(loads_by_itself=False) as rig:
        configure(rig, send_loading_state=on)
        client = await rig.ask(post(body, path=path))
        await rig.dispatcher.until(lambda: rig.dispatcher.arrived == 1)
        for _ in range(50):
            await trio.lowlevel.checkpoint()
        rig.processes[0].becomes_ready()
        server, _ = await rig.server.request()
        await server.send(answer(b"no", status=b"418 No"))
        assert (await client.message()).status == 418


async def test_a_short_wait_is_answered_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error within the first second keeps its status; here a second that a busy machine cannot miss."""
    monkeypatch.setattr(waiting, "QUIET_S", 30.0)
    async with running() as rig:
        configure(rig, send_loading_state=True)
        client = await rig.ask(post(STREAM))
        server, _ = await rig.server.request()
        await server.send(answer(b"no", status=b"418 No"))
        assert (await client.message()).status == 418


async def test_a_real_client_library_ignores_comments(at_once: None, tmp_path: Path) -> None:
    async with running(loads_by_itself=False) as rig:
        configure(rig, send_loading_state=True)
        got: list[str] = []

        def ask() -> None:
            with openai.OpenAI(base_url=f"http://127.0.0.1:{rig.port}/v1", api_key="x", max_retries=0) as client:
                messages: Any = [{"role": "user", "content": "hi"}]
                for chunk in client.chat.completions.create(model="a", messages=messages, stream=True):
                    got.append(chunk.choices[0].delta.content or "")

        async def answer_it(response: bytes) -> None:
            server, _ = await rig.server.request()
            await server.send(response)
            await server.close()

        async def once(response: bytes) -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.to_thread.run_sync, ask)
                await rig.dispatcher.until(lambda: rig.dispatcher.outstanding == 1)
                await trio.sleep(0.1)  # some comments
                if not any(running.state == "ready" for running in rig.dispatcher.running()):
                    rig.processes[-1].becomes_ready()
                await answer_it(response)

        head = b"HTTP/1.1 200 OK\r\n%b\r\nTransfer-Encoding: chunked\r\n\r\n" % EVENTS
        await once(head + chunked(event("hel"), event("lo"), b"data: [DONE]\n\n"))
        assert got == ["hel", "lo"]
        await rig.dispatcher.unload(None)
        with pytest.RaisesGroup(pytest.RaisesExc(openai.APIError, match="out of memory")):
            await once(answer(b'{"error":{"message":"out of memory","code":500}}', status=b"500 No"))
