"""The stub upstream and the measuring client, against each other: what they count must be true."""

import json
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmark.processes import counters, cpu_ns, free_port, http, output_of, running, tree, wait_healthy
from benchmark.tools import compile_native

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler"),
]


@pytest.fixture
def stub(tmp_path: Path) -> Iterator[int]:
    port, log = free_port(), tmp_path / "stub.log"
    with running([str(compile_native("stub")), "--port", str(port), "--max-seconds", "60"], log) as process:
        wait_healthy(process, port, log)
        yield port
    assert process.returncode == -15


def client(*argv: str) -> dict[str, float]:
    found: dict[str, float] = json.loads(output_of([str(compile_native("sclient")), *argv], 30.0))
    return found


def test_every_event_arrives_and_is_timed(stub: int) -> None:
    found = client(str(stub), "/v1/chat/completions?n=50&us=1000", "4")
    assert (found["answers"], found["events"], found["errors"]) == (4, 200, 0)
    assert found["seconds"] >= 0.049
    assert 0 < found["event_p50_us"] <= found["event_p99_us"] < 10_000_000


def test_full_speed_keeps_count(stub: int) -> None:
    found = client(str(stub), "/sse?n=1000&us=0", "2", "-", "3")
    assert (found["answers"], found["events"], found["errors"]) == (6, 6000, 0)


def test_each_event_is_json(stub: int) -> None:
    answer = http(stub, b"GET /sse?n=2&us=0 HTTP/1.1\r\nConnection: close\r\n\r\n", ends=b"0\r\n\r\n")
    events = [json.loads(line[6:]) for line in answer.splitlines() if line.startswith(b"data: ")]
    assert len(events) == 2
    assert abs(events[0]["t"] - time.monotonic_ns()) < 60e9


def test_a_posted_body_is_answered_and_counted(stub: int, tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_bytes(b"x" * 300_000)
    found = client(str(stub), "/v1/chat/completions", "2", str(body), "5")
    assert (found["answers"], found["errors"]) == (10, 0)
    seen = counters(stub)
    assert (seen["requests"], seen["connections"], seen["aborts"]) == (10, 2, 0)


@pytest.mark.parametrize("query", ["n=1000&us=10000", "n=10&us=1&head_us=60000000"])
def test_a_client_that_leaves_is_an_abort(stub: int, query: str) -> None:
    """In the middle of a stream, and before its first byte."""
    with socket.create_connection(("127.0.0.1", stub)) as sock:
        sock.sendall(f"GET /sse?{query} HTTP/1.1\r\n\r\n".encode())
        while counters(stub)["requests"] == 0:
            pass
        left = time.monotonic_ns()
    while (seen := counters(stub))["aborts"] == 0:
        assert time.monotonic_ns() - left < 10e9
    assert seen["last_abort_ns"] >= left


def test_an_answer_other_than_200_is_an_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        argv = [str(compile_native("sclient")), str(server.getsockname()[1]), "/", "1"]
        with (
            subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process,
            server.accept()[0] as sock,
        ):
            sock.recv(65536)
            sock.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
            found = json.loads(process.communicate(timeout=30)[0])
    assert (found["answers"], found["errors"]) == (0, 1)


def test_cpu_counts_a_tree_without_its_stubs(tmp_path: Path) -> None:
    """The stub under a daemon is not the daemon's cost."""
    stub = compile_native("stub")
    script = f"{shlex.quote(str(stub))} --port {free_port()} --max-seconds 60 & while :; do :; done"
    with running(["sh", "-c", script], tmp_path / "log") as process:
        limit = time.monotonic() + 60
        while not any(map(_is_stub, tree(process.pid, Path("/nowhere")))):
            assert time.monotonic() < limit
        counted = tree(process.pid, stub)
        assert process.pid in counted
        assert not any(map(_is_stub, counted))
        before = cpu_ns(counted)
        while cpu_ns(counted) - before < 20e6:
            assert time.monotonic() < limit


def test_cpu_includes_threads_that_have_ended(tmp_path: Path) -> None:
    """A server with a thread for each connection must not look free."""
    spin = "t=threading.Thread(target=lambda: [None for _ in range(3_000_000)]); t.start(); t.join()"
    script = f"import sys, threading\n{spin}\nprint('spun', flush=True)\nsys.stdin.read()"
    argv = [sys.executable, "-S", "-c", script]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline() == b"spun\n"
        spent = cpu_ns([process.pid])
        leader = int(Path(f"/proc/{process.pid}/schedstat").read_text().split()[0])
        process.communicate()
    assert spent > leader + 10e6


def _is_stub(pid: int) -> bool:
    return Path(f"/proc/{pid}/exe").resolve() == compile_native("stub")
