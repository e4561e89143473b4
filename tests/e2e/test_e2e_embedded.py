"""First light: real models behind one address, through the SDKs that people use."""

import json
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
import yaml

from llamaswap.embedded.model import cached_model, is_complete
from tests.e2e.running import ROOT, Daemon

pytestmark = [pytest.mark.e2e, pytest.mark.embedded]

HELLO: list[Any] = [{"role": "user", "content": "Say hello."}]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """The daemon on the configuration that `scripts/run` starts it with."""
    path = cached_model()
    if not is_complete(path):
        pytest.fail(f"no model at {path}: scripts/test fetches it, or python -m llamaswap.embedded.fetch")
    config = yaml.safe_load((ROOT / "configs/embedded.yaml").read_text())
    with pytest.MonkeyPatch.context() as patch:
        # `python` in the configuration is the one that has llama.cpp
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        with Daemon(tmp_path_factory.mktemp("embedded"), config) as daemon:
            yield daemon


@pytest.fixture
def never_two(running: Daemon) -> Iterator[None]:
    """While a test runs, /running is asked all the time, and never lists two models."""
    over = threading.Event()
    most: list[int] = []

    def look() -> None:
        while not over.is_set():
            most.append(len(running.running()))
            over.wait(0.01)

    thread = threading.Thread(target=look)
    thread.start()
    yield
    over.set()
    thread.join()
    assert most
    assert max(most) == 1


@pytest.fixture
def chat(running: Daemon) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{running.url}/v1", api_key="any", max_retries=0) as client:
        yield client


@pytest.mark.usefixtures("never_two")
def test_chat_plain_and_streamed_swaps_as_asked(running: Daemon, chat: openai.OpenAI) -> None:
    seen = len(running.log.lines)
    for model in ("smol-a", "smol-b", "smol-a", "smol-b"):
        answer = chat.chat.completions.create(model=model, messages=HELLO, max_tokens=8)
        assert answer.choices[0].message.content
        assert answer.usage and answer.usage.completion_tokens
        stream = chat.chat.completions.create(model=model, messages=HELLO, max_tokens=8, stream=True)
        pieces = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
        assert len(pieces) > 2 and "".join(pieces)
        assert running.running() == [(model, "ready")]
    running.said()
    assert _story(running, seen) == [
        "start smol-a",
        *["stop smol-a", "start smol-b", "stop smol-b", "start smol-a"],
        *["stop smol-a", "start smol-b"],
    ]


def _story(running: Daemon, seen: int) -> list[str]:
    """The starts and stops that were ordered, in order."""
    orders = re.findall(r"<< (Start|Stop)\(model='([\w-]+)'", "\n".join(running.log.lines[seen:]))
    return [f"{order.lower()} {model}" for order, model in orders]


def test_the_transcript_reads_as_a_story(running: Daemon, chat: openai.OpenAI) -> None:
    running.get("/unload")
    seen = len(running.log.lines)
    for model in ("smol-a", "smol-b"):
        chat.chat.completions.create(model=model, messages=HELLO, max_tokens=4)
    running.said()
    text = "\n".join(running.log.lines[seen:])
    chapters = [
        r">> Arrived\(ticket=(\d+), model='smol-a'",
        r"<< Start\(model='smol-a', life=(\d+)\)",
        r"model started model=smol-a pid=\d+",
        r"Health check passed",
        r">> Started\(model='smol-a'",
        r"<< Grant\(ticket=\d+, model='smol-a'",
        r">> Left\(ticket=\d+\)",
        r">> Arrived\(ticket=\d+, model='smol-b'",
        r"<< Stop\(model='smol-a'",
        r">> Exited\(model='smol-a'",
        r"<< Start\(model='smol-b'",
        r">> Started\(model='smol-b'",
        r"<< Grant\(ticket=\d+, model='smol-b'",
    ]
    at = 0
    for chapter in chapters:
        found = re.compile(chapter).search(text, at)
        assert found, f"no {chapter} after\n{text[:at]}\nin\n{text[at:]}"
        at = found.end()


@pytest.mark.usefixtures("never_two")
def test_messages_through_the_anthropic_sdk(running: Daemon) -> None:
    with anthropic.Anthropic(base_url=running.url, api_key="any", max_retries=0) as client:
        answer = client.messages.create(model="smol-a", max_tokens=8, messages=HELLO)
        assert answer.content[0].type == "text" and answer.content[0].text
        # Not smol-b: where chance makes its first token half a character, llama.cpp forgets the stream's first event.
        with client.messages.stream(model="smol-a", max_tokens=8, messages=HELLO) as stream:
            assert "".join(stream.text_stream)
            assert stream.get_final_message().stop_reason in ("max_tokens", "end_turn")


def test_streams_one_right_after_the_other_are_all_whole(running: Daemon) -> None:
    """llama.cpp's server closes the connection after each, without having said so."""
    body = json.dumps({"model": "smol-a", "messages": HELLO, "max_tokens": 2, "stream": True}).encode()
    with running.wire() as wire:
        for _ in range(60):
            wire.ask("POST", "/v1/chat/completions", body)
            answer = wire.answer()
            assert answer.status == 200, answer.text
            assert answer.body.endswith(b"data: [DONE]\n\n")


@pytest.mark.usefixtures("never_two")
def test_embeddings_and_an_alias(running: Daemon, chat: openai.OpenAI) -> None:
    answer = chat.embeddings.create(model="smol-embed", input=["hello", "world"])
    assert [len(row.embedding) for row in answer.data] == [576, 576]
    assert chat.chat.completions.create(model="gpt-4o-mini", messages=HELLO, max_tokens=4).choices
    assert running.running() == [("smol-a", "ready")]


def test_errors_are_the_sdks_own(chat: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="no router for requested model"):
        chat.chat.completions.create(model="nobody", messages=HELLO)


@pytest.mark.usefixtures("never_two")
def test_twenty_clients_of_three_models_are_answered_in_arrival_order(running: Daemon, chat: openai.OpenAI) -> None:
    """Each comes once the one before is in the queue. The order of service is in the transcript: grants by ticket."""
    seen = len(running.log.lines)
    answered: list[int] = []

    def client(number: int) -> None:
        model = ("smol-a", "smol-b", "smol-embed")[number % 3]
        if model == "smol-embed":
            assert chat.embeddings.create(model=model, input="hello").data
        else:
            assert chat.chat.completions.create(model=model, messages=HELLO, max_tokens=4).choices
        answered.append(number)

    threads = []
    for number in range(20):
        before = len(running.log.lines)
        threads.append(threading.Thread(target=client, args=(number,)))
        threads[-1].start()
        running.log.wait(">> Arrived", after=before)
    began = time.monotonic()
    for thread in threads:
        thread.join(120)
    print(f"20 answers, {time.monotonic() - began:.1f} s")
    assert sorted(answered) == list(range(20))
    running.said()
    text = "\n".join(running.log.lines[seen:])
    arrived = re.findall(r">> Arrived\(ticket=(\d+)", text)
    assert len(arrived) == 20
    assert re.findall(r"<< Grant\(ticket=(\d+)", text) == arrived
