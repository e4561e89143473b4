"""The judge over schedulers that share: what any of them may and must do, and what each promises besides.

As with `serial`, the judge knows the rules and not the machine. He knows nothing of swaps and claims; whether a machine
waits for a good reason he can tell only where all reasons can be seen, and there he insists.
"""

from collections.abc import Iterable, Mapping
from itertools import chain, combinations
from typing import Any

from llamaswap.config.names import ModelId
from llamaswap.config.routing import BatchSettings, FifoSettings
from llamaswap.schedule.commands import Grant, Start, Stop
from llamaswap.schedule.events import (
    Arrived,
    Event,
    Exited,
    Life,
    ModelRules,
    Started,
    StartFailed,
    StopFailed,
    Tick,
    Ticket,
)
from llamaswap.schedule.eviction import Eviction, MatrixEviction
from llamaswap.schedule.residents import State
from tests.schedule.world import Client, Machine, Process, World, check


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
        self.arrived: dict[Ticket, float] = {}

    # The situation

    def alive(self) -> list[ModelId]:
        return sorted(process.model for process in self.processes.values())

    def own(self, model: ModelId) -> tuple[Life, Process] | None:
        return next(((life, process) for life, process in self.processes.items() if process.model == model), None)

    def stays(self, model: ModelId) -> bool:
        own = self.own(model)
        return own is not None and own[1].running and not own[1].obsolete

    def needs(self, model: ModelId, *more: ModelId) -> tuple[ModelId, ...]:
        """Whom *model* would have to evict, if *more* were there too."""
        running = {*self.alive(), *more} - {model}
        if self.stays(model):
            running.add(model)
        return self.eviction.victims(model, sorted(running))

    def line(self, model: ModelId) -> list[Ticket]:
        return [t for t, client in self.clients.items() if client.phase == "waiting" and client.model == model]

    def wanted(self) -> list[ModelId]:
        """Models that somebody waits for, in the order of arrival."""
        return list(dict.fromkeys(client.model for client in self.clients.values() if client.phase == "waiting"))

    def busy(self) -> set[ModelId]:
        """Models of which a request was granted and has not left."""
        return {client.model for client in self.clients.values() if client.phase == "served"}

    def held(self) -> set[ModelId]:
        """Models whose place is taken, whoever is alive."""
        return set()

    def in_state(self, state: str) -> list[ModelId]:
        return [process.model for process in self.processes.values() if process.state == state]

    # What may be ordered

    def _happen(self, event: Event) -> None:
        self.event = event
        super()._happen(event)
        if isinstance(event, Arrived):
            self.arrived = {**self.arrived, event.ticket: self.now}

    def _judge_start(self, command: Start) -> None:
        model = command.model
        check(command.life > self.last_life, "lives are numbered upwards")
        check(self.own(model) is None, "a start finds no life of its model")
        check(self.line(model), "a start is for somebody who waits")
        check(not self.rest(model), "a resting model is not started")
        check(not self.closed, "nothing starts after the shutdown")
        if self.sound:
            together = sorted([*self.alive(), model])
            check(self.eviction.allowed(together), f"exclusive: {together} may be alive together")
        self.last_life = command.life
        self.processes[command.life] = Process(model)

    def _judge_grant(self, command: Grant) -> None:
        client = self.clients.get(command.ticket)
        process = self._process(command.model, command.life)
        check(client is not None and client.phase == "waiting", "one outcome: a grant is for one who waits")
        assert client is not None
        check(client.model == command.model, "a request reaches its own model")
        check(process is not None and process.state == "ready" and not process.obsolete, "a grant finds its life ready")
        check(self.line(command.model)[0] == command.ticket, "within a model grants follow the order of arrival")
        client.phase = "served"
        client.life = command.life

    def _may_stop(self, life: Life, process: Process) -> bool:
        return self._must_stop(life, process) or self._is_evicted(process.model)

    def _is_evicted(self, model: ModelId) -> bool:
        """Whether somebody waits who needs its place, whoever else is about to be loaded."""
        wanted = [each for each in self.wanted() if each != model]
        parts = list(chain.from_iterable(combinations(wanted, n) for n in range(len(wanted))))
        return any(
            model in self.needs(each, *more, *self.held()) for each in wanted for more in parts if each not in more
        )

    def _must_stop(self, life: Life, process: Process) -> bool:
        if self.closed:
            return not self.draining or not self.served(life)
        if self.served(life):
            return False
        if process.obsolete:
            return True
        if self.outstanding(process.model) or not process.healthy:
            return False
        ttl = self.models[process.model].ttl
        return ttl > 0 and self.now >= process.idle_since + ttl

    def _is_its_turn(self, ticket: Ticket) -> bool:
        return True

    def _is_hopeless(self, model: ModelId) -> bool:
        stuck = set(self.in_state("stuck"))
        return model in stuck or not stuck.isdisjoint(self.needs(model, *self.held()))

    # What must have been ordered

    def _judge_head(self, head: Client) -> None:
        moving = any(process.state in ("starting", "stopping") for process in self.processes.values())
        check(moving or self.served(), "nobody waits for nothing")

    def _judge_positions(self, queue: list[Ticket]) -> None:
        places = list(self.machine.positions())
        check([ticket for ticket, _ in places] == queue, "everybody has a place")
        counted = [place for _, place in places if place]
        check(counted == list(range(1, len(counted) + 1)), "places are counted from the front")


class FifoWorld(SharingWorld):
    """Every model for itself; who has waited too long is passed no more for what it needs."""

    settings: FifoSettings

    def places(self, model: ModelId) -> int:
        return self.models[model].limit or 10

    def overdue(self) -> tuple[Ticket, Client] | None:
        """The oldest request, if it has waited too long."""
        first = self.first_waiting()
        if first is None or not self.settings.max_wait:
            return None
        return first if self.now - self.arrived[first[0]] >= self.settings.max_wait else None

    def _callers(self, model: ModelId) -> set[Ticket]:
        return set(self.line(model))

    def _judge_start(self, command: Start) -> None:
        super()._judge_start(command)
        if not isinstance(self.event, Exited | StartFailed):  # else its swap may have begun before
            self._judge_patience(command.model, "nothing is loaded")

    def _judge_grant(self, command: Grant) -> None:
        model = command.model
        check(self.served(command.life) < self.places(model), "no more are served together than allowed")
        if not isinstance(self.event, Started | Exited | StartFailed):  # else its swap may just be over
            check(not self.needs(model), "who has somebody to evict is not served")
            self._judge_patience(model, "nobody is served")
        super()._judge_grant(command)

    def _judge_patience(self, model: ModelId, what: str) -> None:
        first = self.overdue_before
        if first is not None and first.model != model and first.phase == "waiting" and not self._may_swap(first.model):
            check(model not in self.needs(first.model, model), f"{what} in the way of one who has waited too long")

    def _may_swap(self, model: ModelId) -> bool:
        """Whether its swap may be running, which waits for nobody who comes later."""
        own = self.own(model)
        in_the_way = [process for process in self.processes.values() if process.model in self.needs(model)]
        return own is not None or any(not process.running for process in in_the_way)

    def _judge_stop(self, event: Event, command: Stop) -> None:
        process = self._process(command.model, command.life)
        loading = process is not None and process.state == "starting" and not process.obsolete
        by_people = not isinstance(event, Arrived | Tick) and (self.closed or type(event).__name__ == "UnloadAsked")
        check(not loading or by_people, "a load goes on")
        super()._judge_stop(event, command)

    def _happen(self, event: Event) -> None:
        super()._happen(event)
        first = self.overdue()
        self.overdue_before = None if first is None else first[1]

    def _may_be_hopeless(self, model: ModelId) -> bool:
        """Also for a victim that need not have gone as things stand, or goes only beside who is about to be loaded."""
        others = [each for each in self.wanted() if each != model]
        stuck = set(self.in_state("stuck"))
        parts = chain.from_iterable(combinations(others, n) for n in range(len(others) + 1))
        beside = any(not stuck.isdisjoint(self.needs(model, *more)) for more in parts)
        return isinstance(self.event, StopFailed) or self._is_hopeless(model) or beside

    def _queue(self) -> list[tuple[Ticket, ModelId]]:
        return sorted(super()._queue(), key=lambda each: (-self.settings.priority.get(each[1], 0), each[0]))

    def _judge_head(self, head: Client) -> None:
        super()._judge_head(head)
        for model in self.wanted():
            leaving = {model, *self.needs(model)} & set(self.in_state("stopping"))
            swapping = leaving or model in self.in_state("starting")
            check(swapping or not self._is_hopeless(model), "nobody waits for what cannot be stopped")
            check(not self.rest(model), "nobody waits for a resting model")
            self._judge_waiting(model)

    def _judge_waiting(self, model: ModelId) -> None:
        """Where nobody else could be the reason, somebody who waits must have got on."""
        others = {*self.wanted(), *self.in_state("starting")} - {model}
        if self.overdue() or any(model in self.needs(other, model) for other in others):
            return
        if others and self.needs(model, *others):
            return
        if isinstance(self.eviction, MatrixEviction) and (self.in_state("starting") or self.in_state("stopping")):
            return  # a swap keeps what it needed when it began, which may be another choice than now
        own, needs = self.own(model), self.needs(model)
        if own is None:
            check(needs, "who needs nobody's place is loaded")
        if own is not None and own[1].state == "ready" and not own[1].obsolete and not needs:
            check(self.served(own[0]) >= self.places(model), "who can be served is served")
        if not others and needs and (own is None or own[1].state == "ready"):
            in_the_way = [process for life, process in self.processes.items() if process.model in needs]
            idle = not any(self.served(life) for life in self.processes)
            check(not idle or any(not process.running for process in in_the_way), "room is made when it can be")


class BatchWorld(SharingWorld):
    """Nobody is passed too often or after too long a wait."""

    settings: BatchSettings

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.passed: dict[Ticket, int] = {}

    def clone(self, clone_machine: Any) -> "BatchWorld":
        new = super().clone(clone_machine)
        assert isinstance(new, BatchWorld)
        new.passed = dict(self.passed)
        return new

    def key(self) -> tuple[Any, ...]:
        return tuple(self.passed.get(ticket, 0) for ticket, c in self.clients.items() if c.phase == "waiting")

    def held(self) -> set[ModelId]:
        return self.busy()

    def _callers(self, model: ModelId) -> set[Ticket]:
        return set(self.line(model)[:1])

    def _judge_start(self, command: Start) -> None:
        check(not self.busy() & {command.model}, "a broken answer is waited for")
        super()._judge_start(command)

    def _judge_grant(self, command: Grant) -> None:
        model = command.model
        count = sum(client.phase == "served" and client.model == model for client in self.clients.values())
        check(count < self.models[model].parallel, "no more are served together than allowed")
        check(not self.needs(model, *self.busy()), "who has somebody to evict is not served")
        super()._judge_grant(command)
        for ticket, client in self.clients.items():
            if client.phase == "waiting" and ticket < command.ticket:
                self.passed[ticket] = self.passed.get(ticket, 0) + 1
                check(self.passed[ticket] <= self.settings.max_overtakes, "nobody is passed too often")
                check(self.now - self.arrived[ticket] < self.settings.max_wait, "nobody is passed after too long")

    def _may_stop(self, life: Life, process: Process) -> bool:
        if self._must_stop(life, process):
            return True
        return process.model not in self.busy() and self._is_evicted(process.model)

    def _judge_head(self, head: Client) -> None:
        super()._judge_head(head)
        model, busy = head.model, self.busy()
        check(not self._is_hopeless(model), "nobody waits for what cannot be stopped")
        check(not self.rest(model) or self.stays(model), "nobody waits for a resting model at the head")
        needs, own = self.needs(model, *busy), self.own(model)
        if own is not None and own[1].state == "ready" and not own[1].obsolete and not needs:
            count = sum(client.phase == "served" and client.model == model for client in self.clients.values())
            check(count >= self.models[model].parallel, "who can be served is served")
            return
        if any(self.line(other) for other in self.in_state("starting") if other != model):
            return  # loads that somebody else may wait for come first
        if busy.isdisjoint(needs) and (self.stays(model) or model not in busy):
            check(
                not any(p.running for p in self.processes.values() if p.model in needs), "room is made for the oldest"
            )
            check(own or set(needs) & set(self.alive()), "the oldest is loaded when there is room")
