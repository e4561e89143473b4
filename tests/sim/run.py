"""SIM: the real daemon in worlds that are not there.

    scripts/rigs/sim --short          500 worlds of a virtual hour, and a sample of faults: what each build runs
    scripts/rigs/sim                  50,000 worlds, and every fault there can be in 20 tiny worlds: hours
    scripts/rigs/sim --seeds 1000 --start 5000
    scripts/rigs/sim --seed 17 [--tiny] [--fault hang-up:42]   replays one world and prints its transcript
    scripts/rigs/sim --defects        plants each known defect and says which world catches it

A breach prints the world and its fault, and the exit code is 1. A replay is the same world byte for byte.
"""

import argparse
import gc
import os
import random
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import NamedTuple

from tests.sim.draw import draw
from tests.sim.house import Played, play
from tests.sim.planted import DEFECTS, caught
from tests.sim.planted_waiting import WAITING
from tests.sim.steps import FAULTS, Fault

SHORT_SEEDS, LONG_SEEDS, CHUNK = 500, 50_000, 25
SHORT_TINY, LONG_TINY = 12, 20
#: Faults of each kind tried in each tiny world of the short form.
SAMPLE = 6


class World(NamedTuple):
    """One world to be played."""

    seed: int
    tiny: bool = False
    fault: Fault = Fault()

    def __str__(self) -> str:
        return f"seed={self.seed}{' tiny' if self.tiny else ''} fault={self.fault}"

    def play(self) -> Played:
        return play(draw(self.seed, tiny=self.tiny), self.fault)


class Sum(NamedTuple):
    """What a number of worlds came to. `breaches`: what to replay, and what was wrong."""

    worlds: int = 0
    facts: int = 0
    served: int = 0
    calls: int = 0
    steps: int = 0
    cpu_s: float = 0.0
    breaches: tuple[str, ...] = ()

    def plus(self, other: "Sum") -> "Sum":
        return Sum(*(mine + its for mine, its in zip(self, other, strict=True)))  # type: ignore[operator]


def play_all(worlds: Iterable[World]) -> Sum:
    """Play each of *worlds*."""
    total, began = Sum(), time.process_time()
    gc.disable()  # it finds next to nothing here, and takes a tenth of the time
    for world in worlds:
        played = world.play()
        breaches = tuple(f"{world}: {wrong}" for wrong in played.wrongs)
        steps = sum(played.steps.values())
        total = total.plus(Sum(1, played.facts, played.served, played.calls, steps, 0.0, breaches))
    gc.enable()
    gc.collect()
    return total._replace(cpu_s=time.process_time() - began)


def sweep(seed: int, sample: int | None) -> Sum:
    """The tiny world of *seed* with a fault at each await and call that it has, or at *sample* of each kind."""
    plain = World(seed, tiny=True)
    return play_all([plain]).plus(play_all(plain._replace(fault=fault) for fault in faults(plain.play(), seed, sample)))


def faults(played: Played, seed: int, sample: int | None) -> Iterator[Fault]:
    rng = random.Random(seed)
    for kind in FAULTS:
        numbers = range(1, Fault(kind).most(played.calls, played.steps) + 1)
        chosen = numbers if sample is None else rng.sample(numbers, min(sample, len(numbers)))
        yield from (Fault(kind, number) for number in chosen)


def main() -> int:
    arguments = _arguments()
    if arguments.seed is not None:
        return _replay(World(arguments.seed, arguments.tiny, arguments.fault))
    if arguments.defects:
        return _defects()
    short = arguments.short
    count = arguments.seeds or (SHORT_SEEDS if short else LONG_SEEDS)
    tiny = arguments.sweeps if arguments.sweeps is not None else (SHORT_TINY if short else LONG_TINY)
    seeds, began = range(arguments.start, arguments.start + count), time.monotonic()
    with ProcessPoolExecutor(arguments.jobs) as pool:
        jobs = [pool.submit(play_all, list(map(World, seeds[n : n + CHUNK]))) for n in range(0, count, CHUNK)]
        jobs += [
            pool.submit(sweep, seed, SAMPLE if short else None)
            for seed in range(arguments.start, arguments.start + tiny)
        ]
        total = Sum()
        for done in as_completed(jobs):
            total = total.plus(done.result())
            for breach in done.result().breaches:
                print(f"BREACH: {breach}", flush=True)
    took = time.monotonic() - began
    print(
        f"sim: {total.worlds} worlds ({count} of an hour, the others with a fault each), {total.facts} facts, "
        f"{total.served} requests served, {total.calls} calls, {total.steps} steps, {len(total.breaches)} breaches, "
        f"{took:.0f} s ({total.cpu_s:.0f} s of CPU, {total.worlds / total.cpu_s:.1f} worlds a second)"
    )
    return 1 if total.breaches else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="the form for each build")
    parser.add_argument("--seeds", type=int, help="how many worlds of an hour")
    parser.add_argument("--sweeps", type=int, help="how many tiny worlds with faults")
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes at once")
    parser.add_argument("--seed", type=int, help="replay this world")
    parser.add_argument("--tiny", action="store_true", help="... the tiny one of that seed")
    parser.add_argument("--fault", type=Fault.parse, default=Fault(), help="... with this fault, as in hang-up:42")
    parser.add_argument("--defects", action="store_true", help="print the table of planted defects")
    return parser.parse_args()


def _replay(world: World) -> int:
    played = world.play()
    print("\n".join(played.told))
    print(f"{world}: {len(played.wrongs)} breaches, {played.calls} calls, {played.steps} steps")
    for wrong in played.wrongs:
        print(f"BREACH: {wrong}")
    return 1 if played.wrongs else 0


def _defects() -> int:
    survivors = 0
    print("| Defect | In | World | What a judge says |\n|---|---|---|---|")
    for defect in (*DEFECTS, *WAITING):
        found = caught(defect)
        survivors += found is None
        print(f"| {defect.name} | `{defect.module}` | {' | '.join(found) if found else '- | -'} |", flush=True)
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
