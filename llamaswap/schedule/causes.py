"""What a request has waited for: of all that happened, what its grant goes back to, in the order in which it ended."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from llamaswap.config.names import ModelId
from llamaswap.schedule.commands import Command, Grant, Start
from llamaswap.schedule.events import Dying, Event, Exited, Left, Life, Started, StartFailed, Ticket
from llamaswap.schedule.evicting import Eviction


class Happened(NamedTuple):
    """One pass, with the reasons of its stops."""

    now: float
    event: Event
    orders: list[Command]
    evicted: list[Eviction]


class Served(NamedTuple):
    """A request, and the life that serves it."""

    model: ModelId
    life: Life


class Cause(NamedTuple):
    """Something that had to end: requests of a life, its stop, or its load. `eviction`: None if it was not ordered.

    `ended`: in which pass. `queued`: how many of the `requests` waited themselves at the beginning.
    """

    kind: Literal["requests", "stop", "start"]
    model: ModelId
    life: Life
    ended: int
    requests: int = 0
    queued: int = 0
    eviction: Eviction | None = None


class History:
    """Passes in order.

    Args:
        passes: All of them.
        serving: Who was being served before the first.
    """

    def __init__(self, passes: Sequence[Happened], serving: dict[Ticket, Served]) -> None:
        self._passes = passes
        self._served = dict(serving)
        self._granted: dict[Ticket, int] = {}
        self._left: dict[Life, list[tuple[int, Ticket]]] = {}
        self._started: dict[Life, int] = {}
        self._ready: dict[Life, int] = {}
        self._evictions: dict[Life, tuple[int, Eviction]] = {}
        self._ended: dict[Life, int] = {}
        for number, each in enumerate(passes):
            self._index(number, each)

    def causes(self, last: int, model: ModelId) -> list[Cause]:
        """What had to end for what was decided for *model* in the pass *last*, in the order in which it ended."""
        found: dict[tuple[str, Life], Cause] = {}
        seen: set[int] = set()
        todo = [last, *self._loaded_by(last), *self._evicted_for(model, last, found)]
        while todo:
            number = todo.pop()
            if number not in seen:
                seen.add(number)
                todo += self._before(number, found)
        return sorted(found.values(), key=lambda cause: cause.ended)

    def _loaded_by(self, last: int) -> list[int]:
        """When the lives that serve from the pass *last* on had become ready, be it long before."""
        serving = [order.life for order in self._passes[last].orders if isinstance(order, Grant)]
        return [self._ready[life] for life in serving if life in self._ready]

    def _index(self, number: int, each: Happened) -> None:
        match each.event:
            case Left(ticket) if ticket in self._served:
                self._left.setdefault(self._served[ticket].life, []).append((number, ticket))
            case Started(_, life):
                self._ready[life] = number
            case Exited(_, life) | StartFailed(_, life):
                self._ended[life] = number
            case _:
                pass
        for order in each.orders:
            match order:
                case Grant(ticket, model, life):
                    self._served[ticket] = Served(model, life)
                    self._granted[ticket] = number
                case Start(_, life):
                    self._started[life] = number
                case _:
                    pass
        for eviction in each.evicted:
            self._evictions.setdefault(eviction.stop.life, (number, eviction))

    def _before(self, number: int, found: dict[tuple[str, Life], Cause]) -> Iterable[int]:
        """Note what has ended in the pass *number*, and give the passes in which that had begun."""
        event = self._passes[number].event
        match event:
            case Started(model, life) | Dying(model, life) | StartFailed(model, life):
                found["start", life] = Cause("start", model, life, number)
                begun = self._started.get(life)
                return [] if begun is None else [begun, *self._evicted_for(model, begun, found)]
            case Exited(model, life):
                return self._stop(model, life, number, found)
            case Left(ticket) if ticket in self._served:
                return self._requests(self._served[ticket], number, found)
            case _:
                return []

    def _stop(self, model: ModelId, life: Life, number: int, found: dict[tuple[str, Life], Cause]) -> list[int]:
        begun, eviction = self._evictions.get(life, (None, None))
        found["stop", life] = Cause("stop", model, life, number, eviction=eviction)
        return [] if begun is None else [begun]

    def _requests(self, served: Served, number: int, found: dict[tuple[str, Life], Cause]) -> list[int]:
        """All of that life that have ended until then: they came before."""
        ended = [ticket for at, ticket in self._left[served.life] if at <= number]
        granted = [self._granted[ticket] for ticket in ended if ticket in self._granted]
        earlier = found.get(("requests", served.life))
        if earlier is None or earlier.ended < number:
            cause = Cause("requests", served.model, served.life, number, len(ended), len(granted))
            found["requests", served.life] = cause
        return granted

    def _evicted_for(self, model: ModelId, until: int, found: dict[tuple[str, Life], Cause]) -> list[int]:
        """The same for all that had been evicted for *model* and were gone in the pass *until*."""
        begun: list[int] = []
        for life, (_, eviction) in self._evictions.items():
            ended = self._ended.get(life)
            if eviction.target == model and ended is not None and ended <= until:
                begun += self._stop(eviction.stop.model, life, ended, found)
        return begun
