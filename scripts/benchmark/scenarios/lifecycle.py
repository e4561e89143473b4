"""A client that leaves (B8), starting up and memory (B9)."""

import socket
import statistics
import subprocess
import time
from pathlib import Path

from benchmark import measure
from benchmark.candidates import Candidate, Launch
from benchmark.measure import Column, Sample, Table, reference_among
from benchmark.processes import BenchError, counters, pss_kib
from benchmark.room import Room, warm

SEEN_WITHIN_S = 5.0
FRESH = ("nginx", "go", "ours")  # who is started anew to be weighed and timed


def disconnect(room: Room) -> list[Table]:
    """Close at 150 ms, in the middle of a stream and before its first byte: how long until the upstream is closed."""
    times = 2 if room.extent.quick else 12
    body = Path(room.file("stream.json")).read_bytes()

    def of(phase: str, query: str) -> Table:
        def take(candidate: Candidate) -> Sample:
            delays = [_abort_delay_us(candidate, query, body) for _ in range(times)]
            seen = [delay for delay in delays if delay is not None]
            sample = {"missed": float(len(delays) - len(seen))}
            return sample | ({"p50_us": statistics.median(seen), "max_us": max(seen)} if seen else {})

        columns = [
            Column("p50_us", "close to abort, p50 µs", 0),
            Column("max_us", "worst µs", 0, as_ratio=False),
            Column("missed", f"missed of {times}", 0, as_ratio=False),
        ]
        title = f"B8 client closes {phase}"
        return room.compare(
            f"disconnect-{phase.split(maxsplit=1)[0]}", title, columns, take, candidates=room.parallel(), rounds=1
        )

    return [
        of("while streaming", "n=100000&us=5000"),
        of("before the first byte", "n=10&us=5000&head_us=20000000"),
    ]


def _abort_delay_us(candidate: Candidate, query: str, body: bytes) -> float | None:
    before = counters(candidate.stub_port)["aborts"]
    head = f"POST {measure.TARGET}?{query} HTTP/1.1\r\nHost: 127.0.0.1:{candidate.port}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", candidate.port), 5.0) as sock:
        sock.sendall(head.encode() + body)
        time.sleep(0.15)
        closed = time.monotonic_ns()
    while time.monotonic_ns() - closed < SEEN_WITHIN_S * 1e9:
        now = counters(candidate.stub_port)
        if now["aborts"] > before:
            return max(0.0, (now["last_abort_ns"] - closed) / 1000)
        time.sleep(0.002)
    return None


def start(room: Room) -> list[Table]:
    """From spawn to the first 200 of /health, beside ``python -c "import trio"``."""
    room.dismiss()
    names = [name for name in FRESH if name in room.launches]
    rows: dict[str, list[Sample]] = {"import trio": [], **{name: [] for name in names}}
    print("B9 start-up ...", flush=True)
    remarks = room.settle()
    for number in range(2 if room.extent.quick else 9):
        for name in rows if number % 2 == 0 else reversed(rows):
            took = _import_trio_s(room) if name == "import trio" else _start_s(room.launches[name])
            rows[name].append({"start_ms": took * 1000})
    columns = [Column("start_ms", "first 200 after ms", 1)]
    remark = "the unit is `python -c 'import trio'`, spawned to ended"
    return [Table("start", "B9 start-up until /health", columns, rows, "import trio", [remark, *remarks])]


def _import_trio_s(room: Room) -> float:
    began = time.perf_counter()
    subprocess.run([room.launcher.python, "-c", "import trio"], check=True, stdin=subprocess.DEVNULL)
    return time.perf_counter() - began


def _start_s(launch: Launch) -> float:
    began = time.perf_counter()
    with launch():
        return time.perf_counter() - began


def memory(room: Room) -> list[Table]:
    """Proportional memory of a fresh candidate: at rest, and after 64 connections and 10 MB bodies."""
    print("B9 memory ...", flush=True)
    room.dismiss()  # what two instances share would count by half
    rows: dict[str, list[Sample]] = {}
    for name in [name for name in FRESH for _ in range(1 if room.extent.quick else 3) if name in room.launches]:
        with room.launches[name]() as candidate:
            rows.setdefault(name, []).append(_memory_of(room, candidate))
    columns = [Column("rest_kib", "at rest, KiB", 0), Column("after_kib", "after load, KiB", 0)]
    return [Table("memory", "B9 memory (PSS) at rest and after load", columns, rows, reference_among(rows))]


def _memory_of(room: Room, candidate: Candidate) -> Sample:
    warm(room, candidate)
    time.sleep(0.2 if room.extent.quick else 1.5)  # whatever is imported after the start should be in
    rest = pss_kib(candidate.pids())
    sample = measure.requests(room.tools, candidate, room.file("small.json"), 64, seconds=room.extent.seconds)
    sample |= measure.bodies(room.tools, candidate, room.file("big.json"), 4, repeat=1 if room.extent.quick else 6)
    if sample["answers"] == 0:
        raise BenchError(f"{candidate.name} answered nothing")
    return {"rest_kib": float(rest), "after_kib": float(pss_kib(candidate.pids()))}
