"""The matrix: which models may run together, as named expressions over their names, and what an eviction costs."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from llamaswap.config.matrix.states import MOST_WORK, MatrixSet, States
from llamaswap.config.names import ModelId

__all__ = ["Matrix", "MatrixSet"]


@dataclass(frozen=True, slots=True)
class Matrix:
    """The sets in solver order, and what it costs to evict a model (1 for those not listed).

    `variables` are names that the texts of sets use for models; two matrices that differ in them only mean the same.
    """

    sets: tuple[MatrixSet, ...] = ()
    costs: Mapping[ModelId, int] = field(default_factory=lambda: MappingProxyType({}))
    variables: Mapping[str, ModelId] = field(default_factory=lambda: MappingProxyType({}), compare=False)
    _by_name: Mapping[str, MatrixSet] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {each.name: each for each in self.sets})  # derived, once

    def coexist(self, models: Collection[ModelId]) -> bool:
        """Whether some set allows all of *models* at once."""
        wanted = frozenset(models)
        bits = {model: 1 << n for n, model in enumerate(wanted)}
        states = self.states(bits)
        every = (1 << len(wanted)) - 1
        return any(wanted <= each.models and every in states.of(each.name) for each in self.sets)

    def states(
        self, bits: Mapping[ModelId, int], worth: Callable[[int], int] = int.bit_count, work: int = MOST_WORK
    ) -> States:
        """What the sets leave of the models that have *bits*. See there."""
        return States(self._by_name, bits, worth, work)
