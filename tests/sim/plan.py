"""What will happen in a world, drawn from its seed: configurations, clients, operators, and the fates of processes.

Fates are drawn by model and number of the life, not in the order of events, so that a world with one fault more is
otherwise the same world.
"""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from llamaswap.config.matrix.compile import compile_matrix
from llamaswap.config.matrix.sets import Matrix
from llamaswap.config.routing import (
    IMPLICIT_GROUP,
    BatchSettings,
    FifoSettings,
    GroupConfig,
    RoutingConfig,
    SchedulerConfig,
    SerialSettings,
)
from llamaswap.config.schema import Config, ModelConfig, ModelId

NAMES = "abcde"
FIRST_PORT = 9000
NEVER = math.inf

AnswerKind = Literal["whole", "stream", "endless", "to end", "break", "reset", "silent", "hang up"]
OrderKind = Literal["unload", "unload all", "load", "reload"]


@dataclass(frozen=True)
class Fate:
    """How one life of a model goes. Seconds after the spawn, but for those that follow a signal.

    Attributes:
        ends_s: It dies by itself.
        term_s: How long it takes to obey SIGTERM.
        straggler_s: How long a child outlives SIGTERM; None: there is no child.
        unkillable_s: How long the kernel does not let go of it after SIGKILL.
        keeps_s: How long it keeps a connection on which nothing happens; if not at all, it says so.
        guard: What its guard does: its duty, die with the life under it, or never act on an order.
    """

    runs: bool = True
    listens_s: float = 0.0
    healthy_s: float = 0.0
    ends_s: float = NEVER
    term_s: float = 0.0
    straggler_s: float | None = None
    unkillable_s: float = 0.0
    guard: Literal["", "dies", "deaf"] = ""
    guard_s: float = NEVER
    keeps_s: float = 5.0


@dataclass(frozen=True)
class Answer:
    """What the model makes of one request: the first byte after *delay_s*, then a piece every *gap_s*."""

    kind: AnswerKind = "whole"
    delay_s: float = 1.0
    pieces: int = 1
    gap_s: float = 0.0
    piece_bytes: int = 40


@dataclass(frozen=True)
class Asked:
    """One request of a client.

    Attributes:
        leaves_s: After how long the client hangs up, whatever it has got.
        stalls_s: How long it reads nothing of an answer that has begun.
        number: Names it everywhere.
    """

    number: int
    at: float
    model: ModelId
    answer: Answer
    leaves_s: float = NEVER
    stalls_s: float = 0.0


@dataclass(frozen=True)
class Order:
    """What an operator does."""

    at: float
    kind: OrderKind
    model: ModelId
    grace: float | None = None


@dataclass(frozen=True)
class Plan:
    """A whole world. `configs`: the first one, and those that reloads bring, one after the other."""

    seed: str
    configs: tuple[Config, ...]
    requests: tuple[Asked, ...]
    orders: tuple[Order, ...]
    ends_at: float
    hurried_after: float = NEVER
    sets: Mapping[str, str] = field(default_factory=dict)
    scheduler: str = ""

    def fate(self, model: str, nth: int) -> Fate:
        """How the *nth* life of *model* goes."""
        rng = random.Random(f"{self.seed}/{model}/{nth}")
        sound = random.Random(f"{self.seed}/{model}").random()
        return _fate(rng, sound)


def draw(seed: int, *, tiny: bool = False) -> Plan:
    """The world of *seed*: an hour, or *tiny*: two models, few requests, a few minutes."""
    rng = random.Random(f"world {seed}")
    names = [ModelId(name) for name in NAMES[: 2 if tiny else rng.choice((1, 2, 2, 3, 3, 4, 5))]]
    length = 120.0 if tiny else 3600.0
    first, sets = _first_config(rng, names)
    orders = _orders(rng, names, length, 3 if tiny else 10)
    configs = [first]
    for _ in range(sum(order.kind == "reload" for order in orders)):
        configs.append(_next_config(rng, first, configs[-1]))
    quiet = rng.random() < 0.5
    return Plan(
        seed=f"{seed}{' tiny' if tiny else ''}",
        configs=tuple(configs),
        requests=tuple(_requests(rng, names, length * (0.7 if quiet else 1.0), 5 if tiny else rng.randint(25, 60))),
        orders=tuple(orders),
        ends_at=length,
        hurried_after=rng.uniform(0, 20) if rng.random() < 0.3 else NEVER,
        sets=sets,
        scheduler=first.routing.scheduler.use,
    )


# -- configurations -------------------------------------------------------------------------------------------------


def _first_config(rng: random.Random, names: list[ModelId]) -> tuple[Config, dict[str, str]]:
    models = {name: _model(rng, name) for name in names}
    routing, sets = _routing(rng, names)
    return _config(models, routing), sets


def _config(models: Mapping[ModelId, ModelConfig], routing: RoutingConfig) -> Config:
    return Config(
        models=models,
        names={name: name for name in models},
        routing=replace(routing, groups=_kept(routing.groups, frozenset(models))),
        log_level="error",
        log_to_stdout="none",
    )


def _kept(groups: tuple[GroupConfig, ...], models: frozenset[ModelId]) -> tuple[GroupConfig, ...]:
    return tuple(replace(group, members=tuple(m for m in group.members if m in models)) for group in groups)


def _model(rng: random.Random, name: ModelId, version: int = 1) -> ModelConfig:
    port = FIRST_PORT + NAMES.index(name)
    return ModelConfig(
        id=name,
        cmd="/bin/true",
        argv=("/bin/true", name, str(version)),
        proxy=f"http://localhost:{port}",
        check_endpoint="none" if rng.random() < 0.05 else "/health",
        health_check_timeout=rng.choice((3.0, 20.0, 30.0)),
        ttl=rng.choice((0.0, 5.0, 40.0, 300.0)),
        unload_timeout=rng.choice((0.5, 2.0, 10.0)),
        concurrency_limit=rng.choice((0, 0, 0, 2, 10)),
        parallel=rng.choice((1, 1, 2, 4)),
        owns_port=True,
        port=port,
    )


def _routing(rng: random.Random, names: list[ModelId]) -> tuple[RoutingConfig, dict[str, str]]:
    scheduler = SchedulerConfig(
        use=rng.choice(("serial", "serial", "fifo", "batch")),
        serial=SerialSettings(rng.choice((1, 1, 1, 3)), rng.random() < 0.3),
        fifo=FifoSettings({name: rng.randint(0, 2) for name in names if rng.random() < 0.3}, rng.choice((0.0, 30.0))),
        batch=BatchSettings(rng.choice((0, 1, 3, 8)), rng.choice((10.0, 60.0))),
    )
    if rng.random() < 0.4:
        sets = {f"s{n}": " & ".join(rng.sample(names, rng.randint(1, len(names)))) for n in range(rng.randint(1, 3))}
        matrix: Matrix = compile_matrix({}, {}, sets, names, _no_finding)
        return RoutingConfig("matrix", (), matrix, scheduler), sets
    parts: dict[str, list[ModelId]] = {}
    for name in names:
        parts.setdefault(rng.choice((IMPLICIT_GROUP, "g1", "g2")), []).append(name)
    groups = [_group(rng, each, tuple(members)) for each, members in parts.items()]
    return RoutingConfig("group", tuple(groups), None, scheduler), {}


def _group(rng: random.Random, name: str, members: tuple[ModelId, ...]) -> GroupConfig:
    if name == IMPLICIT_GROUP:
        return GroupConfig(name, members=members)
    return GroupConfig(name, rng.random() < 0.5, rng.random() < 0.6, rng.random() < 0.3, members)


def _no_finding(finding: object) -> None:
    """Nothing that is drawn here is wrong in a way that matters."""


def _next_config(rng: random.Random, first: Config, last: Config) -> Config:
    """The same house with a model changed, removed, or back again; now and then nothing new at all."""
    models = dict(last.models)
    name = rng.choice(list(first.models))
    kind = rng.choice(("same", "restart", "settings", "remove"))
    if name not in models:
        models[name] = first.models[name]
    elif kind == "restart":
        models[name] = replace(models[name], argv=("/bin/true", name, str(int(models[name].argv[2]) + 1)))
    elif kind == "settings":
        models[name] = replace(models[name], ttl=rng.choice((0.0, 5.0, 40.0)), unload_timeout=rng.choice((0.5, 5.0)))
    elif kind == "remove" and len(models) > 1:
        del models[name]
    return _config(models, first.routing)


# -- people ---------------------------------------------------------------------------------------------------------


def _requests(rng: random.Random, names: list[ModelId], length: float, count: int) -> list[Asked]:
    """In crowds, so that queues form, and some at the same instant."""
    asked: list[Asked] = []
    while len(asked) < count:
        at = rng.uniform(0, length)
        spread = rng.choice((0.0, 1.0, 10.0, 60.0))
        for _ in range(rng.choice((1, 1, 2, 4, 8))):
            asked.append(_request(rng, len(asked) + 1, at + rng.uniform(0, spread), rng.choice(names)))
    return sorted(asked, key=lambda each: each.at)


def _request(rng: random.Random, number: int, at: float, model: ModelId) -> Asked:
    answer = _answer(rng)
    leaves = rng.choice((0.0, 0.5, 3.0, 20.0, 90.0)) * rng.random() if rng.random() < 0.2 else NEVER
    if answer.kind == "silent":
        leaves = min(leaves, rng.uniform(1, 60))
    if answer.kind == "endless":
        leaves = min(leaves, rng.uniform(1, 400))
    stalls = rng.choice((1.0, 30.0, 200.0)) if rng.random() < 0.05 else 0.0
    return Asked(number, at, model, answer, leaves, stalls)


def _answer(rng: random.Random) -> Answer:
    kinds: list[AnswerKind] = ["whole", "stream", "to end", "break", "reset", "silent", "hang up", "endless"]
    kind = rng.choices(kinds, (40, 25, 5, 4, 4, 4, 4, 3))[0]
    delay = rng.choice((0.0, 0.1, 2.0, 10.0)) * rng.random()
    if rng.random() < 0.01:
        delay = 1000.0  # silence is allowed
    pieces = 1 if kind == "whole" else rng.randint(1, 8)
    gap = rng.choice((0.0, 0.05, 1.0, 5.0)) * rng.random()
    if kind == "stream" and rng.random() < 0.02:
        pieces, gap = 10, 60.0
    return Answer(kind, delay, pieces, gap, rng.choice((1, 40, 3000, 30000)))


def _orders(rng: random.Random, names: list[ModelId], length: float, most: int) -> list[Order]:
    orders = []
    for _ in range(rng.randint(0, most)):
        kind: OrderKind = rng.choice(("unload", "unload", "unload all", "load", "reload", "reload"))
        grace = rng.choice((None, None, 0.0, 1.0))
        orders.append(Order(rng.uniform(0, length), kind, rng.choice(names), grace))
    return sorted(orders, key=lambda each: each.at)


# -- processes ------------------------------------------------------------------------------------------------------


def _fate(rng: random.Random, sound: float) -> Fate:
    """*sound*: from 0 to 1, how good a model it is; most are fine, and one in ten fails often."""
    bad = 0.7 if sound < 0.1 else 0.12
    listens = rng.choice((0.0, 0.01, 0.5, 2.0)) * rng.random()
    fate = Fate(
        listens_s=listens,
        healthy_s=listens + rng.choice((0.0, 0.01, 1.0, 6.0, 15.0)) * rng.random(),
        term_s=rng.choice((0.0, 0.0, 0.05, 1.0, 5.0)) * rng.random(),
        keeps_s=rng.choice((0.0, 0.3, 5.0)),
    )
    if rng.random() < 0.15:
        fate = replace(fate, straggler_s=rng.choice((0.1, 1.0, 8.0, NEVER)))
    if rng.random() < 0.08:
        fate = replace(fate, term_s=NEVER)
    if rng.random() < 0.03:
        fate = replace(fate, unkillable_s=rng.choice((0.5, 3.0, 20.0, 120.0)))
    if rng.random() < 0.03:
        fate = replace(fate, guard=rng.choice(("dies", "deaf")), guard_s=rng.choice((0.0, 1.0, 30.0)) * rng.random())
    if rng.random() < bad:
        return replace(fate, **rng.choice(_mishaps(rng, fate)))  # type: ignore[arg-type]  # by name
    return fate


def _mishaps(rng: random.Random, fate: Fate) -> list[dict[str, object]]:
    return [
        {"runs": False},
        {"healthy_s": NEVER},
        {"listens_s": NEVER, "healthy_s": NEVER},
        {"ends_s": fate.healthy_s * rng.random()},
        {"ends_s": fate.healthy_s + rng.choice((0.0, 1.0, 30.0)) * rng.random()},
        {"ends_s": fate.healthy_s + rng.choice((1.0, 60.0)) * rng.random(), "straggler_s": 2.0},
    ]
