"""Which waiting requests become useless when, so that each is dropped the moment it does."""

from collections.abc import Collection
from heapq import heapify, heappop, heappush

from llamaswap.schedule.commands import Refusal, Reject
from llamaswap.schedule.events import Arrived, Ticket
from llamaswap.schedule.requests import Waiting

#: So many entries of requests that wait no more are not worth tidying up.
MOST_GONE = 64


class Deadlines:
    """The deadlines of those who wait, the earliest first; logarithmic in their number.

    An entry stays until it is due, or in the way: whoever has left the queue is dropped lazily, hence *waiting* below.
    Reading changes nothing, so that two machines told the same are the same.
    """

    __slots__ = ("_due",)

    def __init__(self) -> None:
        self._due: list[tuple[float, Ticket]] = []

    @property
    def next(self) -> float | None:
        """The earliest of them."""
        return self._due[0][0] if self._due else None

    def add(self, ticket: Ticket, deadline: float) -> None:
        """*ticket* is of no use from *deadline* on."""
        heappush(self._due, (deadline, ticket))

    def passed(self, now: float, waiting: Collection[Ticket]) -> list[Ticket]:
        """Those of *waiting* whose deadlines have passed; they are forgotten."""
        late = []
        while self._due and self._due[0][0] <= now:
            _, ticket = heappop(self._due)
            if ticket in waiting:
                late.append(ticket)
        return late

    def only(self, tickets: Collection[Ticket]) -> "Deadlines":
        """Those of *tickets*, by themselves."""
        found = Deadlines()
        found._due = [entry for entry in self._due if entry[1] in tickets]
        heapify(found._due)
        return found

    def tidy(self, waiting: Collection[Ticket]) -> None:
        """Forget those who are not among *waiting*, as far as they are in the way: constant time on average."""
        if len(self._due) > MOST_GONE + 2 * len(waiting):
            self._due = [entry for entry in self._due if entry[1] in waiting]
            heapify(self._due)
        while self._due and self._due[0][1] not in waiting:
            heappop(self._due)


def hopeless(request: Arrived, now: float) -> Reject | None:
    """The refusal of one that cannot be granted before its deadline, whatever happens."""
    deadline, earliest = request.deadline, request.earliest
    if deadline is None:
        return None
    if deadline <= now:
        return Reject(request.ticket, Refusal.DEADLINE, "its deadline had passed when it arrived")
    if earliest is None or earliest < deadline:
        return None
    soonest = earliest - now
    detail = f"its deadline is in {deadline - now:.1f} s, and it can start in {soonest:.1f} s at the earliest"
    return Reject(request.ticket, Refusal.DEADLINE, detail, retry_after=soonest)


def expired(waiting: Waiting, now: float) -> Reject:
    """The refusal of one whose deadline has passed in the queue."""
    waited = now - waiting.arrived_at
    return Reject(waiting.ticket, Refusal.DEADLINE, f"its deadline passed after it had waited {waited:.1f} s")
