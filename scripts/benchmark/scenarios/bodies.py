"""10 MB requests (B6), and what they do to everybody else (B7)."""

import subprocess

from benchmark import measure
from benchmark.candidates import Candidate
from benchmark.measure import Column, Sample, Table
from benchmark.processes import BenchError, pss_kib
from benchmark.room import Room
from benchmark.scenarios.streams import PACED


def large(room: Room) -> list[Table]:
    """Bodies per second, one and four at a time, ``model`` as the last key."""
    columns = [
        Column("rate", "bodies/s", 1),
        Column("cpu_us", "CPU µs/body", 0, gated=True),
        Column("p50_us", "p50 µs", 0),
        Column("pss_kib", "memory after, KiB", 0, as_ratio=False),
        Column("errors", "errors", 0, as_ratio=False),
    ]

    def of(connections: int) -> Table:
        repeat = 3 if room.extent.quick else 24 // connections

        def take(candidate: Candidate) -> Sample:
            def load() -> Sample:
                return measure.bodies(room.tools, candidate, room.file("big.json"), connections, repeat=repeat)

            sample = measure.with_cpu(candidate, "answers", load)
            pids = candidate.pids()
            return sample | ({"pss_kib": float(pss_kib(pids))} if pids else {})

        title = f"B6 10 MB bodies, {connections} at a time"
        return room.compare(f"bodies-{connections}", title, columns, take, candidates=room.parallel())

    return [of(connections) for connections in ((1,) if room.extent.quick else (1, 4))]


def fairness(room: Room) -> list[Table]:
    """32 streams at 100 events/s while one client posts 10 MB bodies without a pause."""

    def take(candidate: Candidate) -> Sample:
        seconds = max(0.5, room.extent.seconds)
        argv = [str(room.tools.sclient), str(candidate.port), measure.TARGET, "1", room.file("big.json"), "1"]
        with subprocess.Popen([*argv, str(seconds + 0.5)], stdout=subprocess.PIPE, text=True) as flood:
            try:
                body, events = room.file("stream.json"), round(seconds * 100)
                sample = measure.streams(room.tools, candidate, body, 32, events=events, gap_us=10_000)
                posted = flood.communicate(timeout=60)[0]
            except subprocess.TimeoutExpired:
                raise BenchError("the flood of bodies did not end") from None
            finally:
                flood.kill()
        if not posted:
            raise BenchError("the flood of bodies failed")
        flooded = measure.parse(posted)
        sample["errors"] += flooded["errors"]
        return sample | {"bodies": flooded["answers"] / flooded["seconds"]}

    columns = [column for column in PACED if column.key != "cpu_us"]
    columns.insert(1, Column("bodies", "bodies/s", 1))
    title = "B7 32 streams at 100 events/s while 10 MB bodies flood"
    return [room.compare("fairness", title, columns, take, candidates=room.parallel())]
