"""The books of requests: who waits, who is being served, how many a model has outstanding."""

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from llamaswap.config.schema import ModelId
from llamaswap.schedule.events import Life, Ticket


class Waiting(NamedTuple):
    """A queued request. *arrived_at* is the `now` of its `Arrived`."""

    ticket: Ticket
    model: ModelId
    arrived_at: float


class Requests:
    """Every request that was admitted and has not gone.

    Attributes:
        queue: Those who wait, in arrival order. An OrderedDict, because finding the front of a plain dict costs as much
            as was taken from there before.
        active: Those who were granted, with the life that serves them.
        outstanding: Queued and active requests of each model; models without any are absent.
    """

    __slots__ = ("active", "outstanding", "queue")

    def __init__(self) -> None:
        self.queue: OrderedDict[Ticket, Waiting] = OrderedDict()
        self.active: dict[Ticket, tuple[ModelId, Life]] = {}
        self.outstanding: dict[ModelId, int] = {}

    def head(self) -> Waiting:
        """The request whose turn is next. There must be one."""
        return next(iter(self.queue.values()))

    def enqueue(self, ticket: Ticket, model: ModelId, now: float) -> None:
        """Admit *ticket* at the end of the queue."""
        self.queue[ticket] = Waiting(ticket, model, now)
        self.outstanding[model] = self.outstanding.get(model, 0) + 1

    def grant(self, ticket: Ticket, life: Life) -> None:
        """Move *ticket* from the queue to those being served, by *life*."""
        self.active[ticket] = (self.queue.pop(ticket).model, life)

    def take_over(self, other: "Requests") -> None:
        """Enter the requests of *other* into these books, which must be empty."""
        for ticket, (model, life) in other.active.items():
            self.enqueue(ticket, model, 0.0)
            self.grant(ticket, life)
        for waiting in other.queue.values():
            self.enqueue(*waiting)

    def drop(self, ticket: Ticket) -> bool:
        """Take *ticket* out of the queue; False if it was not there."""
        waiting = self.queue.pop(ticket, None)
        if waiting is None:
            return False
        self._release(waiting.model)
        return True

    def drop_all(self, doomed: Callable[[ModelId], bool]) -> list[Ticket]:
        """Take every request for a doomed model out of the queue, and return them in order. Walks the queue once."""
        tickets = [waiting.ticket for waiting in self.queue.values() if doomed(waiting.model)]
        for ticket in tickets:
            self.drop(ticket)
        return tickets

    def finish(self, ticket: Ticket) -> Life | None:
        """Forget the served *ticket* and return the life that served it; None if it is not being served."""
        served = self.active.pop(ticket, None)
        if served is None:
            return None
        model, life = served
        self._release(model)
        return life

    def _release(self, model: ModelId) -> None:
        left = self.outstanding[model] - 1
        if left:
            self.outstanding[model] = left
        else:
            del self.outstanding[model]
