"""The embedded server as its clients see it: real llama.cpp, a real model, real HTTP."""

import http.client
import json
import signal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.embedded.serving import Running, serve

pytestmark = pytest.mark.embedded

QUESTION = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 8}
ENDLESS = {"messages": [{"role": "user", "content": "Count."}], "max_tokens": 1500, "ignore_eos": True, "stream": True}


def ask(
    server: Running, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    connection.request(
        method, path, None if body is None else json.dumps(body), {"Connection": "close", **(headers or {})}
    )
    return connection.getresponse()


def answer(server: Running, path: str, body: object) -> Any:
    with ask(server, "POST", path, body) as response:
        assert response.status == 200, response.read()
        return json.load(response)


def test_health_is_ok_once_the_ready_line_is_out(chat_server: Running) -> None:
    with ask(chat_server, "GET", "/health") as response:
        assert (response.status, json.load(response)) == (200, {"status": "ok"})


def test_chat(chat_server: Running) -> None:
    reply = answer(chat_server, "/v1/chat/completions", QUESTION)
    assert reply["choices"][0]["message"]["content"].strip()
    assert reply["usage"]["completion_tokens"] <= 8


def test_streamed_chat_gives_the_same_text_as_a_plain_one(chat_server: Running) -> None:
    whole = answer(chat_server, "/v1/chat/completions", QUESTION)["choices"][0]["message"]["content"]
    with ask(chat_server, "POST", "/v1/chat/completions", {**QUESTION, "stream": True}) as response:
        events = [line[6:] for line in response.read().decode().split("\n") if line.startswith("data: ")]
    assert events.pop() == "[DONE]"
    deltas = [json.loads(event)["choices"][0]["delta"].get("content") or "" for event in events]
    assert len(deltas) > 2
    assert "".join(deltas) == whole


def test_the_alias_is_the_name_it_answers_under(chat_server: Running) -> None:
    with ask(chat_server, "GET", "/v1/models") as response:
        assert json.load(response)["data"][0]["id"] == "smol"


def test_anthropic_messages(chat_server: Running) -> None:
    reply = answer(chat_server, "/v1/messages", {**QUESTION, "model": "smol"})
    assert reply["type"] == "message"
    assert reply["content"][0]["text"].strip()
    assert answer(chat_server, "/v1/messages/count_tokens", {**QUESTION, "model": "smol"})["input_tokens"] > 0


def test_responses(chat_server: Running) -> None:
    reply = answer(chat_server, "/v1/responses", {"model": "smol", "input": "Say hello.", "max_output_tokens": 8})
    assert reply["output"][0]["content"][0]["text"].strip()


def test_embeddings_tell_like_from_unlike(embedding_server: Running) -> None:
    texts = ["a cat sat on the mat", "a cat sat on a mat", "quarterly revenue rose by 8 percent"]
    reply = answer(embedding_server, "/v1/embeddings", {"model": "smol", "input": texts})
    cat, same, other = (row["embedding"] for row in reply["data"])
    assert len(cat) == 576
    assert dot(cat, same) > dot(cat, other)


def dot(left: list[float], right: list[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))


def test_a_web_page_from_elsewhere_may_not_read_answers(chat_server: Running) -> None:
    with ask(chat_server, "GET", "/v1/models", headers={"Origin": "https://evil.example"}) as response:
        assert response.getheader("Access-Control-Allow-Origin") in {None, ""}
    with ask(chat_server, "GET", "/v1/models", headers={"Origin": "http://localhost:3000"}) as response:
        assert response.getheader("Access-Control-Allow-Origin") == "http://localhost:3000"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_at_once_and_cleanly_even_in_the_middle_of_an_answer(
    number: signal.Signals, model: Path, tmp_path: Path
) -> None:
    with (
        serve("--ctx-size", "2048", log=tmp_path / "log") as server,
        ask(server, "POST", "/v1/chat/completions", ENDLESS) as response,
    ):
        assert response.readline().startswith(b"data: ")
        server.process.send_signal(number)
        assert server.process.wait(timeout=10) == 0  # the answer takes longer than that
        with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
            while response.read(65536):
                pass
