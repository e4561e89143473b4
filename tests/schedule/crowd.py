"""The clients of a fake world, and counts of them kept as they come and go, so that no check walks them all."""

from typing import Any

from llamaswap.config.schema import ModelId
from llamaswap.schedule.events import Life, Ticket

NEVER = float("inf")


class ViolationError(AssertionError):
    """The machine broke a rule."""


def check(holds: object, rule: str) -> None:
    if not holds:
        raise ViolationError(rule)


class Crowd:
    """Every client that has not left, in the order in which it came to what it does now.

    Attributes:
        waiting: Those who wait, each as the machine shows it: ticket, model, time of arrival.
        served: Those who are served, with model and life.
        rejected: Those who were turned away.
        deadlines: Of those who wait and have one.
        wanted, busy, outstanding: How many wait for, are served by, and both, of each model that has any.
        by_life: How many each life serves, or served when it ended.
    """

    __slots__ = ("busy", "by_life", "deadlines", "outstanding", "rejected", "served", "waiting", "wanted")

    def __init__(self) -> None:
        self.waiting: dict[Ticket, tuple[Ticket, ModelId, float]] = {}
        self.served: dict[Ticket, tuple[ModelId, Life]] = {}
        self.rejected: dict[Ticket, ModelId] = {}
        self.deadlines: dict[Ticket, float] = {}
        self.wanted: dict[ModelId, int] = {}
        self.busy: dict[ModelId, int] = {}
        self.outstanding: dict[ModelId, int] = {}
        self.by_life: dict[Life, int] = {}

    def __contains__(self, ticket: Ticket) -> bool:
        return ticket in self.waiting or ticket in self.served or ticket in self.rejected

    def copy(self) -> "Crowd":
        new = Crowd.__new__(Crowd)
        new.waiting = self.waiting.copy()
        new.served = self.served.copy()
        new.rejected = self.rejected.copy()
        new.deadlines = self.deadlines.copy()
        new.wanted = self.wanted.copy()
        new.busy = self.busy.copy()
        new.outstanding = self.outstanding.copy()
        new.by_life = self.by_life.copy()
        return new

    def anybody(self) -> bool:
        return bool(self.waiting or self.served or self.rejected)

    def first(self) -> tuple[Ticket, ModelId, float] | None:
        """Who has waited longest."""
        for waiting in self.waiting.values():
            return waiting
        return None

    def first_of(self, model: ModelId) -> Ticket | None:
        """Who has waited longest for *model*."""
        return next((ticket for ticket, wish, _ in self.waiting.values() if wish == model), None)

    def line(self, model: ModelId) -> list[Ticket]:
        return [ticket for ticket, wish, _ in self.waiting.values() if wish == model]

    def arrive(self, ticket: Ticket, model: ModelId, now: float, deadline: float | None) -> None:
        self.waiting[ticket] = (ticket, model, now)
        if deadline is not None:
            self.deadlines[ticket] = deadline
        _more(self.wanted, model)
        _more(self.outstanding, model)

    def serve(self, ticket: Ticket, life: Life) -> None:
        model = self._stop_waiting(ticket)
        self.served[ticket] = (model, life)
        _more(self.busy, model)
        _more(self.by_life, life)

    def reject(self, ticket: Ticket) -> None:
        model = self._stop_waiting(ticket)
        self.rejected[ticket] = model
        _less(self.outstanding, model)

    def leave(self, ticket: Ticket) -> Life | None:
        """*ticket* goes; the life that served it, if one did."""
        if ticket in self.served:
            model, life = self.served.pop(ticket)
            _less(self.busy, model)
            _less(self.outstanding, model)
            _less(self.by_life, life)
            return life
        if ticket in self.waiting:
            _less(self.outstanding, self._stop_waiting(ticket))
        else:
            self.rejected.pop(ticket, None)
        return None

    def recount(self) -> None:
        """Count everybody anew: the judge's own books must be right before they prove others wrong."""
        wanted = _counted(model for _, model, _ in self.waiting.values())
        busy = _counted(model for model, _ in self.served.values())
        outstanding = {model: wanted.get(model, 0) + busy.get(model, 0) for model in {*wanted, *busy}}
        check((wanted, busy, outstanding) == (self.wanted, self.busy, self.outstanding), "the judge can count")
        check(self.by_life == _counted(life for _, life in self.served.values()), "the judge can count")
        check(list(self.waiting) == sorted(self.waiting), "the judge knows who came first")
        check(self.deadlines.keys() <= self.waiting.keys(), "only who waits has a deadline")

    def _stop_waiting(self, ticket: Ticket) -> ModelId:
        _, model, _ = self.waiting.pop(ticket)
        if self.deadlines:
            self.deadlines.pop(ticket, None)
        _less(self.wanted, model)
        return model


def _counted(things: Any) -> dict[Any, int]:
    counts: dict[Any, int] = {}
    for thing in things:
        _more(counts, thing)
    return counts


def _more(counts: dict[Any, int], key: Any) -> None:
    counts[key] = counts.get(key, 0) + 1


def _less(counts: dict[Any, int], key: Any) -> None:
    if counts[key] == 1:
        del counts[key]
    else:
        counts[key] -= 1
