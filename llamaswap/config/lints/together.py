"""Which models may be in memory at the same time, as groups or matrix have it; ``serial`` allows no two at all."""

from dataclasses import dataclass, field

from llamaswap.config.names import ModelId
from llamaswap.config.routing import GroupConfig, RoutingConfig


@dataclass(frozen=True)
class Together:
    """Questions to one *routing*."""

    routing: RoutingConfig
    _homes: dict[ModelId, GroupConfig] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        for group in self.routing.groups:
            self._homes.update(dict.fromkeys(group.members, group))

    def evicts(self, loaded: ModelId, running: ModelId) -> bool:
        """Whether loading the one stops the other."""
        if loaded == running:
            return False
        if self.routing.scheduler.use == "serial":
            return True
        if self.routing.matrix is not None:
            return not self.routing.matrix.coexist([loaded, running])
        mine, its = self._homes.get(loaded), self._homes.get(running)
        return mine is None or its is None or group_evicts(mine, its)

    def may(self, one: ModelId, other: ModelId) -> bool:
        """Whether there is an order of loading them after which both run."""
        return not self.evicts(one, other) or not self.evicts(other, one)


def group_evicts(loaded: GroupConfig, running: GroupConfig) -> bool:
    """Whether loading a model of the one group stops (other) models of the other."""
    return loaded.swap if loaded.name == running.name else loaded.exclusive and not running.persistent
