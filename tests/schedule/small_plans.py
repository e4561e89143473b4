"""Small worlds: which models, how many requests, which mishaps, which settings."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from typing import Any, NamedTuple

from llamaswap.config.schema import ModelId
from llamaswap.schedule.events import ModelRules
from llamaswap.schedule.residents import State
from tests.schedule.world import World


class Budget(NamedTuple):
    """How often each kind of mishap may happen in one history."""

    cancels: int = 0
    crashes: int = 0
    failures: int = 0
    stuck: int = 0
    unloads: int = 0
    shutdowns: int = 0
    reloads: int = 0
    late: int = 0  # a life becomes healthy after it was told to stop
    waits: int = 0  # time passes until every rest is over


@cache
def less(budget: Budget, kind: str) -> Budget:
    """What is left after one mishap of *kind*."""
    return budget._replace(**{kind: getattr(budget, kind) - 1})


@dataclass(frozen=True)
class Plan:
    """One small world: which models, how many requests, which mishaps, which settings."""

    name: str
    budget: Budget
    models: str = "abc"
    requests: int = 4
    ttl: float = 0.0
    limit: int = 0
    parallel: int = 1
    abort_orphan_loads: bool = False
    residents: tuple[tuple[str, State], ...] = ()

    def rules(self) -> dict[ModelId, ModelRules]:
        return {
            ModelId(m): ModelRules(ttl=self.ttl, grace=5.0 + place, limit=self.limit)
            for place, m in enumerate(self.models)
        }

    def settings(self) -> dict[str, Any]:
        return {
            "parallel": self.parallel,
            "abort_orphan_loads": self.abort_orphan_loads,
            "residents": self.residents,
        }

    def world(self, make: Any) -> World:
        """The judge over a machine that *make* makes."""
        return World(make(self.rules(), **self.settings()), self.rules(), **self.settings())

    def larger(self) -> "Plan":
        """The same with one more request, and each mishap that may happen may happen once more."""
        more = {name: count + 1 for name, count in self.budget._asdict().items() if count}
        return replace(self, requests=self.requests + 1, budget=self.budget._replace(**more))

    def wishes(self) -> Iterator[tuple[ModelId, ...]]:
        """Who asks for what, in order; renaming the models makes no new world."""
        for wish in product(self.models, repeat=self.requests):
            firsts = "".join(dict.fromkeys(wish))
            if self.models.startswith(firsts) or self.residents:
                yield tuple(map(ModelId, wish))


#: Each build visits all of these, the long form also the larger ones.
PLANS = (
    Plan("mishaps", Budget(cancels=1, crashes=1, unloads=1)),
    Plan("failures", Budget(cancels=1, crashes=1, failures=1, late=1, unloads=1)),
    Plan("cancels", Budget(cancels=4, late=2), requests=5),
    Plan("rests", Budget(failures=4, crashes=1, unloads=1, waits=2), models="ab"),
    Plan("idleness", Budget(cancels=1, crashes=1, unloads=1), models="ab", ttl=10.0),
    Plan("stuck", Budget(stuck=1, unloads=1, cancels=1), models="ab"),
    Plan("shutdown", Budget(shutdowns=2, unloads=1, cancels=1), models="ab"),
    Plan("reload", Budget(reloads=2, cancels=1, unloads=1), models="ab", requests=3),
    Plan("pairs", Budget(cancels=1, crashes=1, unloads=1, reloads=1), models="ab", parallel=2, requests=3),
    Plan("limits", Budget(cancels=1, failures=1, unloads=1), models="ab", limit=2),
    Plan("orphans", Budget(cancels=2, late=1, unloads=1), models="ab", abort_orphan_loads=True),
    Plan(
        "left-overs",
        Budget(cancels=1, stuck=1, unloads=1, crashes=1),
        requests=2,
        residents=(("a", "ready"), ("b", "starting"), ("c", "stopping")),
    ),
)
