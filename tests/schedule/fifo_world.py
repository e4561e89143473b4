"""The judge over `fifo`: every model for itself, in turn, and nobody kept waiting without end."""

from itertools import chain, combinations

from llamaswap.config.names import ModelId
from llamaswap.config.routing import FifoSettings
from llamaswap.schedule.commands import Grant, Start, Stop
from llamaswap.schedule.events import (
    Arrived,
    Event,
    Exited,
    Started,
    StartFailed,
    StopFailed,
    Tick,
    Ticket,
    UnloadAsked,
)
from llamaswap.schedule.eviction import MatrixEviction
from tests.schedule.crowd import check
from tests.schedule.sharing_world import SharingWorld


class FifoWorld(SharingWorld):
    """Who has waited too long is passed no more for what it needs."""

    settings: FifoSettings

    def places(self, model: ModelId) -> int:
        return self.models[model].limit or 10

    def overdue(self) -> tuple[Ticket, ModelId, float] | None:
        """The oldest request, if it has waited too long."""
        first = self.crowd.first() if self.settings.max_wait else None
        return first if first is not None and self.now - first[2] >= self.settings.max_wait else None

    def _callers(self, model: ModelId) -> list[Ticket]:
        return self.crowd.line(model)

    def _happen(self, event: Event) -> None:
        super()._happen(event)
        self.overdue_before = self.overdue()
        self.gave_way = False

    # What may be ordered

    def _judge_start(self, command: Start) -> None:
        super()._judge_start(command)
        if not isinstance(self.event, Exited | StartFailed):  # else its swap may have begun before
            self._judge_patience(command.model, "nothing is loaded")

    def _judge_grant(self, command: Grant) -> None:
        model = command.model
        check(self.serves(command.life) < self.places(model), "no more are served together than allowed")
        if not isinstance(self.event, Started | Exited | StartFailed):  # else its swap may just be over
            check(not self.needs(model), "who has somebody to evict is not served")
            self._judge_patience(model, "nobody is served")
        super()._judge_grant(command)

    def _judge_patience(self, model: ModelId, what: str) -> None:
        if self.overdue_before is None or self.overdue_before[0] not in self.crowd.waiting:
            return
        _, late, _ = self.overdue_before
        if late != model and not self._may_swap(late):
            check(model not in self.needs(late, model), f"{what} in the way of one who has waited too long")

    def _may_swap(self, model: ModelId) -> bool:
        """Whether its swap may be running, which waits for nobody who comes later."""
        in_the_way = [process for process in self.processes.values() if process.model in self.needs(model)]
        return self.own(model) is not None or any(not process.running for process in in_the_way)

    def _judge_stop(self, event: Event, command: Stop) -> None:
        process = self._process(command.model, command.life)
        loading = process is not None and process.state == "starting" and not process.obsolete
        by_people = isinstance(event, UnloadAsked) or (self.closed and not isinstance(event, Arrived | Tick))
        check(not loading or by_people, "a load goes on")
        super()._judge_stop(event, command)

    def _may_be_hopeless(self, model: ModelId) -> bool:
        """Also for a victim that need not have gone as things stand, or goes only beside who is about to be loaded."""
        if isinstance(self.event, StopFailed) or self._is_hopeless(model):
            return True
        others = [each for each in self.crowd.wanted if each != model]
        stuck = set(self.in_state("stuck"))
        parts = chain.from_iterable(combinations(others, n) for n in range(1, len(others) + 1))
        self.gave_way = any(not stuck.isdisjoint(self.needs(model, *more)) for more in parts)
        return self.gave_way

    # What must have been ordered

    def _judge_situation(self) -> None:
        super()._judge_situation()
        moving = self.gave_way and (self.in_state("starting") or self.in_state("stopping"))
        check(moving or not self.gave_way, "who is turned away beside a swap sees it go on")

    def _judge_head(self, model: ModelId) -> None:
        super()._judge_head(model)
        starting, stopping, stuck = self.in_state("starting"), self.in_state("stopping"), self.in_state("stuck")
        for each in self.crowd.wanted:
            if stuck:
                swapping = each in starting or not {each, *self.needs(each)}.isdisjoint(stopping)
                check(swapping or not self._is_hopeless(each), "nobody waits for what cannot be stopped")
            check(not self.rest(each), "nobody waits for a resting model")
            if each not in starting and not self.overdue():
                self._judge_waiting(each, starting)

    def _judge_waiting(self, model: ModelId, starting: list[ModelId]) -> None:
        """Where nobody else could be the reason, somebody who waits must have got on."""
        others = {*self.crowd.wanted, *starting} - {model}
        if any(model in self.needs(other, model) for other in others):
            return
        if others and self.needs(model, *others):
            return
        if isinstance(self.eviction, MatrixEviction) and (starting or self.in_state("stopping")):
            return  # a swap keeps what it needed when it began, which may be another choice than now
        own, needs = self.own(model), self.needs(model)
        if own is None:
            check(needs, "who needs nobody's place is loaded")
        if own is not None and own[1].state == "ready" and not own[1].obsolete and not needs:
            check(self.serves(own[0]) >= self.places(model), "who can be served is served")
        if not others and needs and (own is None or own[1].state == "ready"):
            in_the_way = [process for process in self.processes.values() if process.model in needs]
            idle = not any(self.serves(life) for life in self.processes)
            check(not idle or any(not process.running for process in in_the_way), "room is made when it can be")

    # The books

    def _queue(self) -> list[tuple[Ticket, ModelId, float]]:
        ranks = self.settings.priority
        return sorted(super()._queue(), key=lambda each: (-ranks.get(each[1], 0), each[0]))
