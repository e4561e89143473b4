"""What every scheduler shares, and its theory of operation.

A scheduler is a machine: `Scheduler.handle` takes in one fact and returns the orders that follow from it. It has no
clock (*now* comes with each fact, in seconds that never go back), no task and no I/O, so the same facts always give the
same orders, and a journal of the facts is a complete record. It asks no process for its state: what it knows of
processes are the *residents* below, and only facts change them.

**A request** is a ticket. `Arrived` admits it to the one queue, or it is rejected on the spot (closed, unknown model,
limit, rest after failed starts, a deadline that cannot be met). From the queue it becomes *active* by `Grant`, or goes
by `Reject`. `Left` comes exactly once for each arrival whatever happened; for a ticket that is neither queued nor
active it says nothing new.
"The caller of a load" is no state of its own: it is the request at the head of the queue while its model starts, and it
stays there until it is granted. A caller that leaves lets the next one become the head, which takes the load over (with
its failure, if it fails), or wants another model and stops it; no rule is needed for that.

**A life** is one run of a model's process tree, numbered by `Start`. It is in the books as a resident until nothing of
it is alive:

    Start --> starting --Started--> ready
                  |                   |
                  +--- Stop, Dying ---+--> stopping --StopFailed--> stuck

    A life leaves the books by Exited or StartFailed, from any state, and by nothing else.

Only the scheduler, by `Stop`, and a life's own beginning end, by `Dying`, move it to `stopping`; only facts move it
otherwise. A `starting` life that ends or is dying has failed its caller; one whose end was ordered has not. Facts
about a life that is not in the books are late, and ignored. There is no swap object: "stop x and y, then start a" is
`Stop(x) Stop(y)` now, and `Start(a)` in the pass in which the last of them has gone.

**One pass.** Each fact is first applied: it changes the state, and dooms only those whom it dooms by itself. All else
is then decided from the state alone: requests that can be served are granted, room is made for the one whose turn it
is, and what has no reason to run is stopped. Before all that go those whose deadline has passed, so that nobody is
stopped or started for them. A new arrival and a finished swap run the same pass.

**An unload** means lives, not models: it is answered when those that were alive at the time have gone, and a life begun
later does not delay it. All are told to stop at once, those with the smallest grace first.

Positions in the queue are computed when somebody asks, not announced at each change: announcing would make each event
cost as much as the queue is long.

Invariants, held by the tests after each event:

1. A ticket gets at most one `Grant` or `Reject`, and gets one unless it leaves first.
2. The outstanding count of a model is its queued plus its active requests, always.
3. A `Start` finds no life of its model in the books; a `Grant` finds its life `ready`.
4. No event waits for anything, and none costs more than the lives in the books and the orders it gives; only an unload,
   a new configuration and the shutdown walk the queue, once.
5. While no life is starting or stopping and no request is active, the queue is empty.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import assert_never

from llamaswap.config.schema import ModelId
from llamaswap.errors import ShuttingDownError, TooManyRequestsError
from llamaswap.schedule.books import Books
from llamaswap.schedule.commands import Command, Refusal, Reject
from llamaswap.schedule.deadlines import expired, hopeless
from llamaswap.schedule.events import (
    Arrived,
    Ask,
    ConfigReplaced,
    Dying,
    Event,
    Exited,
    Left,
    ModelRules,
    ShutdownAsked,
    Started,
    StartFailed,
    StopFailed,
    Tick,
    Ticket,
    UnloadAsked,
)
from llamaswap.schedule.requests import Waiting
from llamaswap.schedule.residents import ResidentView


class Scheduler(Books):
    """What each fact does to the books. How to serve and make room is the subclass's.

    Args:
        models: What may be asked for.
        residents: Lives that are there from the beginning, for tests; they are numbered from 1.
    """

    def handle(self, event: Event, now: float) -> list[Command]:
        """Take in one fact and return everything that follows from it, to be carried out in this order."""
        doomed = self._apply(event, now) + self._expire(now)
        orders = doomed + self._grant(now) + self._begin(now)
        self._deadlines.tidy(self._requests.queue)
        return orders

    @property
    def next_deadline(self) -> float | None:
        """When something is due without a further event: a `Tick` at that time, or any event after it, does it.

        That is when the first idle life has been idle for its ttl, or the first deadline of a waiting request passes.
        """
        due = [resident.expires_at for resident in self._residents if self._may_expire(resident)]
        if self._deadlines.next is not None:
            due.append(self._deadlines.next)
        return min(due, default=None)

    @abstractmethod
    def positions(self) -> Iterator[tuple[Ticket, int]]:
        """Each queued request's place: 0 waits for its model only, 1 is next. To be read before the next event."""

    @property
    def queued(self) -> int:
        """How many requests wait."""
        return len(self._requests.queue)

    def waiting(self) -> Iterator[Waiting]:
        """The queued requests in order, for display; to be read before the next event."""
        return iter(self._requests.queue.values())

    def residents(self) -> list[ResidentView]:
        """Every life of which something may be alive, oldest first, for display."""
        return self._residents.views()

    @abstractmethod
    def _grant(self, now: float) -> list[Command]:
        """Grant what can be served, and reject what has become hopeless."""

    @abstractmethod
    def _begin(self, now: float) -> list[Command]:
        """Stop what must go and start what is wanted, as far as the rules of exclusion allow."""

    def _apply(self, event: Event, now: float) -> list[Command]:  # noqa: PLR0911 - one return for each kind of fact
        match event:
            case Arrived():
                return self._admit(event, now)
            case Left(ticket):
                return self._take_leave(ticket, now)
            case Started(model, life):
                return self._become_ready(model, life, now)
            case Dying(model, life, detail):
                return self._lose(model, life, detail, now)
            case StartFailed(model, life, detail):
                return self._end(model, life, detail, now)
            case Exited(model, life, detail):
                return self._end(model, life, _early_exit(detail), now)
            case StopFailed(model, life, detail):
                return self._get_stuck(model, life, detail)
            case UnloadAsked(ask, models, grace):
                return self._unload(ask, models, grace, now)
            case ConfigReplaced(models, changed):
                return self._reconfigure(models, changed)
            case ShutdownAsked(drain, grace):
                return self._close(drain, grace, now)
            case Tick():
                return []
            case _:
                assert_never(event)

    # Requests

    def _admit(self, request: Arrived, now: float) -> list[Command]:
        refusal = self._refusal(request.ticket, request.model, now) or hopeless(request, now)
        if refusal is not None:
            return [refusal]
        self._requests.enqueue(request.ticket, request.model, now)
        if request.deadline is not None:
            self._deadlines.add(request.ticket, request.deadline)
        return []

    def _expire(self, now: float) -> list[Command]:
        """Turn away those who have waited until their deadline."""
        late = [self._requests.queue[ticket] for ticket in self._deadlines.passed(now, self._requests.queue)]
        for waiting in late:
            self._requests.drop(waiting.ticket)
        return [expired(waiting, now) for waiting in late]

    def _refusal(self, ticket: Ticket, model: ModelId, now: float) -> Reject | None:
        if self._closed:
            return _shutting_down(ticket)
        rules = self._rules.get(model)
        if rules is None:
            return Reject(ticket, Refusal.UNKNOWN_MODEL)
        if rules.limit and self._requests.outstanding.get(model, 0) >= rules.limit:
            return Reject(ticket, Refusal.LIMIT, retry_after=TooManyRequestsError.retry_after_s)
        return self._rest(ticket, model, now)

    def _rest(self, ticket: Ticket, model: ModelId, now: float) -> Reject | None:
        """The refusal of *ticket* while *model* rests after failed starts."""
        rest = self._backoff.rest(model, now)
        return None if rest is None else Reject(ticket, Refusal.START_FAILED, rest.detail, rest.remaining)

    def _take_leave(self, ticket: Ticket, now: float) -> list[Command]:
        if self._requests.drop(ticket):
            return []
        life = self._requests.finish(ticket)
        resident = None if life is None else self._residents.find(life)
        if resident is not None:  # else the ticket was rejected before, or the process died under it
            resident.in_flight -= 1
            resident.idle_since = now
        return []

    # What people ask for

    def _unload(self, ask: Ask, models: frozenset[ModelId] | None, grace: float | None, now: float) -> list[Command]:
        named = self._every_model() if models is None else models
        doomed = [Reject(ticket, Refusal.UNLOADED) for ticket in self._requests.drop_all(named.__contains__)]
        for model in named:
            self._backoff.forget(model)
        going = sorted((r for r in self._residents if r.model in named), key=lambda resident: resident.rules.grace)
        stops = [self._residents.stop(resident, now, grace) for resident in going if resident.state != "stuck"]
        self._unloads.add(ask, going)
        return [*doomed, *stops, *self._unloads.answers(self._residents)]

    def _every_model(self) -> frozenset[ModelId]:
        return frozenset(self._rules).union(resident.model for resident in self._residents)

    def _reconfigure(self, models: Mapping[ModelId, ModelRules], changed: frozenset[ModelId]) -> list[Command]:
        moved_on = changed.union(self._every_model()).difference(models.keys() - changed)
        self._rules = dict(models)
        for model in moved_on:
            self._backoff.forget(model)
        for resident in self._residents:
            if resident.model in moved_on:
                resident.obsolete = True
            elif not resident.obsolete:
                resident.rules = models[resident.model]
        vanished = self._requests.drop_all(lambda model: model not in models)
        return [Reject(ticket, Refusal.UNKNOWN_MODEL) for ticket in vanished]

    def _close(self, drain: bool, grace: float | None, now: float) -> list[Command]:
        self._closed = True
        self._draining = self._draining and drain
        if grace is not None:
            self._residents.most_grace = min(grace, self._residents.most_grace)
        doomed = map(_shutting_down, self._requests.drop_all(lambda _: True))
        return [*doomed, *self._residents.hurry(now)]


def _early_exit(detail: str) -> str:
    reason = "upstream exited before it could serve"
    return f"{reason}: {detail}" if detail else reason


def _shutting_down(ticket: Ticket) -> Reject:
    return Reject(ticket, Refusal.SHUTTING_DOWN, retry_after=ShuttingDownError.retry_after_s)
