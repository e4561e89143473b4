"""Histories by chance, and forecasts asked for now and then: how often does the range hold what then happened?"""

import math
from dataclasses import dataclass, field
from random import Random

from llamaswap.config.routing import RoutingConfig
from llamaswap.config.schema import ModelId
from llamaswap.schedule.batch import BatchScheduler
from llamaswap.schedule.commands import Grant
from llamaswap.schedule.events import Arrived, Event, ModelRules, Ticket
from llamaswap.schedule.eviction import eviction_for
from llamaswap.schedule.fifo import FifoScheduler
from llamaswap.schedule.forecast import forecast, run, situation
from llamaswap.schedule.forecast_samples import Range
from llamaswap.schedule.forecast_stopwatch import Stopwatch
from llamaswap.schedule.scheduler import Scheduler
from llamaswap.schedule.serial import SerialScheduler
from llamaswap.schedule.simulation.durations import Load
from llamaswap.schedule.simulation.engine import Simulation

MODELS = tuple(map(ModelId, "abcd"))
POPULARITY = (5, 3, 2, 1)
KINDS = ("serial", "fifo", "batch")
#: Requests a second: each scheduler is kept about as busy as it can be.
RATES = {"serial": 0.06, "fifo": 0.12, "batch": 0.12}


def machine_of(kind: str) -> Scheduler:
    rules = {model: ModelRules() for model in MODELS}
    if kind == "serial":
        return SerialScheduler(rules)
    eviction = eviction_for(RoutingConfig())
    return FifoScheduler(rules, eviction) if kind == "fifo" else BatchScheduler(rules, eviction)


class World:
    """Lognormal durations. Models differ; requests of one model differ by *spread*."""

    def __init__(self, seed: int, spread: float, patience: float) -> None:
        self._luck = Random(seed)
        self._spread = spread
        self._patience = patience
        self._services = {model: self._luck.lognormvariate(1.0, 0.7) for model in MODELS}
        self._loads = {model: self._luck.lognormvariate(1.5, 0.5) for model in MODELS}

    def service(self, ticket: Ticket, model: ModelId, elapsed: float) -> float:
        return self._services[model] * self._luck.lognormvariate(0, self._spread)

    def patience(self, ticket: Ticket, elapsed: float) -> float:
        return self._luck.expovariate(1 / self._patience) if self._patience < math.inf else math.inf

    def load(self, model: ModelId, elapsed: float) -> Load:
        return Load(self._loads[model] * self._luck.lognormvariate(0, 0.15))

    def stop(self, model: ModelId, elapsed: float) -> float:
        return 0.5 * self._luck.lognormvariate(0, 0.3)


@dataclass
class Score:
    """How many truths lay within their range, before and behind it; how wide the ranges were beside the wait."""

    within: int = 0
    earlier: int = 0
    later: int = 0
    widths: list[float] = field(default_factory=list)

    @property
    def count(self) -> int:
        return self.within + self.earlier + self.later

    @property
    def share(self) -> float:
        return self.within / self.count

    def judge(self, told: Range, truth: float) -> None:
        if truth < told.low - 1e-9:
            self.earlier += 1
        elif truth > told.high + 1e-9:
            self.later += 1
        else:
            self.within += 1
        self.widths.append((told.high - told.low) / max(told.likely, 1.0))

    def add(self, other: "Score") -> None:
        self.within += other.within
        self.earlier += other.earlier
        self.later += other.later
        self.widths += other.widths

    def __str__(self) -> str:
        width = sorted(self.widths)[len(self.widths) // 2]
        return (
            f"{self.share:.1%} of {self.count} within the range, {self.earlier / self.count:.1%} earlier, "
            f"{self.later / self.count:.1%} later; the usual range is {width:.2f} of the wait wide"
        )


def history(kind: str, seed: int, requests: int, ask: float) -> Score:
    """One history; after each pass somebody asks with the probability *ask* about one of those who wait."""
    luck = Random(seed)
    patience = 120.0 if seed % 3 == 2 else math.inf
    world = World(seed + 1, luck.choice((0.3, 0.6, 1.0)), patience)
    at, facts = 0.0, list[tuple[float, Event]]()
    for number in range(1, requests + 1):
        at += luck.expovariate(RATES[kind])
        facts.append((at, Arrived(Ticket(number), luck.choices(MODELS, POPULARITY)[0])))
    machine, stopwatch, score = machine_of(kind), Stopwatch(), Score()
    told: dict[Ticket, list[tuple[float, Range]]] = {}
    for now, event, orders in Simulation(machine, world, facts).passes():
        stopwatch.on_pass(event, now, orders)
        for order in orders:
            if isinstance(order, Grant):
                for since, expected in told.pop(order.ticket, ()):
                    score.judge(expected, now - since)
        if luck.random() < ask and (waiting := list(machine.waiting())):
            starts = run(forecast(situation(machine, stopwatch, now))).starts
            one = luck.choice(waiting).ticket
            if one in starts:
                told.setdefault(one, []).append((now, starts[one]))
    return score


def calibrate(kind: str, seeds: range, requests: int, ask: float) -> Score:
    score = Score()
    for seed in seeds:
        score.add(history(kind, seed, requests, ask))
    return score
