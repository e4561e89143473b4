"""Minutes of mixed load with clients that leave (B15): memory, descriptors and errors must stay flat."""

import random
import socket
import time
from pathlib import Path

from benchmark import measure
from benchmark.candidates import Candidate
from benchmark.measure import Column, Sample, Table
from benchmark.processes import open_files, pss_kib
from benchmark.room import Room


def run_soak(room: Room, seconds: float) -> list[Table]:
    """Small requests, streams, and one client in twenty that leaves in the middle, in turns, for *seconds* in all."""
    chosen = [candidate for candidate in room.parallel() if candidate.root is not None]
    rows: dict[str, list[Sample]] = {candidate.name: [] for candidate in chosen}
    print(f"B15 soak, {seconds:.0f} s for each of {', '.join(rows)} ...", flush=True)
    for candidate in chosen:
        rows[candidate.name] = [_soaked(room, candidate, seconds)]
    columns = [
        Column("pss_begin_kib", "memory after the first tenth, KiB", 0, as_ratio=False),
        Column("pss_end_kib", "at the end, KiB", 0, as_ratio=False),
        Column("kib_per_minute", "KiB/minute", 1, as_ratio=False),
        Column("files_begin", "descriptors", 0, as_ratio=False),
        Column("files_end", "at the end", 0, as_ratio=False),
        Column("answers", "answers", 0, as_ratio=False),
        Column("errors", "errors", 0, as_ratio=False),
    ]
    return [Table("soak", f"B15 soak of {seconds:.0f} s", columns, rows)]


def _soaked(room: Room, candidate: Candidate, seconds: float) -> Sample:
    choice = random.Random(15)
    small, stream = room.file("small.json"), room.file("stream.json")
    trail: list[tuple[float, int, int]] = []
    answers = errors = 0.0
    began = time.monotonic()
    while (now := time.monotonic() - began) < seconds:
        for sample in (
            measure.requests(room.tools, candidate, small, 8, seconds=1.0),
            measure.streams(room.tools, candidate, stream, 32, events=50, gap_us=10_000),
        ):
            answers += sample["answers"]
            errors += sample["errors"]
        for _ in range(2):
            _leave_early(candidate, Path(stream).read_bytes(), choice.uniform(0.0, 0.1))
        pids = candidate.pids()
        trail.append((now, pss_kib(pids), open_files(pids)))
    settled = [point for point in trail if point[0] >= seconds / 10] or trail
    (begin, first, files), (end, last, files_last) = settled[0], settled[-1]
    slope = (last - first) / max(1e-9, end - begin) * 60 if end > begin else 0.0
    return {
        "pss_begin_kib": first,
        "pss_end_kib": last,
        "kib_per_minute": slope,
        "files_begin": files,
        "files_end": files_last,
        "answers": answers,
        "errors": errors,
    }


def _leave_early(candidate: Candidate, body: bytes, after_s: float) -> None:
    head = f"POST {measure.TARGET}?n=1000&us=1000 HTTP/1.1\r\nHost: 127.0.0.1:{candidate.port}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", candidate.port), 5.0) as sock:
        sock.sendall(head.encode() + body)
        time.sleep(after_s)
