"""The default scheduler: exact arrival order, one model in memory, one request at a time.

It never reorders, never joins, never batches, and knows neither groups nor priorities. The head of the queue is the
only request that counts: it is granted when its model is ready and *alone*; otherwise, once nobody is being served,
every other life is stopped, and when the last one has gone its model is started. The rest follows from that:

- A load whose caller has left goes on while the queue is empty (unless `abort_orphan_loads`), is taken over by a head
  that wants the same model, and is stopped by a head that wants another.
- A model that is stopping is waited for and started afresh, whoever had stopped it.
- A life that cannot be stopped holds the only place, so every head is rejected until it ends.

With `parallel` above 1, heads that want the model being served join it, up to that many. Since only heads are granted,
they still start in arrival order, and a change of model waits until all of them have left.

Invariants beyond those of `scheduler`: a `Start` finds no life at all in the books and nobody being served; a `Grant`
finds its own life only; grants are a subsequence of the arrivals.
"""

from collections.abc import Iterable, Iterator, Mapping

from llamaswap.config.schema import ModelId
from llamaswap.schedule.commands import Command, Grant, Refusal, Reject
from llamaswap.schedule.events import ModelRules, Ticket
from llamaswap.schedule.requests import Waiting
from llamaswap.schedule.residents import Resident, State
from llamaswap.schedule.scheduler import Scheduler


class SerialScheduler(Scheduler):
    """First come, first served, across all models.

    Args:
        models: What may be asked for.
        parallel: How many consecutive requests for one model may be served together.
        abort_orphan_loads: Stop a load as soon as nobody waits for it, instead of keeping the model warm.
        residents: Lives that are there from the beginning, for tests.
    """

    def __init__(
        self,
        models: Mapping[ModelId, ModelRules],
        *,
        parallel: int = 1,
        abort_orphan_loads: bool = False,
        residents: Iterable[tuple[ModelId, State]] = (),
    ) -> None:
        super().__init__(models, residents)
        self._parallel = parallel
        self._abort_orphan_loads = abort_orphan_loads

    def positions(self) -> Iterator[tuple[Ticket, int]]:
        """See `Scheduler.positions`. While nobody is served it is the head's turn, and its place is 0."""
        first = 1 if self._requests.active else 0
        return ((ticket, place) for place, ticket in enumerate(self._requests.queue, first))

    def _grant(self, now: float) -> list[Command]:
        decided: list[Command] = []
        while self._requests.queue:
            decision = self._decide(self._requests.head(), now)
            if decision is None:
                break
            decided.append(decision)
        return decided

    def _decide(self, head: Waiting, now: float) -> Grant | Reject | None:
        """Grant or reject the head, or None: it has to wait."""
        resident = self._serving(head.model)
        if resident is not None:
            return self._serve(head, resident) if len(self._requests.active) < self._parallel else None
        refusal = self._hopeless(head, now)
        if refusal is not None:
            self._requests.drop(head.ticket)
        return refusal

    def _serving(self, model: ModelId) -> Resident | None:
        """The life that can serve *model*: ready, up to date, and the only one there is."""
        if len(self._residents) != 1:
            return None
        (resident,) = self._residents
        serves = resident.model == model and resident.state == "ready" and not resident.obsolete
        return resident if serves else None

    def _hopeless(self, head: Waiting, now: float) -> Reject | None:
        for resident in self._residents:
            if resident.state == "stuck":
                detail = f"{resident.model} cannot be stopped: {resident.trouble}"
                return Reject(head.ticket, Refusal.CANNOT_STOP, detail)
        return self._rest(head.ticket, head.model, now)

    def _begin(self, now: float) -> list[Command]:
        orders: list[Command] = [
            self._residents.stop(resident, now)
            for resident in self._residents
            if resident.running and self._must_go(resident, now)
        ]
        if self._requests.queue and not self._residents and not self._requests.active:
            model = self._requests.head().model
            orders.append(self._start(model))
        return orders

    def _must_go(self, resident: Resident, now: float) -> bool:
        if self._closed and not self._draining:
            return True
        if resident.in_flight:
            return False
        if self._closed or resident.obsolete:
            return True
        if self._requests.queue and not self._requests.active:
            return resident.model != self._requests.head().model
        if resident.state == "starting":
            return self._abort_orphan_loads and not self._is_wanted(resident)
        return self._may_expire(resident) and now >= resident.expires_at

    def _callers(self, resident: Resident) -> list[Ticket]:
        """The head, whose turn it is; a load that nobody waits for has none."""
        if not self._requests.queue:
            return []
        head = self._requests.head()
        return [head.ticket] if head.model == resident.model else []
