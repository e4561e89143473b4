"""Swaps of real processes under each scheduler and router, with unloads in storms; judged from outside.

    scripts/rigs/swaps [--swaps N] [--seed S] [--first ROUND] [--only ROUND] [--short]

Rounds of a daemon each, which take turns through `swap_worlds`. Eight clients, some of which leave; an operator unloads
and loads; at the end SIGTERM, in some rounds in the midst of it. Never are models alive together that must not be; each
request has one outcome, from the right model; an unload returns in time and leaves nothing of what was there; nobody is
passed more often than the scheduler states. Prints a line a round; at the first breach seed and round, and exit code 1.
"""

import argparse
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.running import Daemon
from tests.e2e.swap_clients import Round
from tests.e2e.swap_judges import PROMISED_STOP_S, Story, judge_journal, judge_ledger
from tests.e2e.swap_worlds import WORLDS, World, entries

LONG_ROUND, SHORT_ROUND = 100, 30  # swaps


@dataclass
class Total:
    """What all rounds came to."""

    starts: int = 0
    unloads: int = 0
    slowest_unload: float = 0.0
    slowest_stop: float = 0.0
    slowest_exit: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)

    def add(self, clients: Round, story: Story) -> None:
        self.starts += clients.starts()
        self.unloads += clients.unloads
        self.slowest_unload = max(self.slowest_unload, clients.slowest_unload)
        self.slowest_stop = max(self.slowest_stop, story.longest_stop)
        self.slowest_exit = max(self.slowest_exit, clients.exit_s)
        self.outcomes += Counter(each.outcome for each in clients.sent)


def one_round(world: World, seed: str, room: Path, swaps: int, program: Sequence[str] = ()) -> tuple[Round, Story]:
    """A daemon's life in *room*, which is there and empty. Raises AssertionError at a breach.

    Args:
        program: What to run instead of the daemon proper.
    """
    running = Daemon(room, world.config(room), program=program or ("-m", "llamaswap"))
    running.ledger.touch()
    clients = Round(running, seed, swaps)
    try:
        with running:
            clients.play()
            clients.quiet()
    finally:
        # A breach first, if there is one: what failed then is likely to follow from it.
        judge_ledger(world, entries(running.ledger.read_text()), clients.sent)
    return clients, judge_journal(world, room / "journal")


def run(rounds: Sequence[int], seed: int, directory: Path, swaps: int) -> Total:
    """Those rounds; each has a room of its own in *directory*, which is kept if the round fails."""
    total = Total()
    for number in rounds:
        world = WORLDS[number % len(WORLDS)]
        room = directory / f"round{number}"
        room.mkdir()
        try:
            clients, story = one_round(world, f"{seed}/{number}", room, swaps)
        except Exception as error:
            where = f"round {number} of seed {seed} ({world.name})"
            raise AssertionError(f"{where}: {type(error).__name__}: {error}\nkept: {room}") from error
        total.add(clients, story)
        print(
            f"round {number}, {world.name}: {clients.starts()} starts, {len(clients.sent)} requests, passed by "
            f"{story.most_passed} at most, waited {story.longest_wait:.1f} s at most, stopped in "
            f"{story.longest_stop:.1f} s at most",
            flush=True,
        )
        shutil.rmtree(room)
    return total


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/rigs/swaps", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--swaps", type=int, default=10_000, help="in all, in rounds of 100")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30), help="the same clients again")
    parser.add_argument("--first", type=int, default=0, metavar="ROUND", help="go on with that round of the seed")
    parser.add_argument("--only", type=int, metavar="ROUND", help="that round alone")
    parser.add_argument("--short", action="store_true", help="a round of 30 swaps in each world, less than a minute")
    options = parser.parse_args()
    each = SHORT_ROUND if options.short else LONG_ROUND
    rounds = range(len(WORLDS)) if options.short else range(options.first, -(-options.swaps // each))
    chosen = rounds if options.only is None else [options.only]
    print(f"{len(chosen)} rounds of {each} swaps, seed {options.seed}", flush=True)
    directory = Path(tempfile.mkdtemp(prefix="swaps-"))
    try:
        total = run(chosen, options.seed, directory, each)
    except AssertionError as error:
        print(error)
        return 1
    directory.rmdir()
    print(f"{total.outcomes.total()} requests: " + ", ".join(f"{n} {end}" for end, n in total.outcomes.most_common()))
    print(
        f"{total.unloads} unloads, the slowest {total.slowest_unload:.1f} s; slowest stop {total.slowest_stop:.1f} s, "
        f"exit {total.slowest_exit:.1f} s"
    )
    print(f"{total.starts} swaps, never together what must not be, nobody passed beyond the bound")
    return int(max(total.slowest_unload, total.slowest_stop) > PROMISED_STOP_S and not options.short)


if __name__ == "__main__":
    sys.exit(main())
