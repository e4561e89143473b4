"""The fake model server does what its head says; other tests build on that."""

import hashlib
import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

FAKE_SERVER = Path(__file__).with_name("fake_server.py")
Launch = Callable[..., int]


@pytest.fixture
def launch() -> Iterator[Launch]:
    """Starts servers with the given flags, waits until they are loaded, and returns their ports."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*flags: str) -> int:
        command = [sys.executable, "-I", "-S", str(FAKE_SERVER), *flags]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout
        port = int(process.stdout.readline().split()[1])
        assert process.stdout.readline().startswith(b"READY ")
        return port

    yield start
    for process in started:
        process.kill()
        process.communicate()


def ask(port: int, method: str, path: str, body: object = None, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_models_answer_in_the_shapes_of_both_houses(launch: Launch) -> None:
    port = launch("--name", "a", "--tokens", "2")
    chat = json.loads(ask(port, "POST", "/v1/chat/completions", {"messages": []})[1])
    assert chat["choices"][0]["message"]["content"] == "a-0 a-1 "
    assert chat["usage"]["completion_tokens"] == 2
    options = {"stream": True, "stream_options": {"include_usage": True}}
    events = ask(port, "POST", "/v1/chat/completions", options)[1].decode().split("\n\n")
    assert [json.loads(event[6:])["choices"][0]["delta"]["content"] for event in events[:2]] == ["a-0 ", "a-1 "]
    assert json.loads(events[3][6:])["usage"]["completion_tokens"] == 2
    assert events[-2:] == ["data: [DONE]", ""]
    assert json.loads(ask(port, "POST", "/v1/completions", {})[1])["choices"][0]["text"] == "a-0 a-1 "
    assert json.loads(ask(port, "POST", "/v1/embeddings", {})[1])["data"][0]["embedding"]
    assert json.loads(ask(port, "POST", "/v1/messages", {})[1])["content"][0]["text"] == "a-0 a-1 "
    stream = ask(port, "POST", "/v1/messages", {"stream": True})[1]
    assert stream.startswith(b"event: message_start\n")
    assert stream.endswith(b'data: {"type": "message_stop"}\n\n')
    assert ask(port, "GET", "/v1/nonsense")[0] == 404


def test_odd_endpoints(launch: Launch) -> None:
    port = launch("--name", "a")
    echo = json.loads(ask(port, "PUT", "/echo?x=1", {"b": 1}, Odd="yes")[1])
    assert (echo["method"], echo["target"], echo["body"], echo["model"]) == ("PUT", "/echo?x=1", '{"b": 1}', "a")
    assert ["Odd", "yes"] in echo["headers"]
    assert len(ask(port, "GET", "/big?bytes=200001")[1]) == 200_001
    assert len(ask(port, "GET", "/big?bytes=200001&chunked=1")[1]) == 200_001
    assert ask(port, "GET", "/sse?n=3&ms=1")[1].count(b"\n\n") == 3
    assert ask(port, "GET", "/status?code=418")[0] == 418
    assert ask(port, "GET", "/slow?ms=1")[0] == 200
    assert ask(port, "GET", "/health")[0] == 200


@pytest.mark.parametrize(
    "path", ["/abort-before-head", "/abort-in-head", "/abort-mid-body", "/abort-mid-body?chunked=1"]
)
def test_broken_answers_are_broken(launch: Launch, path: str) -> None:
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        ask(launch(), "GET", path)


def test_a_file_holds_up_an_answer(launch: Launch, tmp_path: Path) -> None:
    pause = tmp_path / "pause"
    pause.touch()
    connection = http.client.HTTPConnection("127.0.0.1", launch("--name", "a", "--pause", str(pause)), timeout=60)
    connection.request("POST", "/v1/completions", '{"stream": true}')
    answer = connection.getresponse()
    assert b"a-0" in answer.readline()
    pause.unlink()
    assert answer.read().endswith(b"data: [DONE]\n\n")
    connection.close()


def test_it_dies_at_the_byte_it_was_told(launch: Launch) -> None:
    with socket.create_connection(("127.0.0.1", launch("--crash-at-byte", "1234"))) as client:
        client.sendall(b"GET /big?bytes=5000 HTTP/1.1\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert len(answer.partition(b"\r\n\r\n")[2]) == 1234


def test_the_ledger_tells_requests_and_a_lock_that_was_taken(launch: Launch, tmp_path: Path) -> None:
    ledger = str(tmp_path / "ledger")
    flags = ("--lock", str(tmp_path / "gpu"), "--ledger", ledger)
    port = launch("--name", "a", *flags)
    ask(port, "POST", "/echo", {"q": 1}, **{"X-Request-Id": "7"})
    launch("--name", "b", *flags)
    lines = [json.loads(line) for line in Path(ledger).read_text().splitlines()]
    assert [line.get("event") for line in lines] == ["start", None, "violation", "start"]
    assert lines[1]["model"] == "a"
    assert lines[1]["request_id"] == "7"
    assert lines[1]["sha256"] == hashlib.sha256(b'{"q": 1}').hexdigest()
    assert lines[2]["model"] == "b"


def test_the_roll_tells_who_is_there(launch: Launch, tmp_path: Path) -> None:
    """Whoever shares the lock may be there together; nobody may be there twice."""
    ledger, roll = tmp_path / "ledger", tmp_path / "roll"
    roll.mkdir()
    flags = ("--lock", str(tmp_path / "gpu"), "--shared", "--roll", str(roll), "--ledger", str(ledger))
    for name in "abca":
        launch("--name", name, *flags)
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert [line["event"] for line in lines] == ["start", "start", "start", "violation", "start"]
    assert [line.get("beside") for line in lines] == [[], ["a"], ["a", "b"], None, ["b", "c"]]


def test_the_websocket_echoes(launch: Launch) -> None:
    with socket.create_connection(("127.0.0.1", launch())) as client:
        key = "dGhlIHNhbXBsZSBub25jZQ=="
        client.sendall(f"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode())
        head = client.recv(65536)
        assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in head
        mask = os.urandom(4)
        client.sendall(b"\x81\x85" + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(b"hello")))
        assert client.recv(100) == b"\x81\x05hello"
