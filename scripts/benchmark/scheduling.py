"""What the journal, a replay and a simulation cost: ``PYTHONPATH=scripts .venv/bin/python -m benchmark.scheduling``.

CPU time of this process, the best of five rounds; no daemon and no network. Exit code 1 if a simulated hour of 10^4
requests takes a second or more.
"""

import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import get_args

from llamaswap.config.journal import JournalSettings
from llamaswap.config.routing import RoutingConfig, SchedulerConfig, SchedulerName
from llamaswap.config.schema import ModelId
from llamaswap.schedule.commands import Command
from llamaswap.schedule.events import Arrived, Event, Left, Life, ModelRules, Started, Ticket
from llamaswap.schedule.fork import fork
from llamaswap.schedule.journal import state_text
from llamaswap.schedule.rebuild import build
from llamaswap.schedule.replay import Place, Replay
from llamaswap.schedule.scheduler import Scheduler
from llamaswap.schedule.simulation.day import Day, play
from llamaswap.schedule.simulation.durations import Fixed
from llamaswap.telemetry.journal_file import JournalFile

ROUNDS, REQUESTS = 5, 10_000
MODEL = ModelId("qwen3-30b-a3b")
MODELS = {MODEL: ModelRules()}
Observer = Callable[[Event, float, list[Command]], None]


def best(act: Callable[[], float]) -> float:
    return min(act() for _ in range(ROUNDS))


def ready() -> Scheduler:
    machine = build(RoutingConfig(), MODELS)
    for event in (Arrived(Ticket(0), MODEL), Started(MODEL, Life(1)), Left(Ticket(0))):
        machine.handle(event, 0.0)
    return machine


def serve(machine: Scheduler, observer: Observer | None) -> None:
    """Requests for a ready model, one after the other, about five thousand a second."""
    for number in range(1, REQUESTS + 1):
        for event in (Arrived(Ticket(number), MODEL), Left(Ticket(number))):
            now = 86_400.123456789 + number
            orders = machine.handle(event, now)
            if observer is not None:
                observer(event, now, orders)
        if number % 50 == 0:
            time.sleep(0.01)


def timed(act: Callable[[], object]) -> float:
    began = time.process_time()
    act()
    return time.process_time() - began


def with_journal(directory: str) -> float:
    machine = ready()
    journal = JournalFile(JournalSettings(directory), lambda: (machine, RoutingConfig()), MODELS, 0.0)

    def act() -> None:
        serve(machine, journal.on_pass)
        journal.close(10.0)

    seconds = timed(act)
    assert journal.dropped == 0
    return seconds


def replayed(directory: Path) -> float:
    lines = max(directory.glob("*.jsonl")).read_bytes().splitlines()

    def act() -> None:
        player = Replay()
        for number, line in enumerate(lines):
            player.feed(line, Place("", number))
        assert player.differences == 0

    return timed(act) / len(lines)


def hour(use: SchedulerName) -> float:
    luck, now, facts = random.Random(1), 0.0, list[tuple[float, Event]]()
    for number in range(REQUESTS):
        now += luck.expovariate(REQUESTS / 3600)
        facts.append((now, Arrived(Ticket(number), ModelId(luck.choice("aaab")))))
    models = {ModelId(name): ModelRules(ttl=300.0, parallel=4) for name in "ab"}
    routing = RoutingConfig(scheduler=SchedulerConfig(use=use))
    day = Day(routing, models, 0.0, 3600.0, 0.0, tuple(facts), lambda: Fixed(service=0.2, load=2.0, stop=0.5))
    return timed(lambda: play([day]))


def crowd(waiting: int) -> Scheduler:
    machine = build(RoutingConfig(), MODELS)
    for number in range(waiting):
        machine.handle(Arrived(Ticket(number), MODEL), 0.0)
    return machine


def main() -> int:
    machine = ready()
    off = best(lambda: timed(lambda: serve(machine, None))) / REQUESTS
    with tempfile.TemporaryDirectory() as directory:
        on = best(lambda: with_journal(directory)) / REQUESTS
        size = max(Path(directory).glob("*.jsonl")).stat().st_size / REQUESTS
        print(f"journal: {(on - off) * 1e6:.1f} us a request of two passes (scheduler alone {off * 1e6:.1f} us)")
        print(f"journal: {size:.0f} bytes a request")
        print(f"replay: {best(lambda: replayed(Path(directory))) * 1e6:.1f} us a pass")
    for waiting in (10, 100_000):
        full = crowd(waiting)
        copy, text = best(lambda: timed(lambda: fork(full))), best(lambda: timed(lambda: state_text(full)))  # noqa: B023 - used at once
        print(f"a new file with {waiting} waiting: copy {copy * 1e3:.2f} ms, text {text * 1e3:.2f} ms (in the thread)")
    hours = {use: best(lambda: hour(use)) for use in get_args(SchedulerName)}  # noqa: B023 - used at once
    for use, seconds in hours.items():
        print(f"simulated hour of {REQUESTS} requests, {use}: {seconds:.2f} s")
    return int(max(hours.values()) >= 1.0)


if __name__ == "__main__":
    sys.exit(main())
