"""Who may run beside whom, and in which order requests run: ``routing``, and the older ``groups`` and ``matrix``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from llamaswap.config.matrix.sets import Matrix
from llamaswap.config.names import ModelId

SchedulerName = Literal["serial", "fifo", "batch"]
RouterName = Literal["group", "matrix"]

#: The group of all models that are in no other.
IMPLICIT_GROUP = "(default)"


@dataclass(frozen=True, slots=True)
class GroupConfig:
    """Models that are loaded and evicted by common rules.

    Attributes:
        swap: Loading a member evicts the others of this group.
        exclusive: Loading a member evicts the models of other groups, unless those are persistent.
        persistent: Models of other groups do not evict the members.
    """

    name: str
    swap: bool = True
    exclusive: bool = True
    persistent: bool = False
    members: tuple[ModelId, ...] = ()


@dataclass(frozen=True, slots=True)
class SerialSettings:
    """``settings.serial``. `parallel`: how many consecutive requests for one model may run together."""

    parallel: int = 1
    abort_orphan_loads: bool = False


@dataclass(frozen=True, slots=True)
class FifoSettings:
    """``settings.fifo``. Models without a `priority` have 0. `max_wait` in seconds; 0 means that nobody waits too long.

    Attributes:
        max_wait: Once the oldest queued request has waited longer, nobody overtakes it any more for what it needs.
    """

    priority: Mapping[ModelId, int] = field(default_factory=lambda: MappingProxyType({}))
    max_wait: float = 0.0


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """``settings.batch``: the bounds within which requests for one model are served together.

    Attributes:
        max_overtakes: At most so many later arrivals are served before a request.
        max_wait: Seconds after which nobody overtakes a request any more.
    """

    max_overtakes: int = 8
    max_wait: float = 60.0


@dataclass(frozen=True, slots=True)
class SchedulerConfig:
    """``routing.scheduler``: the scheduler in use, and the settings of all of them."""

    use: SchedulerName = "serial"
    serial: SerialSettings = SerialSettings()
    fifo: FifoSettings = FifoSettings()
    batch: BatchSettings = BatchSettings()


@dataclass(frozen=True, slots=True)
class RoutingConfig:
    """``routing`` as it holds, wherever in the file it was written.

    Attributes:
        groups: With the router `group`: every group, the implicit one included, which may be empty. Each model is in
            exactly one.
        matrix: With the router `matrix`: the sets that may run together.
    """

    router: RouterName = "group"
    groups: tuple[GroupConfig, ...] = ()
    matrix: Matrix | None = None
    scheduler: SchedulerConfig = SchedulerConfig()
