"""The books of lives: what the scheduler knows of the processes it has ordered. It never asks one."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from llamaswap.config.schema import ModelId
from llamaswap.schedule.commands import Stop
from llamaswap.schedule.events import Life, ModelRules

#: `starting` and `ready` may become `stopping`, any of them `stuck`. Only its own end takes a life out of the books.
State = Literal["starting", "ready", "stopping", "stuck"]


@dataclass(slots=True)
class Resident:
    """One life of which a process may be alive.

    Attributes:
        rules: Those of the configuration it belongs to; a later one updates them unless the life is obsolete.
        in_flight: How many granted requests of this life have not left yet.
        idle_since: When the life became ready, or its last request left.
        kill_at: The earliest time at which an ordered stop turns to force.
        obsolete: The configuration has moved on: the life serves nobody new, and stops when it serves nobody.
        trouble: Why the life cannot be stopped, while it is `stuck`.
    """

    model: ModelId
    life: Life
    rules: ModelRules
    state: State = "starting"
    in_flight: int = 0
    idle_since: float = 0.0
    kill_at: float = math.inf
    obsolete: bool = False
    trouble: str = ""

    @property
    def running(self) -> bool:
        """Nobody has ordered its end yet."""
        return self.state in ("starting", "ready")

    @property
    def stays(self) -> bool:
        """It serves new requests, or will as soon as it can."""
        return self.running and not self.obsolete

    @property
    def serves(self) -> bool:
        """It serves new requests."""
        return self.state == "ready" and not self.obsolete

    @property
    def expires_at(self) -> float:
        """When the life has been idle for its ttl, should nobody use it until then."""
        return self.idle_since + self.rules.ttl


class ResidentView(NamedTuple):
    """A resident for display. `idle_since` is None unless the life is ready and serves nobody."""

    model: ModelId
    life: Life
    state: State
    in_flight: int
    idle_since: float | None


class Residents:
    """Every life that was begun and has not ended, oldest first.

    Attributes:
        most_grace: No stop gets more grace than this, in seconds; a shutdown lowers it.
    """

    def __init__(self) -> None:
        self.most_grace = math.inf
        self._begun = 0
        self._by_life: dict[Life, Resident] = {}
        self._by_model: dict[ModelId, Resident] = {}

    def __iter__(self) -> Iterator[Resident]:
        return iter(self._by_life.values())

    def __len__(self) -> int:
        return len(self._by_life)

    def begin(self, model: ModelId, rules: ModelRules) -> Resident:
        """Enter a new life of *model* into the books."""
        self._begun += 1
        resident = Resident(model, Life(self._begun), rules)
        self._by_life[resident.life] = resident
        self._by_model[model] = resident
        return resident

    def find(self, life: Life) -> Resident | None:
        """The resident of *life*, or None: that life has ended, or never was."""
        return self._by_life.get(life)

    def of(self, model: ModelId) -> Resident | None:
        """The resident of *model*, which has one life at most."""
        return self._by_model.get(model)

    def models(self) -> list[ModelId]:
        """The models of all residents, sorted."""
        return sorted(self._by_model)

    def remove(self, life: Life) -> None:
        """Nothing of *life* is left."""
        del self._by_model[self._by_life.pop(life).model]

    def stop(self, resident: Resident, now: float, grace: float | None = None) -> Stop:
        """The order to end *resident*, with *grace* seconds instead of its own if given."""
        seconds = min(resident.rules.grace if grace is None else grace, self.most_grace)
        resident.state = "stopping"
        resident.kill_at = min(resident.kill_at, now + seconds)
        return Stop(resident.model, resident.life, seconds)

    def hurry(self, now: float) -> list[Stop]:
        """Orders for the stopping lives that `most_grace` would end earlier than was ordered before."""
        return [
            self.stop(resident, now)
            for resident in self
            if resident.state == "stopping" and now + self.most_grace < resident.kill_at
        ]

    def views(self) -> list[ResidentView]:
        """What others may see."""
        return [_view(resident) for resident in self]


def _view(resident: Resident) -> ResidentView:
    idle = resident.state == "ready" and not resident.in_flight
    idle_since = resident.idle_since if idle else None
    return ResidentView(resident.model, resident.life, resident.state, resident.in_flight, idle_since)
