"""The judge over schedulers that share: what any of them may and must do. What each promises besides: see its world.

As with `serial`, the judge knows the rules and not the machine. He knows nothing of swaps and claims; whether a machine
waits for a good reason he can tell only where all reasons can be seen, and there he insists.
"""

from collections.abc import Collection, Iterable, Mapping
from itertools import chain, combinations
from typing import Any

from llamaswap.config.names import ModelId
from llamaswap.schedule.commands import Command, Grant, Start, Stop
from llamaswap.schedule.events import Event, Life, ModelRules, Tick, Ticket
from llamaswap.schedule.eviction import Eviction
from llamaswap.schedule.residents import State
from tests.schedule.crowd import check
from tests.schedule.surroundings import Machine, Process
from tests.schedule.world import World


class SharingWorld(World):
    """What both promise. Policies must be such that `allowed` is true of any part of what it is true of."""

    def __init__(
        self,
        machine: Machine,
        models: Mapping[ModelId, ModelRules],
        *,
        eviction: Eviction,
        settings: Any,
        residents: Iterable[tuple[ModelId, State]] = (),
    ) -> None:
        super().__init__(machine, models, residents=residents)
        self.eviction = eviction
        self.settings = settings
        self.sound = eviction.allowed(self.alive())
        self.event: Event = Tick()
        self._needs: dict[tuple[ModelId, ...], tuple[ModelId, ...]] = {}  # as long as the same processes are there

    # The situation

    def alive(self) -> list[ModelId]:
        return sorted([process.model for process in self.processes.values()])

    def own(self, model: ModelId) -> tuple[Life, Process] | None:
        for life, process in self.processes.items():
            if process.model == model:
                return life, process
        return None

    def stays(self, model: ModelId) -> bool:
        own = self.own(model)
        return own is not None and own[1].running and not own[1].obsolete

    def needs(self, model: ModelId, *more: ModelId) -> tuple[ModelId, ...]:
        """Whom *model* would have to evict, if *more* were there too."""
        asked = (model, *more)
        known = self._needs.get(asked)
        if known is None:
            running = {process.model for process in self.processes.values()}.union(more)
            (running.add if self.stays(model) else running.discard)(model)
            known = self._needs[asked] = self.eviction.victims(model, sorted(running))
        return known

    def held(self) -> Collection[ModelId]:
        """Models whose place is taken, whoever is alive."""
        return ()

    def key(self) -> tuple[Any, ...]:
        if not self.settings.max_wait:
            return super().key()
        return *super().key(), tuple([self.now - since for _, _, since in self.crowd.waiting.values()])

    # What may be ordered

    def _happen(self, event: Event) -> None:
        self.event = event
        super()._happen(event)
        self._needs = {}

    def _judge(self, event: Event, command: Command) -> None:
        super()._judge(event, command)
        if isinstance(command, Start | Stop):
            self._needs = {}

    def _judge_start(self, command: Start) -> None:
        model = command.model
        check(command.life > self.last_life, "lives are numbered upwards")
        check(self.own(model) is None, "a start finds no life of its model")
        check(model in self.crowd.wanted, "a start is for somebody who waits")
        check(not self.rest(model), "a resting model is not started")
        check(not self.closed, "nothing starts after the shutdown")
        if self.sound:
            together = sorted([*self.alive(), model])
            check(self.eviction.allowed(together), f"exclusive: {together} may be alive together")
        self.last_life = command.life
        self.processes[command.life] = Process(model)

    def _judge_grant(self, command: Grant) -> None:
        self._granted(command)
        its_turn = self.crowd.first_of(command.model) == command.ticket
        check(its_turn, "within a model grants follow the order of arrival")
        self.crowd.serve(command.ticket, command.life)

    def _may_stop(self, life: Life, process: Process) -> bool:
        return self._must_stop(life, process) or self._is_evicted(process.model)

    def _is_evicted(self, model: ModelId) -> bool:
        """Whether somebody waits who needs its place, whoever else is about to be loaded."""
        wanted = [each for each in self.crowd.wanted if each != model]
        parts = list(chain.from_iterable(combinations(wanted, n) for n in range(len(wanted))))
        return any(
            model in self.needs(each, *more, *self.held()) for each in wanted for more in parts if each not in more
        )

    def _must_stop(self, life: Life, process: Process) -> bool:
        if self.closed:
            return not self.draining or not self.serves(life)
        if self.serves(life):
            return False
        if process.obsolete:
            return True
        if process.model in self.crowd.outstanding or not process.healthy:
            return False
        ttl = self.models[process.model].ttl
        return ttl > 0 and self.now >= process.idle_since + ttl

    def _is_its_turn(self, ticket: Ticket) -> bool:
        return True

    def _is_hopeless(self, model: ModelId) -> bool:
        stuck = self.in_state("stuck")
        return bool(stuck) and not {model, *self.needs(model, *self.held())}.isdisjoint(stuck)

    # What must have been ordered

    def _judge_head(self, model: ModelId) -> None:
        if not self.crowd.served:
            moving = any(process.state in ("starting", "stopping") for process in self.processes.values())
            check(moving, "nobody waits for nothing")

    def _judge_positions(self, queue: list[Ticket]) -> None:
        places = list(self.machine.positions())
        check([ticket for ticket, _ in places] == queue, "everybody has a place")
        counted = [place for _, place in places if place]
        check(counted == list(range(1, len(counted) + 1)), "places are counted from the front")
