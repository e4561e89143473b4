"""``scripts/bench``: start the candidates, run the scenarios asked for, print what they say beside each other."""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from types import FrameType

from benchmark import gate, report
from benchmark.candidates import Launcher
from benchmark.measure import Table
from benchmark.processes import BenchError, alone, free_port
from benchmark.room import Extent, Room, open_room
from benchmark.scenarios import SCENARIOS
from benchmark.scenarios.soak import run_soak
from benchmark.tools import CACHE, find_tools

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    lines = [f"  {name:<12}{what}" for name, (what, _) in SCENARIOS.items()]
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measure llamaswap beside nginx, a bare Go proxy and no proxy at all, interleaved in one run.",
        epilog="scenarios (default: all):\n" + "\n".join(lines),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("scenario", nargs="*", help="which to run, see below")
    parser.add_argument("--quick", action="store_true", help="a smoke test: everything once and short, under a minute")
    parser.add_argument("--rounds", type=int, default=5, help="rounds in alternating order (default 5)")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a measurement (default 2)")
    parser.add_argument("--only", default="", metavar="NAME,...", help="only these candidates, e.g. direct,go,ours")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=URL", help="another running proxy")
    parser.add_argument("--stub-port", type=int, default=0, help="the stub's port, so that a peer can forward to it")
    parser.add_argument("--python", default=sys.executable, help="the interpreter of our daemon (default: this one)")
    parser.add_argument("--soak", type=float, default=0.0, metavar="SECONDS", help="B15 for so long, and nothing else")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every sample")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write the tables, over those in FILE")
    parser.add_argument("--record", type=Path, metavar="FILE", help="keep this run's ratios for --gate")
    parser.add_argument("--gate", type=Path, metavar="FILE", help="fail at 1.25 times the recorded ratio, twice")
    options = parser.parse_args(argv)
    unknown = [name for name in options.scenario if name not in SCENARIOS]
    if unknown:
        parser.error(f"no such scenario: {', '.join(unknown)} (known: {', '.join(SCENARIOS)})")
    if options.rounds < 1 or options.seconds <= 0:
        parser.error("--rounds and --seconds must be positive")
    if not all("=" in peer for peer in options.peer):
        parser.error("--peer wants NAME=URL")
    return options


def main(argv: Sequence[str]) -> int:
    """Exit status: 0; 1 when ours is missing, a scenario broke or the gate failed; 2 when nothing could be measured."""
    options = parse(argv)
    for number in ENDING:
        signal.signal(number, _interrupt)
    try:
        with (
            nullcontext() if options.quick else alone(CACHE / "lock", patience_s=3600.0),
            tempfile.TemporaryDirectory(prefix="llamaswap-bench-") as directory,
        ):
            return run(options, Path(directory))
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("bench: interrupted; everything it started has been ended", file=sys.stderr)
        return 130


def _interrupt(number: int, frame: FrameType | None) -> None:
    for again in ENDING:
        signal.signal(again, signal.SIG_IGN)  # the clean-up is bounded, and must not be cut short
    raise KeyboardInterrupt


def run(options: argparse.Namespace, workdir: Path) -> int:
    known = report.facts()
    print(report.one_line(known), flush=True)
    extent = Extent(1, 0.5, True) if options.quick else Extent(options.rounds, options.seconds, False)
    peers = dict(peer.split("=", 1) for peer in options.peer)
    only = {name.strip() for name in options.only.split(",") if name.strip()}
    recorded = gate.read(options.gate) if options.gate else None
    began = time.monotonic()
    port = options.stub_port or free_port()
    launcher = Launcher(find_tools(), workdir, options.python)
    with open_room(launcher, extent, port, peers=peers, only=only) as room:
        names = options.scenario or list(SCENARIOS)
        tables = scenarios(room, names, options.soak)
        bad = gate.failures(tables, recorded) if recorded is not None else []
        if bad:
            print(f"over the gate, measuring once more: {'; '.join(bad)}", flush=True)
            twice = gate.failures(scenarios(room, names, options.soak), recorded or {})
            bad = [text for text in twice if gate.table_of(text) in {gate.table_of(before) for before in bad}]
    print(f"\n{report.one_line(known)}; took {time.monotonic() - began:.0f} s")
    if options.json:
        options.json.write_text(json.dumps(report.as_json(tables, known, room.notes), indent=1) + "\n")
    if options.markdown:
        report.write_markdown(options.markdown, report.markdown(tables, known, room.notes))
    if options.record:
        gate.record(tables, options.record)
    for failure in bad:
        print(f"bench: over the gate twice: {failure}", file=sys.stderr)
    return 1 if bad or room.missing or room.broken else 0


def scenarios(room: Room, names: Sequence[str], soak_s: float = 0.0) -> list[Table]:
    """Run them in order and print each table as soon as it is there. One that breaks is noted, and the rest go on."""
    tables: list[Table] = []
    for name in ["soak"] if soak_s else names:
        try:
            made = run_soak(room, soak_s) if soak_s else SCENARIOS[name][1](room)
        except (BenchError, OSError, subprocess.SubprocessError) as error:
            room.note(f"{name} broke off: {error}")
            room.broken.append(name)
            continue
        for table in made:
            print(report.plain(table), flush=True)
        tables += made
    return tables


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
