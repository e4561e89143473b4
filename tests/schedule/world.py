"""A world of fake processes and clients around a scheduler, and a judge who knows the rules but not the machine.

The judge restates `serial` as properties of the whole situation: what may be ordered now, and what must have been
ordered by now. He keeps his own naive records, judges the whole situation by them after each event, and never looks
into the machine except to compare its books with his. Two directions, so that an order too many and an order too few
are both seen.
"""

from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any

from llamaswap.config.schema import ModelId
from llamaswap.schedule.commands import Command, Grant, Refusal, Reject, Start, Stop, Unloaded
from llamaswap.schedule.events import Arrived, Event, Life, ModelRules, ShutdownAsked, Ticket, UnloadAsked
from llamaswap.schedule.residents import State
from tests.schedule.crowd import NEVER, check
from tests.schedule.surroundings import Machine, Process, Surroundings


class World(Surroundings):
    """The machine, its surroundings and the judge.

    Attributes:
        dear_every: At each event of this number everything is counted and compared; at the others only what is cheap.
        due: The machine's next deadline, which has been judged.
    """

    def __init__(
        self,
        machine: Machine,
        models: Mapping[ModelId, ModelRules],
        *,
        parallel: int = 1,
        abort_orphan_loads: bool = False,
        residents: Iterable[tuple[ModelId, State]] = (),
    ) -> None:
        super().__init__(machine, models, residents)
        self.parallel = parallel
        self.abort_orphan_loads = abort_orphan_loads
        self.last_grant = Ticket(-1)
        self.dear_every = 1
        self.told = 0
        self.due: float | None = machine.next_deadline

    def tell(self, event: Event) -> list[Command]:
        """Let *event* happen: to the world, then to the machine, and judge what the machine makes of it."""
        self._happen(event)
        commands = self.machine.handle(event, self.now)
        for command in commands:
            if self.crowd.deadlines:
                self._judge_time(command)
            self._judge(event, command)
        self._judge_answer(event)
        self._judge_situation()
        self._compare_books()
        self.told += 1
        if self.told % self.dear_every == 0:
            self.compare_all()
        return commands

    # What may be ordered

    def _judge(self, event: Event, command: Command) -> None:
        match command:
            case Grant():
                self._judge_grant(command)
            case Start():
                self._judge_start(command)
            case Stop():
                self._judge_stop(event, command)
            case Reject():
                self._judge_reject(event, command)
            case Unloaded(ask, stuck):
                lives = self.asks.pop(ask, None)
                check(lives is not None, "an unload is answered once, and only if it was asked")
                left = [process for life, process in self.processes.items() if life in (lives or ())]
                check(sorted(stuck) == sorted(p.model for p in left), "the answer to an unload names what is left")
                check(all(p.stuck for p in left), "an unload is answered when nothing more can be done")

    def _judge_time(self, command: Command) -> None:
        """Whoever is late costs nothing."""
        late = {ticket for ticket, deadline in self.crowd.deadlines.items() if deadline <= self.now}
        match command:
            case Grant(ticket):
                check(ticket not in late, "nobody is granted after the deadline")
            case Start(model):
                started = late.intersection(self.crowd.line(model))
                check(not started, "nothing is started while somebody late waits for it")
            case _:
                pass

    def _judge_start(self, command: Start) -> None:
        first = self.crowd.first()
        check(not self.processes, "exclusive: a start finds no process alive")
        check(command.life > self.last_life, "lives are numbered upwards")
        check(not self.crowd.served, "nothing starts while a request is being served")
        check(first is not None and first[1] == command.model, "a start is for the first who waits")
        check(not self.rest(command.model), "a resting model is not started")
        check(not self.closed, "nothing starts after the shutdown")
        self.last_life = command.life
        self.processes[command.life] = Process(command.model)

    def _judge_stop(self, event: Event, command: Stop) -> None:
        process = self._process(command.model, command.life)
        check(process is not None and not process.stuck, "a stop is for a life that can be stopped")
        assert process is not None
        unload = isinstance(event, UnloadAsked) and (event.models is None or command.model in event.models)
        ending = isinstance(event, ShutdownAsked) and not process.running
        hurried = ending and self.now + self.most_grace < process.kill_at
        check(not process.told or unload or hurried, "nobody is told twice without a reason")
        if not unload:
            check(
                not self.serves(command.life) or hurried or (self.closed and not self.draining),
                "a serving life is stopped only by an unload or a hasty shutdown",
            )
            check(hurried or self._may_stop(command.life, process), "a stop has a reason")
        own = self.models[command.model].grace if command.model in self.models else command.grace
        asked = event.grace if isinstance(event, UnloadAsked) and unload else None
        grace = min(self.most_grace, own if asked is None else asked)
        if not process.obsolete:
            check(command.grace == grace, "a stop has the grace it should have")
        process.become(told=True)
        process.kill_at = min(process.kill_at, self.now + command.grace)

    def _judge_grant(self, command: Grant) -> None:
        check(self._granted(command) == self.crowd.first(), "nobody is overtaken")
        check(command.ticket > self.last_grant, "grants follow the order of arrival")
        check(list(self.processes) == [command.life], "exclusive: a grant finds its own life only")
        check(len(self.crowd.served) < self.parallel, "no more are served together than allowed")
        check(len(self.crowd.served) == self.serves(command.life), "all are served by one life")
        self.crowd.serve(command.ticket, command.life)
        self.last_grant = command.ticket

    def _granted(self, command: Grant) -> tuple[Ticket, ModelId, float]:
        """Who is granted: what any grant must find, it finds."""
        waiting = self.crowd.waiting.get(command.ticket)
        process = self._process(command.model, command.life)
        check(waiting is not None, "one outcome: a grant is for one who waits")
        check(process is not None and process.state == "ready" and not process.obsolete, "a grant finds its life ready")
        assert waiting is not None
        check(waiting[1] == command.model, "a request reaches its own model")
        return waiting

    def _judge_reject(self, event: Event, command: Reject) -> None:
        waiting = self.crowd.waiting.get(command.ticket)
        check(waiting is not None, "one outcome: a reject is for one who waits")
        assert waiting is not None
        arriving = isinstance(event, Arrived) and event.ticket == command.ticket
        model = waiting[1]
        match command.why:
            case Refusal.UNKNOWN_MODEL:
                check(model not in self.models, "only an unknown model is unknown")
            case Refusal.LIMIT:
                limit, outstanding = self.models[model].limit, self.crowd.outstanding[model]
                check(arriving and 0 < limit < outstanding, "the limit is enforced at arrival only")
            case Refusal.UNLOADED:
                check(
                    isinstance(event, UnloadAsked) and (event.models is None or model in event.models),
                    "only an unload takes a request's model away",
                )
            case Refusal.START_FAILED:
                resting = self.rest(model) > 0 and (arriving or self._is_its_turn(command.ticket))
                check(command.ticket in self._failed or resting, "only a failed start fails its caller")
                if command.ticket not in self._failed:
                    check(command.retry_after == self.rest(model), "a resting model says how long")
                self._failed.discard(command.ticket)
            case Refusal.CANNOT_STOP:
                check(self._may_be_hopeless(model), "a refusal for the stuck needs one that is stuck")
            case Refusal.DEADLINE:
                hopeless = arriving and isinstance(event, Arrived) and event.earliest is not None
                late = self.crowd.deadlines.get(command.ticket, NEVER) <= self.now
                check(late or hopeless, "nobody is dropped before the deadline")
            case Refusal.SHUTTING_DOWN:
                check(self.closed and command.retry_after, "only a shutdown shuts down, and says when to come back")
        self.crowd.reject(command.ticket)

    def _is_its_turn(self, ticket: Ticket) -> bool:
        first = self.crowd.first()
        return first is not None and first[0] == ticket

    def _is_hopeless(self, model: ModelId) -> bool:
        """Whether something that cannot be stopped is in the way of *model*."""
        return any(process.stuck for process in self.processes.values())

    def _may_be_hopeless(self, model: ModelId) -> bool:
        return self._is_hopeless(model)

    def _may_stop(self, life: Life, process: Process) -> bool:
        return self._must_stop(life, process)

    # What must have been ordered

    def _judge_answer(self, event: Event) -> None:
        """What must follow from *event* at once."""
        match event:
            case Arrived(ticket, model) if ticket not in self.crowd.rejected:
                limit = self.models[model].limit
                check(not limit or self.crowd.outstanding[model] <= limit, "a model at its limit takes no more")
                check(not self.rest(model), "a resting model takes nobody")
            case UnloadAsked(_, models):
                left = self.crowd.wanted.keys() if models is None else self.crowd.wanted.keys() & models
                check(not left, "an unload empties the queue")
            case ShutdownAsked():
                going = [process for process in self.processes.values() if process.told and not process.stuck]
                in_time = all(process.kill_at <= self.now + self.most_grace for process in going)
                check(in_time, "a shutdown hurries those who are stopping")
            case _:
                pass

    def _judge_situation(self) -> None:
        check(not self._failed, "a failed start is answered")
        first = self.crowd.first()
        if first is not None:
            check(not self.closed, "nobody waits after the shutdown")
            check(self.crowd.wanted.keys() <= self.models.keys(), "nobody waits for an unknown model")
            if self.crowd.deadlines:
                check(min(self.crowd.deadlines.values()) > self.now, "nobody waits beyond the deadline")
            self._judge_head(first[1])
        for life, process in self.processes.items():
            if process.running:
                check(not self._must_stop(life, process), "what must stop is told to")
        for lives in self.asks.values():
            left = [self.processes[life] for life in lives if life in self.processes]
            check(not all(process.stuck for process in left), "an unload is answered as soon as it can be")
            check(all(process.told or process.stuck for process in left), "an unload stops all it names")

    def _judge_head(self, model: ModelId) -> None:
        """*model* is the one that the first who waits has asked for."""
        states = [process.state for process in self.processes.values()]
        check("stuck" not in states, "nobody waits for what cannot be stopped")
        check(self.crowd.served or "starting" in states or "stopping" in states, "nobody waits for nothing")
        up = self._is_up(model)
        check(up or not self.rest(model), "nobody waits for a resting model at the head")
        if up and len(states) == 1:
            check(len(self.crowd.served) >= self.parallel, "who can be served is served")

    def _is_up(self, model: ModelId) -> bool:
        return any(p.model == model and p.state == "ready" and not p.obsolete for p in self.processes.values())

    def _must_stop(self, life: Life, process: Process) -> bool:  # noqa: PLR0911 - one return for each rule
        if self.closed:
            return not self.draining or not self.serves(life)
        if self.serves(life):
            return False
        if process.obsolete:
            return True
        if not self.crowd.served:
            first = self.crowd.first()
            if first is not None:
                return first[1] != process.model
        if process.model in self.crowd.outstanding:
            return False
        if not process.healthy:
            return self.abort_orphan_loads
        ttl = self.models[process.model].ttl
        return ttl > 0 and self.now >= process.idle_since + ttl

    # The books

    def _compare_books(self) -> None:
        """What costs as much as there are lives."""
        crowd, machine = self.crowd, self.machine
        alive, due = [], list(crowd.deadlines.values())
        for life, process in self.processes.items():
            served = crowd.by_life.get(life, 0)
            ready = process.state == "ready"
            since = process.idle_since if ready and not served else None
            alive.append((process.model, life, process.state, served, since))
            if ready and not process.obsolete and process.model not in crowd.outstanding:
                ttl = self.models[process.model].ttl
                if ttl > 0:
                    due.append(process.idle_since + ttl)
        lives = machine.residents()
        check(lives == alive, "the books of lives are right")
        books: Any = machine
        check(books._requests.outstanding == crowd.outstanding, "the counts are right, and absent when zero")
        check(machine.queued == len(crowd.waiting), "the length of the queue is right")
        self.due = machine.next_deadline
        check(self.due == min(due, default=None), "the next deadline is right")

    def compare_all(self) -> None:
        """What costs as much as there are requests."""
        self.crowd.recount()
        queue = self._queue()
        check(list(self.machine.waiting()) == queue, "the books of requests are right")
        self._judge_positions([ticket for ticket, _, _ in queue])

    def _queue(self) -> list[tuple[Ticket, ModelId, float]]:
        return list(self.crowd.waiting.values())

    def _judge_positions(self, queue: list[Ticket]) -> None:
        places = zip(queue, count(1 if self.crowd.served else 0), strict=False)
        check(list(self.machine.positions()) == list(places), "the positions are right")
