"""Small and random worlds for the schedulers that share."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from llamaswap.config.names import ModelId
from llamaswap.config.routing import BatchSettings, FifoSettings, GroupConfig
from llamaswap.schedule.events import ModelRules
from llamaswap.schedule.eviction import Eviction, GroupEviction, MatrixEviction, OneAtATime
from tests.schedule.batch_world import BatchWorld
from tests.schedule.fifo_world import FifoWorld
from tests.schedule.random_world import History
from tests.schedule.small_plans import Budget, Plan
from tests.schedule.tables import Table, matrix_of
from tests.schedule.world import World

Settings = FifoSettings | BatchSettings


@dataclass(frozen=True)
class SharingPlan(Plan):
    """A small world of a scheduler that shares."""

    eviction: Eviction = field(default_factory=OneAtATime)
    scheduler: Settings = field(default_factory=FifoSettings)
    wish: str = ""  # this one only

    def wishes(self) -> Iterator[tuple[ModelId, ...]]:
        return iter([tuple(map(ModelId, self.wish))]) if self.wish else super().wishes()

    def rules(self) -> dict[ModelId, ModelRules]:
        rules = super().rules()
        return {model: ModelRules(rule.ttl, rule.grace, rule.limit, self.parallel) for model, rule in rules.items()}

    def world(self, make: Any) -> World:
        return world_of(make, self.rules(), self.eviction, self.scheduler, self.residents)


class SharingHistory(History):
    """A random history of a scheduler that shares, under a random policy and random settings of its kind."""

    def __init__(self, make: Callable[..., Any], seed: int, kind: type[Settings]) -> None:
        self.kind = kind
        super().__init__(make, seed)

    def _world(self, make: Callable[..., Any], rules: dict[ModelId, ModelRules]) -> World:
        pick = self.random.choice
        settings: Settings = (
            FifoSettings({ModelId(model): pick((0, 0, 5, -1)) for model in "abcde"}, pick((0.0, 5.0, 30.0)))
            if self.kind is FifoSettings
            else BatchSettings(pick((0, 1, 2, 8)), pick((0.0, 5.0, 60.0)))
        )
        self.journal.append("")  # its head is not needed
        return world_of(make, rules, random_policy(self.random), settings, self._left_overs(rules))

    def _rules(self) -> dict[ModelId, ModelRules]:
        pick = self.random.choice
        return {
            model: ModelRules(rule.ttl, rule.grace, rule.limit, pick((1, 1, 2, 4)))
            for model, rule in super()._rules().items()
        }


def world_of(make: Any, rules: Any, eviction: Eviction, settings: Settings, residents: Any) -> World:
    machine = make(rules, eviction, settings, residents=residents)
    kind = FifoWorld if isinstance(settings, FifoSettings) else BatchWorld
    return kind(machine, rules, eviction=eviction, settings=settings, residents=residents)


def random_policy(chance: random.Random) -> Eviction:
    """Groups, a matrix, a table, or one at a time, over the models a to e."""
    return chance.choice((_random_groups, _random_matrix, _random_table, lambda _: OneAtATime()))(chance)


def _random_groups(chance: random.Random) -> Eviction:
    members: dict[int, list[ModelId]] = {}
    for model in "abcde":
        members.setdefault(chance.randrange(3), []).append(ModelId(model))
    coin = (True, False)
    return GroupEviction(
        [
            GroupConfig(f"group{n}", chance.choice(coin), chance.choice(coin), chance.choice(coin), tuple(models))
            for n, models in members.items()
        ]
    )


def _random_matrix(chance: random.Random) -> Eviction:
    sets = {f"set{n}": " & ".join(chance.sample("abcde", chance.randint(1, 4))) for n in range(chance.randint(1, 4))}
    return MatrixEviction(matrix_of(sets, {model: chance.randint(1, 5) for model in "abc"}))


def _random_table(chance: random.Random) -> Eviction:
    """Each pair of models gets along, or one evicts the other, or both do."""
    rows = dict.fromkeys("abcde", "")
    for one, other in combinations("abcde", 2):
        fate = chance.randrange(5)
        if fate in (1, 3, 4):
            rows[one] += other
        if fate in (2, 3, 4):
            rows[other] += one
    return Table(rows)


def play_sharing(make: Callable[..., Any], kind: type[Settings], seeds: range) -> int:
    """Play the history of each seed and return how many events there were."""
    return sum(SharingHistory(make, seed, kind).run() for seed in seeds)


def _pair(*names: str) -> Eviction:
    return MatrixEviction(matrix_of({f"set{n}": " & ".join(name) for n, name in enumerate(names)}))


_ONE_WAY = Table({"a": "b", "b": "c"})
_GROUPS = GroupEviction(
    [
        GroupConfig("pair", members=(ModelId("a"), ModelId("b"))),
        GroupConfig("loose", exclusive=False, members=(ModelId("c"),)),
    ]
)

FIFO_PLANS = (
    SharingPlan("fifo: mishaps", Budget(cancels=1, crashes=1, unloads=1)),
    SharingPlan("fifo: failures", Budget(cancels=1, failures=1, late=1, unloads=1), eviction=_GROUPS),
    SharingPlan("fifo: one way", Budget(cancels=1, crashes=1, unloads=1), eviction=_ONE_WAY),
    SharingPlan("fifo: matrix", Budget(cancels=1, crashes=1, unloads=1), eviction=_pair("ab", "bc")),
    SharingPlan("fifo: stuck", Budget(stuck=1, unloads=1, cancels=1), eviction=_ONE_WAY),
    SharingPlan(
        "fifo: patience",
        Budget(cancels=1, waits=2),
        eviction=_ONE_WAY,
        scheduler=FifoSettings({ModelId("c"): 5}, 50.0),
    ),
    SharingPlan("fifo: idleness", Budget(cancels=1, crashes=1, unloads=1), models="ab", ttl=10.0),
    SharingPlan("fifo: shutdown", Budget(shutdowns=2, unloads=1, cancels=1), eviction=_pair("ab", "c")),
    SharingPlan("fifo: reload", Budget(reloads=2, cancels=1), requests=3, eviction=_pair("ab", "c")),
    SharingPlan("fifo: limits", Budget(cancels=1, failures=1, unloads=1), models="ab", limit=1),
    SharingPlan(
        "fifo: left-overs",
        Budget(cancels=1, stuck=1, unloads=1),
        requests=2,
        eviction=_GROUPS,
        residents=(("a", "ready"), ("b", "starting"), ("c", "stopping")),
    ),
)

_ONE, _TWO = BatchSettings(1, 1000.0), BatchSettings(2, 50.0)

BATCH_PLANS = (
    SharingPlan("batch: mishaps", Budget(cancels=1, crashes=1, unloads=1), scheduler=_ONE),
    SharingPlan("batch: passing", Budget(cancels=2), requests=6, models="ab", scheduler=_TWO),
    SharingPlan("batch: passed before", Budget(cancels=2), wish="ababaaa", models="ab", scheduler=_TWO),
    SharingPlan("batch: patience", Budget(cancels=1, waits=2), requests=5, models="ab", scheduler=_TWO),
    SharingPlan("batch: failures", Budget(cancels=1, failures=1, late=1, unloads=1), eviction=_GROUPS, scheduler=_ONE),
    SharingPlan("batch: one way", Budget(cancels=1, crashes=1, unloads=1), eviction=_ONE_WAY, scheduler=_ONE),
    SharingPlan("batch: broken answers", Budget(crashes=1), wish="aba", eviction=_ONE_WAY, scheduler=_ONE),
    SharingPlan("batch: matrix", Budget(cancels=1, crashes=1), eviction=_pair("ab", "bc"), scheduler=_TWO),
    SharingPlan("batch: stuck", Budget(stuck=1, unloads=1, cancels=1), eviction=_ONE_WAY, scheduler=_ONE),
    SharingPlan("batch: rests", Budget(failures=4, crashes=1, waits=2), models="ab", scheduler=_ONE),
    SharingPlan("batch: shutdown", Budget(shutdowns=2, cancels=1), eviction=_pair("ab", "c"), scheduler=_ONE),
    SharingPlan("batch: reload", Budget(reloads=2, cancels=1), requests=3, parallel=2, scheduler=_ONE),
    SharingPlan("batch: pairs", Budget(cancels=1, crashes=1), models="ab", parallel=2, requests=5, scheduler=_ONE),
)
