"""Two schedulers that must decide alike: `serial`, and `batch` that may let nobody pass and has one place for all."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from llamaswap.config.names import ModelId
from llamaswap.config.routing import BatchSettings
from llamaswap.schedule.batch import BatchScheduler
from llamaswap.schedule.commands import Command
from llamaswap.schedule.events import ConfigReplaced, Event, ModelRules, Ticket
from llamaswap.schedule.eviction import OneAtATime
from llamaswap.schedule.requests import Waiting
from llamaswap.schedule.residents import ResidentView, State
from llamaswap.schedule.serial import SerialScheduler
from tests.schedule.crowd import ViolationError, check


class Twins:
    """Tells both everything, and holds that they answer the same. Else it is the serial one."""

    def __init__(
        self,
        models: Mapping[ModelId, ModelRules],
        *,
        parallel: int = 1,
        abort_orphan_loads: bool = False,
        residents: Iterable[tuple[ModelId, State]] = (),
        batch: Callable[..., Any] = BatchScheduler,
    ) -> None:
        assert not abort_orphan_loads, "batch has no such setting"
        self._parallel = parallel
        residents = tuple(residents)
        bounds = BatchSettings(max_overtakes=0)
        self.parts: tuple[Any, Any] = (
            SerialScheduler(models, parallel=parallel, residents=residents),
            batch(self._own_places(models), OneAtATime(), bounds, residents=residents),
        )

    def handle(self, event: Event, now: float) -> list[Command]:
        serial, batch = self.parts
        orders: list[Command] = serial.handle(event, now)
        told = replace(event, models=self._own_places(event.models)) if isinstance(event, ConfigReplaced) else event
        alike: list[Command] = batch.handle(told, now)
        if orders != alike:
            raise ViolationError(f"batch does what serial does: {alike} is {orders}")
        check(batch.next_deadline == serial.next_deadline, "both wait for the same deadline")
        check(batch.residents() == serial.residents(), "both know the same lives")
        check(batch._requests.queue == serial._requests.queue, "both know the same queue")
        return orders

    def _own_places(self, models: Mapping[ModelId, ModelRules]) -> dict[ModelId, ModelRules]:
        """What serial is told once, batch is told for each model."""
        return {model: replace(rules, parallel=self._parallel) for model, rules in models.items()}

    @property
    def next_deadline(self) -> float | None:
        deadline: float | None = self.parts[0].next_deadline
        return deadline

    @property
    def queued(self) -> int:
        count: int = self.parts[0].queued
        return count

    def waiting(self) -> Iterator[Waiting]:
        queue: Iterator[Waiting] = self.parts[0].waiting()
        return queue

    def residents(self) -> list[ResidentView]:
        lives: list[ResidentView] = self.parts[0].residents()
        return lives

    def positions(self) -> Iterator[tuple[Ticket, int]]:
        places: Iterator[tuple[Ticket, int]] = self.parts[0].positions()
        return places

    @property
    def _requests(self) -> Any:
        return self.parts[0]._requests
