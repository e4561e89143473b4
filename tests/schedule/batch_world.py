"""The judge over `batch`: nobody is passed too often or after too long a wait."""

from collections.abc import Callable, Collection
from typing import Any, Self

from llamaswap.config.names import ModelId
from llamaswap.config.routing import BatchSettings
from llamaswap.schedule.commands import Grant, Start
from llamaswap.schedule.events import Life, Ticket
from tests.schedule.crowd import check
from tests.schedule.sharing_world import SharingWorld
from tests.schedule.surroundings import Machine, Process


class BatchWorld(SharingWorld):
    """Counts for each request by how many it was passed."""

    settings: BatchSettings

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.passed: dict[Ticket, int] = {}

    def clone(self, clone_machine: Callable[[Machine], Machine]) -> Self:
        new = super().clone(clone_machine)
        new.passed = self.passed.copy()
        return new

    def key(self) -> tuple[Any, ...]:
        return *super().key(), tuple([self.passed.get(ticket, 0) for ticket in self.crowd.waiting])

    def held(self) -> Collection[ModelId]:
        return self.crowd.busy.keys()

    def _callers(self, model: ModelId) -> tuple[Ticket, ...]:
        first = self.crowd.first_of(model)
        return () if first is None else (first,)

    # What may be ordered

    def _judge_start(self, command: Start) -> None:
        check(command.model not in self.crowd.busy, "a broken answer is waited for")
        super()._judge_start(command)

    def _judge_grant(self, command: Grant) -> None:
        model, busy = command.model, self.crowd.busy
        check(busy.get(model, 0) < self.models[model].parallel, "no more are served together than allowed")
        check(not self.needs(model, *busy), "who has somebody to evict is not served")
        super()._judge_grant(command)
        for ticket, _, since in self.crowd.waiting.values():
            if ticket > command.ticket:
                break
            self.passed[ticket] = self.passed.get(ticket, 0) + 1
            check(self.passed[ticket] <= self.settings.max_overtakes, "nobody is passed too often")
            check(self.now - since < self.settings.max_wait, "nobody is passed after too long")

    def _may_stop(self, life: Life, process: Process) -> bool:
        if self._must_stop(life, process):
            return True
        return process.model not in self.crowd.busy and self._is_evicted(process.model)

    # What must have been ordered

    def _judge_head(self, model: ModelId) -> None:
        super()._judge_head(model)
        busy, wanted = self.crowd.busy, self.crowd.wanted
        check(not self._is_hopeless(model), "nobody waits for what cannot be stopped")
        check(not self.rest(model) or self.stays(model), "nobody waits for a resting model at the head")
        needs, own = self.needs(model, *busy), self.own(model)
        if own is not None and own[1].state == "ready" and not own[1].obsolete and not needs:
            check(busy.get(model, 0) >= self.models[model].parallel, "who can be served is served")
            return
        if any(other in wanted for other in self.in_state("starting") if other != model):
            return  # loads that somebody else may wait for come first
        if busy.keys().isdisjoint(needs) and (self.stays(model) or model not in busy):
            room = not any(p.running for p in self.processes.values() if p.model in needs)
            check(room, "room is made for the oldest")
            check(own or not set(needs).isdisjoint(self.alive()), "the oldest is loaded when there is room")

    # The books

    def compare_all(self) -> None:
        super().compare_all()
        self.passed = {ticket: times for ticket, times in self.passed.items() if ticket in self.crowd.waiting}
