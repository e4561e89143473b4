"""Server-sent events: paced as models pace them (B3, B4), and as fast as they go (B5)."""

from benchmark import measure
from benchmark.candidates import Candidate
from benchmark.measure import Column, Sample, Table
from benchmark.room import Room

PACED = [
    Column("kept", "rate kept", 3, as_ratio=False),
    Column("cpu_us", "CPU µs/event", gated=True),
    Column("p50_us", "p50 µs", 0),
    Column("p99_us", "p99 µs", 0),
    Column("first_p50_us", "first byte p50 µs", 0),
    Column("errors", "errors", 0, as_ratio=False),
]
FULL = [
    Column("rate", "events/s", 0),
    Column("cpu_us", "CPU µs/event", 2, gated=True),
    Column("errors", "errors", 0, as_ratio=False),
]


def paced(room: Room) -> list[Table]:
    """32 streams at 100/s, 32 at 300/s, 64 at 1,000/s."""

    def of(connections: int, per_second: int) -> Table:
        events = max(10, round(room.extent.seconds * per_second))

        def take(candidate: Candidate) -> Sample:
            def load() -> Sample:
                body, gap_us = room.file("stream.json"), 1_000_000 // per_second
                return measure.streams(room.tools, candidate, body, connections, events=events, gap_us=gap_us)

            return measure.with_cpu(candidate, "events", load)

        title = f"{'B3' if per_second == 100 else 'B4'} {connections} streams at {per_second:,} events/s"
        return room.compare(f"streams-{connections}x{per_second}", title, PACED, take, candidates=room.parallel())

    shapes = [(32, 100)] if room.extent.quick else [(32, 100), (32, 300), (64, 1000)]
    return [of(connections, per_second) for connections, per_second in shapes]


def full_speed(room: Room) -> list[Table]:
    """One stream, and eight, without a pause between the events."""

    def of(connections: int) -> Table:
        def take(candidate: Candidate) -> Sample:
            def load() -> Sample:
                body, seconds = room.file("stream.json"), room.extent.seconds
                return measure.streams(room.tools, candidate, body, connections, events=2000, gap_us=0, seconds=seconds)

            return measure.with_cpu(candidate, "events", load)

        title = f"B5 {connections} stream{'s' * (connections > 1)} at full speed"
        return room.compare(f"full-{connections}", title, FULL, take, candidates=room.parallel())

    return [of(connections) for connections in (1, 8)]
