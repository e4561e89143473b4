"""Small requests: rate, CPU and latency (B1, B2), and whether upstream connections are reused (B13)."""

from benchmark import measure
from benchmark.candidates import Candidate
from benchmark.measure import Column, Sample, Table
from benchmark.processes import counters, output_of
from benchmark.room import Room

COLUMNS = [
    Column("rate", "requests/s", 0),
    Column("cpu_us", "CPU µs/request", gated=True),
    Column("p50_us", "p50 µs", 0),
    Column("p99_us", "p99 µs", 0),
    Column("errors", "errors", 0, as_ratio=False),
]


def small_json(room: Room) -> list[Table]:
    """POST of 300 bytes, answer of 350, at 1, 8 and 64 connections."""

    def at(connections: int) -> Table:
        def take(candidate: Candidate) -> Sample:
            def load() -> Sample:
                return measure.requests(
                    room.tools, candidate, room.file("small.json"), connections, seconds=room.extent.seconds
                )

            return measure.with_cpu(candidate, "answers", load)

        title = f"B1 small JSON, {connections} connection{'s' * (connections > 1)}"
        return room.compare(f"json-{connections}", title, COLUMNS, take)

    return [at(connections) for connections in ((8,) if room.extent.quick else (1, 8, 64))]


def health(room: Room) -> list[Table]:
    """GET /health: answered by the stub through the proxies, by ourselves in our case."""

    def take(candidate: Candidate) -> Sample:
        def load() -> Sample:
            tool, seconds = str(room.tools.sclient), room.extent.seconds
            argv = [tool, str(candidate.port), "/health", "8", "-", "1", str(seconds)]
            sample = measure.parse(output_of(argv, seconds + 30))
            return sample | {"p50_us": sample["whole_p50_us"], "p99_us": sample["whole_p99_us"]}

        return measure.with_cpu(candidate, "answers", load)

    return [room.compare("health", "B2 GET /health, 8 connections", COLUMNS, take, candidates=room.parallel())]


def reuse(room: Room) -> list[Table]:
    """Connections the stub sees for 10,000 requests that arrive on 8."""
    total = 800 if room.extent.quick else 10_000

    def take(candidate: Candidate) -> Sample:
        before = counters(candidate.stub_port)
        sample = measure.bodies(room.tools, candidate, room.file("small.json"), 8, repeat=total // 8)
        after = counters(candidate.stub_port)
        made = float(after["connections"] - before["connections"])
        return {"requests": sample["answers"], "connections": made, "errors": sample["errors"]}

    columns = [
        Column("requests", "requests", 0, as_ratio=False),
        Column("connections", "new upstream connections", 0, as_ratio=False),
        Column("errors", "errors", 0, as_ratio=False),
    ]
    title = f"B13 upstream connections for {total:,} requests at 8 connections"
    return [room.compare("reuse", title, columns, take, candidates=room.parallel(), rounds=1)]
