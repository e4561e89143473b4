"""What has begun and not ended, and since when: what a simulation must know beside the machine to go on from now."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from llamaswap.config.schema import ModelId
from llamaswap.schedule.commands import Command, Grant, Start, Stop
from llamaswap.schedule.events import Dying, Event, Exited, Left, Life, Started, StartFailed, Ticket


@dataclass(frozen=True, slots=True)
class UnderWay:
    """Times are those of the machine's clock.

    Attributes:
        since: When each life entered the state it is in: starting, ready, stopping.
        served: Each granted request that has not left: its model, and when it was granted.
    """

    since: Mapping[Life, float] = field(default_factory=lambda: MappingProxyType({}))
    served: Mapping[Ticket, tuple[ModelId, float]] = field(default_factory=lambda: MappingProxyType({}))


NOTHING = UnderWay()


class Watch:
    """Keeps an `UnderWay` up to date, as an observer of the dispatcher or of a simulation: constant time per pass."""

    def __init__(self) -> None:
        self._since: dict[Life, float] = {}
        self._served: dict[Ticket, tuple[ModelId, float]] = {}

    def on_pass(self, event: Event, now: float, orders: list[Command]) -> None:
        """Take notice of one pass."""
        match event:
            case Left(ticket):
                self._served.pop(ticket, None)
            case Started(_, life) | Dying(_, life):
                if life in self._since:
                    self._since[life] = now
            case Exited(_, life) | StartFailed(_, life):
                self._since.pop(life, None)
            case _:
                pass
        for order in orders:
            match order:
                case Grant(ticket, model):
                    self._served[ticket] = (model, now)
                case Start(_, life) | Stop(_, life):
                    self._since[life] = now
                case _:
                    pass

    def now(self) -> UnderWay:
        """A copy of how things stand."""
        return UnderWay(dict(self._since), dict(self._served))
