"""Eviction by table, for stories, and the stories of the schedulers that share."""

from collections.abc import Mapping, Sequence
from string import ascii_lowercase
from typing import Any

from llamaswap.config.matrix.compile import Finding, compile_matrix
from llamaswap.config.matrix.sets import Matrix
from llamaswap.config.names import ModelId
from llamaswap.config.routing import BatchSettings, FifoSettings
from llamaswap.schedule.batch import BatchScheduler
from llamaswap.schedule.events import ModelRules
from llamaswap.schedule.eviction import Decision, Evicted, OneAtATime
from llamaswap.schedule.fifo import FifoScheduler
from tests.schedule.story import Story


class Table:
    """``Table({"b": "a"})``: loading b evicts a. As real policies do, only if a runs, unless *fixed*."""

    def __init__(self, rows: Mapping[str, str], *, fixed: bool = False) -> None:
        self.fixed = fixed
        self.pairwise = not fixed
        self.rows = {ModelId(target): tuple(map(ModelId, victims)) for target, victims in rows.items()}

    def __repr__(self) -> str:
        return f"Table({ {target: ''.join(victims) for target, victims in self.rows.items()} })"

    def victims(self, target: ModelId, running: Sequence[ModelId]) -> tuple[ModelId, ...]:
        row = self.rows.get(target, ())
        return row if self.fixed else tuple(model for model in running if model in row)

    def explain(self, target: ModelId, running: Sequence[ModelId]) -> Decision:
        return Decision(target, tuple(Evicted(model, "table") for model in self.victims(target, running)))

    def allowed(self, running: Sequence[ModelId]) -> bool:
        """There is an order in which all can have been loaded."""
        left = list(running)
        while left:
            first = next((m for m in left if not any(m in self.rows.get(other, ()) for other in left)), None)
            if first is None:
                return False
            left.remove(first)
        return True


def matrix_of(sets: Mapping[str, str], costs: Mapping[str, int] | None = None) -> Matrix:
    """The matrix of these sets over models named by letters."""
    slips: list[Finding] = []
    matrix = compile_matrix({}, costs or {}, sets, [ModelId(letter) for letter in ascii_lowercase], slips.append)
    assert not slips
    return matrix


class FifoStory(Story):
    """A story of fifo. ``V={"b": "a"}``: loading b evicts a, running or not; with V_star only while it runs."""

    def __init__(
        self,
        *residents: str,
        V: Mapping[str, str] | None = None,  # noqa: N803 - as the table of cases calls it
        V_star: Mapping[str, str] | None = None,  # noqa: N803
        limits: Mapping[str, int] | None = None,
        priority: Mapping[str, int] | None = None,
        max_wait: float = 0.0,
        eviction: Any = None,
    ) -> None:
        table = Table(V, fixed=True) if V else Table(V_star or {})
        super().__init__(
            *residents,
            rules={model: ModelRules(limit=limit) for model, limit in (limits or {}).items()},
            make=FifoScheduler,
            eviction=table if eviction is None else eviction,
            settings=FifoSettings({ModelId(model): value for model, value in (priority or {}).items()}, max_wait),
        )


class BatchStory(Story):
    """A story of batch. Models evict each other unless *eviction* says something else."""

    def __init__(
        self,
        *residents: str,
        eviction: Any = None,
        max_overtakes: int = 8,
        max_wait: float = 60.0,
        parallel: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__(
            *residents,
            rules={model: ModelRules(parallel=places) for model, places in (parallel or {}).items()},
            make=BatchScheduler,
            eviction=OneAtATime() if eviction is None else eviction,
            settings=BatchSettings(max_overtakes, max_wait),
        )
