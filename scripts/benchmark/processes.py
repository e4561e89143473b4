"""Children of the benchmark and what they cost: each is a ``with`` block, and leaving it ends its process group."""

import contextlib
import fcntl
import itertools
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import psutil

#: An installed Python program has its modules compiled. Where the environment forbids to keep them, each start of ours
#: would compile them anew, which takes longer than all the rest of it.
COMPILED = {"PYTHONDONTWRITEBYTECODE": ""}


class BenchError(Exception):
    """The benchmark cannot go on; the message is for the person who started it."""


@contextmanager
def running(
    argv: Sequence[str], log: Path, env: Mapping[str, str] | None = None, patience_s: float = 15.0
) -> Iterator[subprocess.Popen[bytes]]:
    """Run *argv* in a session of its own while the block lasts; then TERM, *patience_s*, and KILL to its group."""
    with log.open("ab") as sink:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
            env={**os.environ, **COMPILED, **(env or {})},
        )
    try:
        yield process
    finally:
        end(process, patience_s)


def end(process: subprocess.Popen[bytes], patience_s: float) -> None:
    """Stop the process and whatever is left of its group. Safe to call twice."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def output_of(argv: Sequence[str], timeout_s: float, env: Mapping[str, str] | None = None) -> str:
    """The last line a load generator prints. Raises `BenchError` when it fails or does not end."""
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            env={**os.environ, **(env or {})},
        )
    except subprocess.TimeoutExpired:
        raise BenchError(f"{Path(argv[0]).name} did not end within {timeout_s:.0f} s") from None
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        raise BenchError(f"{Path(argv[0]).name} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    return lines[-1]


@contextmanager
def alone(lock: Path, patience_s: float) -> Iterator[None]:
    """Keep other benchmarks out while the block lasts: two at a time measure each other. Raises `BenchError`."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as held:
        limit = time.monotonic() + patience_s
        told = False
        while not _locked(held):
            if time.monotonic() > limit:
                raise BenchError(f"another benchmark is still running after {patience_s:.0f} s")
            if not told:
                print("another benchmark is running; waiting for its end ...", flush=True)
            told = True
            time.sleep(0.5)
        yield


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def free_port() -> int:
    """A port nobody listens on at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


_candidates = itertools.count(20_000 + os.getpid() % 10_000)


def free_ports(count: int) -> int:
    """The first of *count* ports in a row that nobody uses, below those that the kernel gives to connections.

    A model's port has to stay free until the model starts; one of the kernel's may be a connection's by then. None is
    given out twice.
    """
    while (first := next(_candidates)) < 32_000:
        if all(_is_free(first + step) for step in range(count)):
            for _ in range(count - 1):
                next(_candidates)
            return first
    raise BenchError(f"no {count} free ports in a row are left below 32,000")


def _is_free(port: int) -> bool:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def http(port: int, request: bytes, timeout_s: float = 10.0, ends: bytes = b"") -> bytes:
    """Send one request and return the whole answer: up to its length, to *ends*, or to the end of the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout_s) as sock:
        sock.sendall(request)
        parts = []
        while part := sock.recv(65536):
            parts.append(part)
            if ends and b"".join(parts).endswith(ends):
                break
            head, found, body = b"".join(parts).partition(b"\r\n\r\n")
            length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            if found and length and len(body) >= int(length[0].split(b":")[1]):
                break
        return b"".join(parts)


def is_healthy(port: int, path: str = "/health") -> bool:
    """Whether GET *path* is answered with 200 right now."""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    try:
        return b" 200" in http(port, request, 5.0)[:13]
    except OSError:
        return False


def wait_healthy(process: subprocess.Popen[bytes], port: int, log: Path, timeout_s: float = 20.0) -> None:
    """Probe every millisecond until *port* answers. Raises `BenchError` with the log's end when it never does."""
    limit = time.monotonic() + timeout_s
    while not is_healthy(port):
        if process.poll() is not None or time.monotonic() > limit:
            tail = log.read_text(errors="replace").strip()[-500:]
            raise BenchError(f"did not start (exit {process.poll()}): {tail}")
        time.sleep(0.001)


def counters(stub_port: int) -> dict[str, int]:
    """What the stub has counted so far: requests, connections, aborts, last_abort_ns, bound_ns."""
    answer = http(stub_port, b"GET /counters HTTP/1.1\r\n\r\n")
    found: dict[str, int] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return found


def tree(root: int, leave_out: Path) -> list[int]:
    """The process and its descendants, without those that run the program *leave_out*."""
    try:
        top = psutil.Process(root)
        family = [top, *top.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
    return [process.pid for process in family if not _runs(process, leave_out)]


def _runs(process: psutil.Process, program: Path) -> bool:
    try:
        return process.exe() == str(program)
    except psutil.Error:
        return False


def cpu_ns(pids: Sequence[int]) -> int:
    """CPU time of *pids* so far in nanoseconds, user and system, threads that have ended included."""
    total = 0
    for pid in pids:
        clock = (~pid << 3) | 2  # what clock_getcpuclockid(3) returns; the sum that schedstat shows thread by thread
        with contextlib.suppress(OSError):
            total += time.clock_gettime_ns(clock)
    return total


def pss_kib(pids: Sequence[int]) -> int:
    """Proportional memory of *pids* in KiB."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total


def open_files(pids: Sequence[int]) -> int:
    """Number of open descriptors of *pids*."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            total += sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    return total


def listener_of(port: int) -> int | None:
    """The process that listens on *port*, if we may see it."""
    connections: list[Any] = psutil.net_connections("tcp")
    pids = [c.pid for c in connections if c.status == psutil.CONN_LISTEN and c.laddr.port == port and c.pid]
    return min(pids, default=None)
