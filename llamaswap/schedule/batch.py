"""Requests for one model are served together to save swaps, and nobody waits for that beyond stated bounds.

Models that can be there together are served together, as with `fifo`. A model that is ready serves whoever wants it, up
to its `parallel` at once, before room is made for another one; a request that came earlier is *passed* by that. The
bounds: a request is passed by at most `max_overtakes` later arrivals, and by nobody once it has waited `max_wait`.

**Counting.** Tickets are numbered in arrival order, so a request has been passed by exactly those granted tickets that
are greater than its own: each of these arrived after it, hence was granted while it waited. It is enough to look at the
oldest waiting request. Whoever has passed a younger one has a greater ticket than the oldest too, so nobody has been
passed more often than the oldest; and nobody has waited longer. While the oldest has been passed by fewer than allowed,
so has everybody, and one more may pass; when it has not, only the oldest itself is served. So the granted tickets that
are greater than the oldest waiting one are all there is to know; there are never more than `max_overtakes` of them.

**Deciding.** Nothing is remembered between facts but that list: in each pass everything follows from who waits and who
is there. The models are gone through in the order of their first requests, but only the oldest request counts while it
must not be passed.

1. Who can be served is served: its model is ready, has nobody to evict, and serves fewer than its `parallel`.
2. Then each model claims what it needs, those that are loading first, else in the same order, and acts on it unless
   an earlier claim would lose by that, or one of its victims still serves. Blocked claims hold too: a later one never
   makes an earlier one wait longer.

A load is nobody's property: once nobody who counts wants it any more, whoever is first may have it stopped. A request
keeps its model's place until it leaves, even if the process has ended under it.

With `max_overtakes` 0 only the oldest request ever counts; if every model evicts all others, that is `serial`, order by
order.

Invariants beyond those of `scheduler`:

1. Each request has been passed by at most `max_overtakes` others, and by none after `max_wait`.
2. Stopping a life to make room finds no request of its model being served.
3. Requests of one model are granted in arrival order, at most `parallel` at once, and only while the policy would evict
   nobody for it.
4. What is alive is what the policy allows, if it was so at the beginning.
"""

from bisect import bisect, insort
from collections.abc import Iterable, Iterator, Mapping, Set

from llamaswap.config.names import ModelId
from llamaswap.config.routing import BatchSettings
from llamaswap.schedule.books import Books
from llamaswap.schedule.commands import Command, Grant, Refusal, Reject
from llamaswap.schedule.events import ModelRules, Ticket
from llamaswap.schedule.eviction import Eviction
from llamaswap.schedule.needs import undecided
from llamaswap.schedule.requests import Waiting
from llamaswap.schedule.residents import Resident, State
from llamaswap.schedule.sharing import Claim, SharingScheduler

_DEFAULTS = BatchSettings()


class BatchScheduler(SharingScheduler):
    """Arrival order, within bounds.

    Args:
        models: What may be asked for.
        eviction: Who must go for whom.
        settings: The bounds.
        residents: Lives that are there from the beginning, for tests.
    """

    def __init__(
        self,
        models: Mapping[ModelId, ModelRules],
        eviction: Eviction,
        settings: BatchSettings = _DEFAULTS,
        *,
        residents: Iterable[tuple[ModelId, State]] = (),
    ) -> None:
        super().__init__(models, eviction, residents)
        self._settings = settings
        self._passed_by: list[Ticket] = []  # granted, and greater than the oldest waiting one; sorted

    def take_over(self, other: Books) -> None:
        """See `Books.take_over`. Who has been passed under the same rules may not be passed as often again."""
        super().take_over(other)
        if isinstance(other, BatchScheduler):
            self._passed_by = other._passed_by

    def positions(self) -> Iterator[tuple[Ticket, int]]:
        """See `Scheduler.positions`."""
        place = 0
        for waiting in self.waiting():
            loading = self._is_loading(waiting.model)
            place += not loading
            yield waiting.ticket, 0 if loading else place

    def _callers(self, resident: Resident) -> list[Ticket]:
        """The first of those who wait for the model; the others try again."""
        first = self._requests.first(resident.model)
        return [] if first is None else [first.ticket]

    def _turns(self, now: float, models: Set[ModelId]) -> list[Waiting]:
        """Those who count, in arrival order: the first request for each of *models*, or the oldest alone."""
        if not self._requests.queue:
            self._passed_by.clear()
            return []
        oldest = self._requests.head()
        return self._requests.firsts(models) if self._may_be_passed(oldest, now) else [oldest]

    def _may_be_passed(self, oldest: Waiting, now: float) -> bool:
        del self._passed_by[: bisect(self._passed_by, oldest.ticket)]
        patient = now - oldest.arrived_at < self._settings.max_wait
        return patient and len(self._passed_by) < self._settings.max_overtakes

    # Who is served

    def _grant(self, now: float) -> list[Command]:
        orders: list[Command] = []
        while (order := self._next_order(now)) is not None:
            orders.append(order)
        return orders

    def _next_order(self, now: float) -> Grant | Reject | None:
        decisions = (self._decide(first, now) for first in self._turns(now, self._decidable()))
        return next((decision for decision in decisions if decision is not None), None)

    def _decidable(self) -> Set[ModelId]:
        """All whose first request may be granted or turned away: they have a life, or rest, or something is stuck."""
        if any(life.state == "stuck" for life in self._residents):
            return self._requests.lines.keys()
        return {*self._residents.models(), *self._backoff.models()}

    def _decide(self, first: Waiting, now: float) -> Grant | Reject | None:
        """Grant or reject *first*, or None: it has to wait."""
        claim = self._claim(first.model, self._requests.serving)
        own = self._residents.of(first.model)
        if own is not None and own.serves and not claim.victims:
            return self._pass_on(first, own) if self._has_place(first.model) else None
        refusal = self._hopeless(first, claim, now)
        if refusal is not None:
            self._requests.drop(first.ticket)
        return refusal

    def _has_place(self, model: ModelId) -> bool:
        return self._requests.serving.get(model, 0) < self._rules[model].parallel

    def _pass_on(self, first: Waiting, resident: Resident) -> Grant:
        order = self._serve(first, resident)
        if self._requests.queue and self._requests.head().ticket < first.ticket:
            insort(self._passed_by, first.ticket)
        return order

    def _hopeless(self, first: Waiting, claim: Claim, now: float) -> Reject | None:
        stuck = self._stuck(claim)
        if stuck is not None:
            return Reject(first.ticket, Refusal.CANNOT_STOP, f"{stuck.model} cannot be stopped: {stuck.trouble}")
        return self._rest(first.ticket, first.model, now)

    # For whom room is made

    def _acting(self, now: float) -> list[Claim]:
        claims: dict[Claim, bool] = {}  # whether they act
        for first in self._claimants(now):
            claim = self._claim(first.model, self._besides(claims))
            if self._serves_still(claim):
                claims[claim] = False
            else:
                claims[claim] = not any(self._hinders(claim, earlier, claims) for earlier in claims)
        return [claim for claim, acts in claims.items() if acts]

    def _claimants(self, now: float) -> list[Waiting]:
        """Those who claim, in that order, up to the last for whom something could be done."""
        able = self._able()
        if not able:
            return []
        turns = sorted(
            self._turns(now, self._requests.lines.keys()), key=lambda first: not self._is_loading(first.model)
        )
        return turns[: self._last(turns, able)] if self._eviction.pairwise else turns

    def _able(self) -> Set[ModelId]:
        """The models that wait, save those of which a look at them alone tells that nothing can be done for them."""
        lines, serving = self._requests.lines, self._requests.serving
        if not lines or not self._eviction.pairwise:
            return lines.keys()
        needs = self._needs(lines.keys(), self._there(self._besides(())))
        content = {model for victims, models in needs if not victims for model in models if self._stays(model)}
        return lines.keys() & undecided(needs, serving.keys()) - content

    def _stays(self, model: ModelId) -> bool:
        own = self._residents.of(model)
        return own is not None and own.stays

    def _last(self, turns: list[Waiting], able: Set[ModelId]) -> int:
        """How many claim: behind them come only models which are not *able*, or which one before them excludes."""
        last, acting = 0, list[ModelId]()
        for place, first in enumerate(turns, 1):
            if first.model in able and not any(self._exclude(first.model, earlier) for earlier in acting):
                acting.append(first.model)
                last = place
        return last

    def _exclude(self, one: ModelId, other: ModelId) -> bool:
        ask = self._eviction.victims
        return bool(ask(one, (other,)) or ask(other, (one,)))

    def _is_loading(self, model: ModelId) -> bool:
        own = self._residents.of(model)
        return own is not None and own.state == "starting"

    def _besides(self, claims: Iterable[Claim]) -> list[ModelId]:
        return [*self._requests.serving, *(claim.target for claim in claims)]

    def _serves_still(self, claim: Claim) -> bool:
        """Whether a request holds what *claim* needs."""
        own = self._residents.of(claim.target)
        renewed = own is None or not own.stays
        needed = (*claim.victims, claim.target) if renewed else claim.victims
        return any(model in self._requests.serving for model in needed)

    def _hinders(self, claim: Claim, earlier: Claim, claims: Mapping[Claim, bool]) -> bool:
        """Whether *earlier* would lose something by *claim*, or would have to evict its model first.

        An earlier claim that acts is as good as met: what it would evict is asked as if its model were there.
        """
        if claim.collides(earlier):
            return True
        others = (*self._besides(claims), claim.target)
        return claim.target in self._claim(earlier.target, others, there=claims[earlier]).victims
