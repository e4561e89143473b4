"""The language of the matrix: which models may run together, as expressions over names."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from llamaswap.config.names import ModelId


@dataclass(frozen=True, slots=True)
class MatrixSet:
    """One named expression. `text` as written."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Matrix:
    """The sets in solver order, and what it costs to evict a model (1 for those not listed)."""

    sets: tuple[MatrixSet, ...] = ()
    costs: Mapping[ModelId, int] = field(default_factory=lambda: MappingProxyType({}))
