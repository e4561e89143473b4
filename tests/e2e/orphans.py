"""Kills daemons with SIGKILL in every phase of models that misbehave in every way, and waits for nothing to be left.

    scripts/rigs/orphans [--rounds N] [--seed S] [--short]

Evidence is what a stranger could see: the process table (by a mark in the environment, and by what was seen below the
daemon before), and a lock that every process of a model's tree inherits. Prints a table of phases and misbehaviours
with the longest time until everything was gone; exit code 1 if one took over 10 s, or the median is above 1.5 s.
"""

import argparse
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.allowance import ALLOWANCE_S
from tests.e2e.running import Daemon, fake, lock_is_free, until
from tests.e2e.wire import Wire

LIMIT_S, MEDIAN_S = 10.0, 1.5

MISBEHAVIOURS: dict[str, list[str]] = {
    "none": [],
    "ignores TERM": ["--ignore-term"],
    "slow to stop": ["--stop-delay", "20"],
    "wrapper": ["--wrap", "--ignore-term"],
    "backgrounds": ["--background", "--ignore-term"],
    "double fork": ["--double-fork", "--ignore-term"],
    "setsid": ["--setsid", "--ignore-term"],
    "no environment": ["--setsid", "--double-fork", "--clean-env"],
}


def spawn(running: Daemon, wire: Wire) -> None:
    """As soon as the scheduler orders the start: somewhere in guard, fork and exec."""
    wire.chat("a")
    running.log.wait("<< Start")


def load(running: Daemon, wire: Wire) -> None:
    wire.chat("slow")
    until(running.starts, "the load")


def ready(running: Daemon, wire: Wire) -> None:
    wire.ask("GET", "/upstream/a/echo")
    wire.answer()


def serve(running: Daemon, wire: Wire) -> None:
    wire.chat("a", stream=True)
    wire.head()


def stop(running: Daemon, wire: Wire) -> None:
    ready(running, wire)
    wire.ask("POST", "/api/models/unload", b"")
    running.log.wait("<< Stop")


def swap(running: Daemon, wire: Wire) -> None:
    ready(running, wire)
    wire.chat("slow")
    running.log.wait("<< Stop")


def shutdown(running: Daemon, wire: Wire) -> None:
    ready(running, wire)
    running.signal(signal.SIGTERM)
    running.log.wait("shutting down")


PHASES: dict[str, Callable[[Daemon, Wire], None]] = {
    each.__name__: each for each in (spawn, load, ready, serve, stop, swap, shutdown)
}


def one_round(phase: str, misbehaviour: str, dice: random.Random, directory: Path) -> float:
    """Seconds from the daemon's death until nothing was left."""
    flags = [*MISBEHAVIOURS[misbehaviour], "--token-delay", "0.05", "--tokens", "1000"]
    # A leader that backgrounds its server and exits is no server to the supervisor, so it never gets beyond its load.
    check = {"checkEndpoint": "none"} if phase == "spawn" else {}
    slow = fake("slow", *flags, "--load", "600", unloadTimeout=20)
    running = Daemon(directory, {"models": {"a": fake("a", *flags, unloadTimeout=20, **check), "slow": slow}})
    running.start()
    try:
        with running.wire() as wire:
            PHASES[phase](running, wire)
            time.sleep(dice.uniform(0, 0.05))  # not to wait for something: the moment is meant to be any
            running.look()
            running.signal(signal.SIGKILL)
            running.wait(5)
            killed_at = time.monotonic()
            until(lambda: not running.left() and lock_is_free(running.lock), "the end of all", LIMIT_S + ALLOWANCE_S)
            return time.monotonic() - killed_at
    finally:
        running.end(strict=False)


def cells() -> list[tuple[str, str]]:
    """Every phase with every misbehaviour that can get there."""
    possible = [(phase, each) for phase in PHASES for each in MISBEHAVIOURS]
    return [cell for cell in possible if cell[1] != "backgrounds" or cell[0] in ("spawn", "load")]


def run_rounds(rounds: int, seed: int, directory: Path) -> dict[tuple[str, str], list[float]]:
    """So many kills, spread over `cells`. Raises AssertionError naming the round that left something."""
    order = cells()
    random.Random(seed).shuffle(order)
    took: dict[tuple[str, str], list[float]] = {}

    def one(number: int) -> None:
        cell = order[number % len(order)]
        room = directory / f"round{number}"
        room.mkdir()
        try:
            took.setdefault(cell, []).append(one_round(*cell, random.Random(f"{seed}/{number}"), room))
        except Exception as error:
            raise AssertionError(f"round {number} of seed {seed}, {cell}: {error}") from error
        shutil.rmtree(room)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(one, range(rounds)))
    return took


def table(took: dict[tuple[str, str], list[float]]) -> str:
    """Phases by misbehaviours, each with the longest time until all was gone."""
    width = max(map(len, MISBEHAVIOURS)) + 2
    lines = ["".ljust(width) + "".join(phase.rjust(10) for phase in PHASES)]
    for each in MISBEHAVIOURS:
        row = [took.get((phase, each)) for phase in PHASES]
        lines.append(each.ljust(width) + "".join((f"{max(t):.2f}" if t else "-").rjust(10) for t in row))
    times = [time for cell in took.values() for time in cell]
    lines.append(f"{len(times)} kills; until nothing was left: median {statistics.median(times):.2f} s, ")
    lines[-1] += f"longest {max(times):.2f} s"
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/rigs/orphans", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30), help="the same order and moments again")
    parser.add_argument("--short", action="store_true", help="20 rounds, with time for a busy machine")
    options = parser.parse_args()
    rounds, allowance = (20, ALLOWANCE_S) if options.short else (options.rounds, 0.0)
    print(f"{rounds} rounds, seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="orphans-") as directory:
        try:
            took = run_rounds(rounds, options.seed, Path(directory))
        except AssertionError as error:
            print(error)
            return 1
    print(table(took))
    times = [time for cell in took.values() for time in cell]
    return int(max(times) > LIMIT_S + allowance or statistics.median(times) > MEDIAN_S + allowance)


if __name__ == "__main__":
    sys.exit(main())
