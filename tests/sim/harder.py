"""What makes every second world harder: deadlines, streams that would keep others out, ranks, changes of scheduler.

It is drawn by itself and added to a world that has been drawn already, so that the others are what they were.
"""

import random
from collections.abc import Callable
from dataclasses import replace

from llamaswap.config.routing import (
    IMPLICIT_GROUP,
    BatchSettings,
    FifoSettings,
    GroupConfig,
    SchedulerConfig,
    SerialSettings,
)
from llamaswap.config.schema import Config, ModelId
from tests.sim.plan import Answer, Asked, Order, Plan


def harder(plan: Plan, seed: int) -> Plan:
    """*plan* with one or several of these in it, or as it was."""
    rng = random.Random(f"harder {seed}")
    if rng.random() < 0.5:
        return plan
    for kind in [kind for kind in KINDS if rng.random() < 0.5]:
        plan = kind(rng, plan)
    return plan


def _with_deadlines(rng: random.Random, plan: Plan) -> Plan:
    """Many clients name one, for some models one is configured, and some models take as long for each load."""
    share = rng.choice((0.3, 1.0))
    requests = tuple(
        replace(asked, deadline_s=_deadline(rng)) if rng.random() < share else asked for asked in plan.requests
    )
    configured = {model: _deadline(rng) for model in plan.configs[0].models if rng.random() < 0.3}
    steady = {str(model): rng.uniform(1, 8) for model in plan.configs[0].models if rng.random() < 0.5}
    configs = tuple(_hurried(config, configured) for config in plan.configs)
    return replace(plan, requests=requests, configs=configs, loads_s=steady)


def _deadline(rng: random.Random) -> float:
    return max(0.001, round(rng.choice((0.05, 1.0, 5.0, 20.0, 60.0)) * rng.random(), 3))


def _hurried(config: Config, deadlines: dict[ModelId, float]) -> Config:
    models = {
        name: replace(model, deadline=deadlines[name]) if name in deadlines else model
        for name, model in config.models.items()
    }
    return replace(config, models=models)


def _with_ranks(rng: random.Random, plan: Plan) -> Plan:
    """It is `fifo`, most models have a priority, often only one has place, and now and then all are asked for."""
    names = list(plan.configs[0].models)
    ranks = {model: rng.randint(0, 3) for model in names if rng.random() < 0.8}
    scheduler = SchedulerConfig("fifo", fifo=FifoSettings(ranks, rng.choice((0.0, 0.0, 5.0, 15.0))))
    configs = tuple(_under(config, scheduler) for config in plan.configs)
    if rng.random() < 0.7:
        configs = tuple(_one_at_a_time(config) for config in configs)
    requests = list(plan.requests)
    for _ in range(rng.randint(2, 6) if plan.ends_at > 1000 else 1):
        at = rng.uniform(0, plan.ends_at * 0.8)
        for name in rng.sample(names, len(names)):
            requests.append(Asked(len(requests) + 1, at + rng.random(), name, Answer("whole", 1 + rng.random())))
    return replace(plan, configs=configs, requests=tuple(sorted(requests, key=lambda each: each.at)))


def _one_at_a_time(config: Config) -> Config:
    everybody = GroupConfig(IMPLICIT_GROUP, members=tuple(config.models))
    return replace(config, routing=replace(config.routing, router="group", groups=(everybody,), matrix=None))


def _with_short_patience(rng: random.Random, plan: Plan) -> Plan:
    """Under `fifo` and `batch` nobody waits for long, though he may be passed often, or the other way round."""
    wait, most = rng.choice(((2.0, 20), (5.0, 20), (15.0, 20), (60.0, 1), (60.0, 3)))
    first = plan.configs[0].routing.scheduler
    fifo, batch = (
        replace(first.fifo, max_wait=wait),
        replace(first.batch, max_wait=wait, max_overtakes=most),
    )
    scheduler = SchedulerConfig(rng.choice(("fifo", "batch")), first.serial, fifo, batch)
    return replace(plan, configs=tuple(_under(config, scheduler) for config in plan.configs))


def _with_streams(rng: random.Random, plan: Plan) -> Plan:
    """Requests for one model that overlap for a minute or so, and in the midst of them some for others.

    Meanwhile some of that model's lives lose their guards, and do not end at once.
    """
    names = list(plan.configs[0].models)
    favourites = set[str]()
    requests = list(plan.requests)
    for _ in range(rng.randint(1, 3) if plan.ends_at > 1000 else 1):
        favourite, at = rng.choice(names), rng.uniform(0, plan.ends_at * 0.8)
        favourites.add(favourite)
        pace = rng.choice((0.3, 1.0, 2.0))
        for n in range(rng.choice((10, 25, 40))):
            answer = Answer("whole", pace * rng.uniform(0.5, 3.0))
            requests.append(Asked(len(requests) + 1, at + n * pace, favourite, answer))
        for _ in range(rng.randint(1, 4)):
            answer = Answer("whole", rng.random())
            requests.append(Asked(len(requests) + 1, at + 10 * pace * rng.random(), rng.choice(names), answer))
    in_order = tuple(sorted(requests, key=lambda each: each.at))
    return replace(plan, requests=in_order, unguarded=frozenset(favourites))


def _with_switches(rng: random.Random, plan: Plan) -> Plan:
    """Reloads, some of them when much goes on, after which another scheduler decides."""
    busy = [early.at for early, late in zip(plan.requests, plan.requests[3:], strict=False) if late.at - early.at < 3.0]
    times = [rng.choice(busy or [60.0]) + rng.choice((0.5, 3.0, 30.0)) * rng.random() for _ in range(rng.randint(1, 6))]
    added = [Order(at, "reload", next(iter(plan.configs[0].models))) for at in times]
    configs, switched = list(plan.configs) + [plan.configs[-1]] * len(added), plan.configs[:1]
    scheduler = plan.configs[0].routing.scheduler
    for config in configs[1:]:
        if rng.random() < 0.7:
            scheduler = _scheduler(rng, scheduler)
        switched += (_under(config, scheduler),)
    return replace(plan, orders=tuple(sorted((*plan.orders, *added), key=lambda each: each.at)), configs=switched)


def _scheduler(rng: random.Random, last: SchedulerConfig) -> SchedulerConfig:
    fifo = FifoSettings(last.fifo.priority, rng.choice((0.0, 5.0, 30.0)))
    batch = BatchSettings(rng.choice((0, 1, 3)), rng.choice((5.0, 60.0)))
    return SchedulerConfig(rng.choice(("serial", "fifo", "batch")), SerialSettings(rng.choice((1, 3))), fifo, batch)


def _under(config: Config, scheduler: SchedulerConfig) -> Config:
    return replace(config, routing=replace(config.routing, scheduler=scheduler))


KINDS: tuple[Callable[[random.Random, Plan], Plan], ...] = (
    _with_ranks,
    _with_streams,
    _with_short_patience,
    _with_deadlines,
    _with_switches,
)
