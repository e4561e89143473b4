"""First come, first served for each model; models that can be there together are served together.

One queue, ordered by priority and then by arrival. A priority belongs to a model, so within a model arrival alone
counts. At each fact the models that have waiting requests are gone through in the order of their first request, and
each is decided by itself; who stays blocked does not block others:

- A ready model that has nobody to evict serves, up to `limit` requests at once, or `PLACES` where it has no limit.
- Otherwise it claims its place, unless a running swap would lose something by that, or one of its victims still
  serves or loads. The claim is a *swap* from here on: it keeps what it needs until its model is ready and its victims
  are gone. Who wants the same model in the meantime has joined it, simply by waiting.

A swap ends in one of four ways. Its model is ready: those who wait are served before anybody else is considered. Its
load failed: all who wait for it are told (`Books._fail_start`). Something that must go cannot be stopped: likewise.
Or nobody waits any more: then it is dropped, unless its model is loading already, which goes on and stays warm.

**Waiting too long.** Requests for a ready model never wait behind others, so a steady stream for it could keep another
model out for ever. With `max_wait`, once the oldest request without a swap has waited so long, it is the first in the
order, and its claim, though it cannot act yet, keeps others from whatever it needs: who would collide with it, or by
being there would give it more to wait for, waits behind it. What is left is bounded: the requests being served at that
moment, the swaps that are running, and those who have joined these.

Invariants beyond those of `scheduler`, with the victims of a swap as they were when it began:

1. No two swaps collide.
2. Stopping a life for a swap finds it serving nobody.
3. Requests of one model are granted in arrival order.
4. What is alive, with the targets of the swaps, is what the policy allows, if it was so at the beginning.
5. While the oldest request without a swap is overdue, nobody is served by, and nothing is loaded as, what it would
   have to evict, except those who have joined a swap.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from heapq import merge
from itertools import chain

from llamaswap.config.names import ModelId
from llamaswap.config.routing import FifoSettings
from llamaswap.schedule.commands import Command
from llamaswap.schedule.events import ModelRules, Ticket
from llamaswap.schedule.eviction import Eviction
from llamaswap.schedule.needs import undecided
from llamaswap.schedule.requests import Waiting
from llamaswap.schedule.residents import Resident, State
from llamaswap.schedule.sharing import Claim, SharingScheduler

#: How many requests of a model without a limit are served at once; the others wait.
PLACES = 10
_DEFAULTS = FifoSettings()


class FifoScheduler(SharingScheduler):
    """Priority, then arrival, for each model.

    Args:
        models: What may be asked for.
        eviction: Who must go for whom.
        settings: Priorities and the longest wait.
        residents: Lives that are there from the beginning, for tests.
    """

    def __init__(
        self,
        models: Mapping[ModelId, ModelRules],
        eviction: Eviction,
        settings: FifoSettings = _DEFAULTS,
        *,
        residents: Iterable[tuple[ModelId, State]] = (),
    ) -> None:
        super().__init__(models, eviction, residents)
        self._settings = settings
        self._swaps: dict[ModelId, Claim] = {}

    def priority(self, model: ModelId) -> int:
        """The priority of every request for *model*."""
        return self._settings.priority.get(model, 0)

    def waiting(self) -> Iterator[Waiting]:
        """See `Scheduler.waiting`: by priority, then by arrival. Costs no more than what is taken of it."""
        if not self._settings.priority:
            return super().waiting()
        lines: dict[int, list[Iterable[Waiting]]] = {}
        for model, line in self._requests.lines.items():
            lines.setdefault(self.priority(model), []).append(line.values())
        return chain.from_iterable(merge(*lines[priority]) for priority in sorted(lines, reverse=True))

    def positions(self) -> Iterator[tuple[Ticket, int]]:
        """See `Scheduler.positions`. Who has joined a swap waits for its model only."""
        place = 0
        for waiting in self.waiting():
            joined = waiting.model in self._swaps
            place += not joined
            yield waiting.ticket, 0 if joined else place

    def _callers(self, resident: Resident) -> list[Ticket]:
        """All who wait for the model."""
        return list(self._requests.lines.get(resident.model, ()))

    def _acting(self, now: float) -> Iterable[Claim]:
        return self._swaps.values()

    def _grant(self, now: float) -> list[Command]:
        settled = [order for swap in list(self._swaps.values()) for order in self._settle(swap)]
        return settled + self._drain(now)

    # Swaps

    def _settle(self, swap: Claim) -> list[Command]:
        """End *swap* if it is over, one way or another."""
        own = self._residents.of(swap.target)
        stuck = self._stuck(swap)
        if stuck is not None:
            del self._swaps[swap.target]
            return self._turn_away(swap.target, stuck)
        if own is not None and own.serves and not self._in_the_way(swap):
            del self._swaps[swap.target]
            return self._serve_line(own)
        if swap.target not in self._requests.lines and not self._goes_on_loading(own):
            del self._swaps[swap.target]
        return []

    def _goes_on_loading(self, own: Resident | None) -> bool:
        return own is not None and own.state == "starting" and not own.obsolete and not self._closed

    # The queue

    def _drain(self, now: float) -> list[Command]:
        """Go once through the models without a swap that have waiting requests, leaving out who cannot get on."""
        orders: list[Command] = []
        overdue: Claim | None = None
        turns = deque(self._turns(now, self._open()))
        while turns:
            first, swaps = turns.popleft(), len(self._swaps)
            overdue = overdue or self._overdue(first, now)
            claim = self._claim(first.model, self._swaps)
            orders += self._decide(claim, overdue)
            if overdue is None and self._is_overdue(first, now) and self._is_kept_waiting(first.model):
                overdue = claim
            if len(self._swaps) > swaps:  # what others need may have changed
                turns = deque(self._after(first, now))
        return orders

    def _open(self) -> list[ModelId]:
        """The models that wait without a swap, save those that have no life and need what is held."""
        lines = self._requests.lines
        if not lines:
            return []
        held = {*self._swaps, *(victim for swap in self._swaps.values() for victim in swap.victims)}
        held.update(life.model for life in self._residents if life.in_flight or self._goes_on_loading(life))
        stuck = {life.model for life in self._residents if life.state == "stuck"}
        lives = {life.model for life in self._residents if life.model in lines}
        needs = self._needs(lines.keys(), self._there(self._swaps))
        return [model for model in lives.union(undecided(needs, held, stuck)) if self._is_kept_waiting(model)]

    def _after(self, done: Waiting, now: float) -> list[Waiting]:
        rank = self._rank(done, now)
        return [first for first in self._turns(now, self._open()) if self._rank(first, now) > rank]

    def _overdue(self, coming: Waiting, now: float) -> Claim | None:
        """The claim of the oldest request without a swap, if that has waited too long and comes before *coming*."""
        if not self._is_overdue(self._requests.head(), now):
            return None
        lines = self._requests.lines.items()
        oldest = min(next(iter(line.values())) for model, line in lines if model not in self._swaps)
        late = oldest.ticket != coming.ticket and self._is_overdue(oldest, now)
        return self._claim(oldest.model, self._swaps) if late else None

    def _turns(self, now: float, models: Iterable[ModelId] | None = None) -> list[Waiting]:
        """The first request for each of *models*, or all that wait without a swap, in the order of consideration."""
        lines = self._requests.lines
        chosen = filter(self._is_kept_waiting, lines) if models is None else models
        return sorted((next(iter(lines[model].values())) for model in chosen), key=lambda first: self._rank(first, now))

    def _rank(self, first: Waiting, now: float) -> tuple[bool, int, Ticket]:
        late = self._is_overdue(first, now)
        return not late, 0 if late else -self.priority(first.model), first.ticket

    def _is_overdue(self, first: Waiting, now: float) -> bool:
        return 0 < self._settings.max_wait <= now - first.arrived_at

    def _is_kept_waiting(self, model: ModelId) -> bool:
        return model in self._requests.lines and model not in self._swaps

    def _decide(self, claim: Claim, overdue: Claim | None) -> list[Command]:
        """Serve the claim's model, or turn all away who wait for it, or begin its swap, or leave it as it is."""
        stuck = self._stuck(claim)
        if stuck is not None:
            return self._turn_away(claim.target, stuck)
        if any(swap.collides(claim) for swap in self._swaps.values()):
            return []
        if overdue is not None and self._hinders(claim, overdue):
            return []
        own = self._residents.of(claim.target)
        if own is not None and own.serves and not claim.victims:
            return self._serve_line(own)
        if not any(life.in_flight or self._goes_on_loading(life) for life in self._in_the_way(claim)):
            self._swaps[claim.target] = claim
        return []

    def _hinders(self, claim: Claim, overdue: Claim) -> bool:
        """Whether the overdue model would have more to wait for if *claim* were met."""
        if claim.collides(overdue):
            return True
        later = self._claim(overdue.target, (*self._swaps, claim.target))
        return not frozenset(later.victims) <= frozenset(overdue.victims)

    def _serve_line(self, resident: Resident) -> list[Command]:
        orders: list[Command] = []
        places = self._rules[resident.model].limit or PLACES
        while resident.in_flight < places and (first := self._requests.first(resident.model)) is not None:
            orders.append(self._serve(first, resident))
        return orders
