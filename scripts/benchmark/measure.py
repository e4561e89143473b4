"""Rounds in alternating order, and samples: named figures of one candidate in one round."""

import json
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.candidates import Candidate
from benchmark.processes import BenchError, cpu_ns, output_of
from benchmark.tools import HERE, Tools

Sample = dict[str, float]


@dataclass(frozen=True)
class Column:
    """A figure of a table. *as_ratio*: also shown as a ratio to the reference; *gated*: held by ``--gate``."""

    key: str
    title: str
    digits: int = 1
    as_ratio: bool = True
    gated: bool = False


@dataclass
class Table:
    """The samples of every candidate in one scenario, in rounds; the reference's row is the unit of the ratios."""

    key: str
    title: str
    columns: Sequence[Column]
    rows: dict[str, list[Sample]]
    reference: str | None = None
    remarks: list[str] = field(default_factory=list)

    def median(self, name: str, key: str) -> float | None:
        values = [sample[key] for sample in self.rows[name] if key in sample]
        return statistics.median(values) if values else None

    def ratio(self, name: str, key: str) -> tuple[float, float, float] | None:
        """Median, least and largest of the ratios to the reference in the same round."""
        if self.reference is None or self.reference not in self.rows:
            return None
        pairs = zip(self.rows[name], self.rows[self.reference], strict=False)
        ratios = [mine[key] / theirs[key] for mine, theirs in pairs if mine.get(key) is not None and theirs.get(key)]
        return (statistics.median(ratios), min(ratios), max(ratios)) if ratios else None


def reference_among(names: Iterable[str], preferred: str = "go") -> str | None:
    """The row that is the unit: Go where there is one, else nginx, else no proxy at all."""
    present = list(names)
    return next((name for name in (preferred, "go", "nginx", "direct") if name in present), None)


def interleave(
    candidates: Sequence[Candidate], rounds: int, take: Callable[[Candidate], Sample]
) -> dict[str, list[Sample]]:
    """Take a sample of each candidate in each round: A B C, then C B A, and so on. A failed one counts as an error."""
    rows: dict[str, list[Sample]] = {candidate.name: [] for candidate in candidates}
    for number in range(rounds):
        for candidate in candidates if number % 2 == 0 else reversed(candidates):
            try:
                rows[candidate.name].append(take(candidate))
            except (BenchError, OSError) as error:
                rows[candidate.name].append({"errors": 1.0})
                print(f"  {candidate.name}: {error}", flush=True)
    return rows


def with_cpu(candidate: Candidate, unit: str, load: Callable[[], Sample]) -> Sample:
    """Run *load* and add the candidate's own CPU time, in microseconds per *unit* (``answers`` or ``events``)."""
    pids = candidate.pids()
    before = cpu_ns(pids)
    sample = load()
    used = cpu_ns(pids) - before
    if pids and sample.get(unit):
        sample["cpu_us"] = used / 1000 / sample[unit]
    sample["rate"] = sample.get(unit, 0.0) / sample["seconds"] if sample["seconds"] else 0.0
    return sample


def requests(tools: Tools, candidate: Candidate, body: str, connections: int, *, seconds: float) -> Sample:
    """Small requests, each connection one after another, for *seconds*."""
    if tools.wrk is None:
        argv = [str(tools.sclient), str(candidate.port), TARGET, str(connections), body, "1", str(seconds)]
        sample = parse(output_of(argv, seconds + 30))
        return sample | {"p50_us": sample["whole_p50_us"], "p99_us": sample["whole_p99_us"]}
    url = f"http://127.0.0.1:{candidate.port}{TARGET}"
    script = ["--latency", "-s", str(HERE / "post.lua"), url]
    argv = [str(tools.wrk), "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}", *script]
    return parse(output_of(argv, seconds + 30, tools.environment | {"BENCH_BODY": body}))


def streams(
    tools: Tools, candidate: Candidate, body: str, connections: int, *, events: int, gap_us: int, seconds: float = 0.0
) -> Sample:
    """*connections* streams of *events*, *gap_us* apart (0: no pause); once or, one after another, for *seconds*."""
    target = f"{TARGET}?n={events}&us={gap_us}"
    argv = [str(tools.sclient), str(candidate.port), target, str(connections), body, "1", str(seconds)]
    sample = parse(output_of(argv, 100.0))
    sample["errors"] += max(0.0, connections - sample["answers"])
    sample["kept"] = sample["events"] / sample["seconds"] / (connections * 1e6 / gap_us) if gap_us else 0.0
    return sample | {"p50_us": sample["event_p50_us"], "p99_us": sample["event_p99_us"]}


def bodies(tools: Tools, candidate: Candidate, body: str, connections: int, *, repeat: int) -> Sample:
    """Large requests: *repeat* on each of *connections*."""
    argv = [str(tools.sclient), str(candidate.port), TARGET, str(connections), body, str(repeat)]
    sample = parse(output_of(argv, 100.0))
    sample["errors"] += connections * repeat - sample["answers"]
    return sample | {"p50_us": sample["whole_p50_us"], "p99_us": sample["whole_p99_us"]}


def parse(line: str) -> Sample:
    values: Sample = json.loads(line)
    return values


def busy_share(seconds: float = 0.3) -> float:
    """How much of the machine others use at the moment, 0 to 1."""

    def ticks() -> tuple[int, int]:
        with Path("/proc/stat").open() as stat:
            fields = [int(field) for field in stat.readline().split()[1:9]]
        return sum(fields), fields[3] + fields[4]

    total, idle = ticks()
    time.sleep(seconds)
    total_after, idle_after = ticks()
    return 1 - (idle_after - idle) / max(1, total_after - total)


def wait_for_quiet(limit_s: float) -> float:
    """Wait, at most *limit_s*, until the machine is four fifths idle; returns the share in use when it stopped."""
    end = time.monotonic() + limit_s
    share = busy_share()
    while share > 0.2 and time.monotonic() < end:
        share = busy_share()
    return share


TARGET = "/v1/chat/completions"
