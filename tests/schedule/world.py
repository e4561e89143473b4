"""A world of fake processes and clients around a scheduler, and a judge who knows the rules but not the machine.

The judge restates `serial` as properties of the whole situation: what may be ordered now, and what must have been
ordered by now. He keeps his own naive records, recomputes everything from them after each event, and never looks into
the machine except to compare its books with his. Two directions, so that an order too many and an order too few are
both seen.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from llamaswap.config.schema import ModelId
from llamaswap.schedule.commands import Command, Grant, Refusal, Reject, Start, Stop, Unloaded
from llamaswap.schedule.events import (
    Arrived,
    Ask,
    ConfigReplaced,
    Dying,
    Event,
    Exited,
    Left,
    Life,
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
from llamaswap.schedule.residents import ResidentView, State


class Machine(Protocol):
    """What the world needs of a scheduler."""

    def handle(self, event: Event, now: float) -> list[Command]: ...
    @property
    def next_deadline(self) -> float | None: ...
    def waiting(self) -> Iterator[Waiting]: ...
    def residents(self) -> list[ResidentView]: ...
    def positions(self) -> Iterator[tuple[Ticket, int]]: ...


class ViolationError(AssertionError):
    """The machine broke a rule."""


@dataclass(slots=True)
class Process:
    """A fake process: alive as long as it is in the world."""

    model: ModelId
    healthy: bool = False
    told: bool = False  # to stop
    dying: bool = False  # by itself
    stuck: bool = False
    obsolete: bool = False
    idle_since: float = 0.0
    kill_at: float = float("inf")

    def copy(self) -> "Process":
        return Process(
            self.model, self.healthy, self.told, self.dying, self.stuck, self.obsolete, self.idle_since, self.kill_at
        )

    @property
    def running(self) -> bool:
        return self.state in ("starting", "ready")

    @property
    def state(self) -> str:
        if self.stuck:
            return "stuck"
        if self.told or self.dying:
            return "stopping"
        return "ready" if self.healthy else "starting"


@dataclass(slots=True)
class Client:
    """A client that has not left: waiting, served by a life, or rejected."""

    model: ModelId
    phase: Literal["waiting", "served", "rejected"] = "waiting"
    life: Life | None = None
    deadline: float = float("inf")


def check(holds: object, rule: str) -> None:
    if not holds:
        raise ViolationError(rule)


class World:
    """The machine, its surroundings and the judge.

    Attributes:
        processes: Every process alive, by life.
        clients: Every client that has not left, in arrival order.
        failures: Times of each model's failed starts since its last success, unload or change.
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
        self.machine = machine
        self.models = dict(models)
        self.parallel = parallel
        self.abort_orphan_loads = abort_orphan_loads
        self.now = 0.0
        self.processes: dict[Life, Process] = {}
        self.clients: dict[Ticket, Client] = {}
        self.failures: dict[ModelId, tuple[float, ...]] = {}
        self.asks: dict[Ask, frozenset[Life]] = {}
        for life, (model, state) in enumerate(residents, 1):
            self.processes[Life(life)] = Process(model, state == "ready", state == "stopping", state == "stuck")
        self.last_life = Life(len(self.processes))
        self.last_grant = Ticket(-1)
        self.closed = False
        self.draining = True
        self.most_grace = float("inf")
        self._failed: set[Ticket] = set()

    def clone(self, clone_machine: Callable[[Machine], Machine]) -> "World":
        """An independent copy."""
        new = type(self).__new__(type(self))
        new.__dict__.update(self.__dict__)
        new.machine = clone_machine(self.machine)
        new.processes = {life: process.copy() for life, process in self.processes.items()}
        new.clients = {ticket: replace(each) for ticket, each in self.clients.items()}
        new.failures = dict(self.failures)
        new.asks = dict(self.asks)
        return new

    def tell(self, event: Event) -> list[Command]:
        """Let *event* happen: to the world, then to the machine, and judge what the machine makes of it."""
        self._happen(event)
        commands = self.machine.handle(event, self.now)
        for command in commands:
            self._judge_time(command)
            self._judge(event, command)
        self._judge_answer(event)
        self._judge_situation()
        self._compare_books()
        return commands

    # The situation

    def key(self) -> tuple[Any, ...]:
        """What only the judge remembers, for telling situations apart."""
        return ()

    def first_waiting(self) -> tuple[Ticket, Client] | None:
        return next(((t, client) for t, client in self.clients.items() if client.phase == "waiting"), None)

    def served(self, life: Life | None = None) -> int:
        return sum(c.phase == "served" and life in (None, c.life) for c in self.clients.values())

    def outstanding(self, model: ModelId) -> int:
        return sum(client.model == model and client.phase != "rejected" for client in self.clients.values())

    def rest(self, model: ModelId) -> float:
        """Seconds for which *model* is still not to be tried again."""
        times = self.failures.get(model, ())
        length, until = 0.0, 0.0
        for count, time in enumerate(times, 1):
            recent = sum(1 for earlier in times[:count] if time - earlier <= 60)
            if length:
                length = min(60.0, length * 2)
            elif recent >= 3:
                length = 5.0
            until = time + length if length else 0.0
        return max(0.0, until - self.now)

    def lonely(self, life: Life) -> bool:
        return list(self.processes) == [life]

    # Facts

    def _happen(self, event: Event) -> None:
        self._failed = set()
        match event:
            case Arrived(ticket, model, deadline):
                self.clients[ticket] = Client(model, deadline=float("inf") if deadline is None else deadline)
            case Left(ticket):
                self._leave(ticket)
            case Started(model, life):
                self._become_healthy(model, life)
            case Dying(model, life):
                self._die(model, life)
            case StartFailed(model, life) | Exited(model, life):
                self._exit(model, life)
            case StopFailed(model, life):
                process = self._process(model, life)
                if process is not None:
                    process.stuck = True
            case UnloadAsked(ask, models):
                self._unload(ask, models)
            case ConfigReplaced(models, changed):
                self._reconfigure(models, changed)
            case ShutdownAsked(drain, grace):
                self.closed = True
                self.draining = self.draining and drain
                self.most_grace = min(self.most_grace, self.most_grace if grace is None else grace)
            case Tick():
                pass

    def _become_healthy(self, model: ModelId, life: Life) -> None:
        process = self._process(model, life)
        if process is None or process.healthy:
            return
        process.healthy = True
        process.idle_since = self.now
        if process.running:
            self.failures.pop(model, None)

    def _process(self, model: ModelId, life: Life) -> Process | None:
        process = self.processes.get(life)
        return process if process is not None and process.model == model else None

    def _leave(self, ticket: Ticket) -> None:
        client = self.clients.pop(ticket, None)
        if client is not None and client.life in self.processes:
            self.processes[client.life].idle_since = self.now

    def _exit(self, model: ModelId, life: Life) -> None:
        process = self._process(model, life)
        if process is None:
            return
        del self.processes[life]
        if process.state == "starting":
            self._fail(model)

    def _die(self, model: ModelId, life: Life) -> None:
        process = self._process(model, life)
        if process is None or not process.running:
            return
        if process.state == "starting":
            self._fail(model)
        process.dying = True

    def _fail(self, model: ModelId) -> None:
        self.failures[model] = (*self.failures.get(model, ()), self.now)
        self._failed = self._callers(model)

    def _callers(self, model: ModelId) -> set[Ticket]:
        """Whose start a failed one of *model* was: the one whose turn it is."""
        first = self.first_waiting()
        return {first[0]} if first is not None and first[1].model == model else set()

    def _unload(self, ask: Ask, models: frozenset[ModelId] | None) -> None:
        self.asks[ask] = frozenset(
            life for life, process in self.processes.items() if models is None or process.model in models
        )
        for model in list(self.failures):
            if models is None or model in models:
                del self.failures[model]

    def _reconfigure(self, models: Mapping[ModelId, ModelRules], changed: frozenset[ModelId]) -> None:
        for model in list(self.failures):
            if model in changed or model not in models:
                del self.failures[model]
        for process in self.processes.values():
            if process.model in changed or process.model not in models:
                process.obsolete = True
        self.models = dict(models)

    # What may be ordered

    def _judge(self, event: Event, command: Command) -> None:
        match command:
            case Start():
                self._judge_start(command)
            case Stop():
                self._judge_stop(event, command)
            case Grant():
                self._judge_grant(command)
            case Reject():
                self._judge_reject(event, command)
            case Unloaded(ask, stuck):
                lives = self.asks.pop(ask, None)
                check(lives is not None, "an unload is answered once, and only if it was asked")
                left = tuple(p.model for life, p in self.processes.items() if life in (lives or ()))
                check(sorted(stuck) == sorted(left), "the answer to an unload names what is left")
                check(
                    all(p.stuck for life, p in self.processes.items() if life in (lives or ())),
                    "an unload is answered when nothing more can be done",
                )

    def _judge_time(self, command: Command) -> None:
        """Whoever is late costs nothing."""
        waiting = {ticket: client for ticket, client in self.clients.items() if client.phase == "waiting"}
        match command:
            case Grant(ticket) if ticket in waiting:
                check(waiting[ticket].deadline > self.now, "nobody is granted after the deadline")
            case Start(model):
                late = [c for c in waiting.values() if c.model == model and c.deadline <= self.now]
                check(not late, "nothing is started while somebody late waits for it")
            case _:
                pass

    def _judge_start(self, command: Start) -> None:
        first = self.first_waiting()
        check(not self.processes, "exclusive: a start finds no process alive")
        check(command.life > self.last_life, "lives are numbered upwards")
        check(not self.served(), "nothing starts while a request is being served")
        check(first is not None and first[1].model == command.model, "a start is for the first who waits")
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
                not self.served(command.life) or hurried or (self.closed and not self.draining),
                "a serving life is stopped only by an unload or a hasty shutdown",
            )
            check(hurried or self._may_stop(command.life, process), "a stop has a reason")
        own = self.models[command.model].grace if command.model in self.models else command.grace
        asked = event.grace if isinstance(event, UnloadAsked) and unload else None
        grace = min(self.most_grace, own if asked is None else asked)
        if not process.obsolete:
            check(command.grace == grace, "a stop has the grace it should have")
        process.told = True
        process.kill_at = min(process.kill_at, self.now + command.grace)

    def _judge_grant(self, command: Grant) -> None:
        client = self.clients.get(command.ticket)
        process = self._process(command.model, command.life)
        first = self.first_waiting()
        check(client is not None and client.phase == "waiting", "one outcome: a grant is for one who waits")
        check(first is not None and first[0] == command.ticket, "nobody is overtaken")
        check(command.ticket > self.last_grant, "grants follow the order of arrival")
        check(process is not None and process.state == "ready" and not process.obsolete, "a grant finds its life ready")
        check(self.lonely(command.life), "exclusive: a grant finds its own life only")
        check(self.served() < self.parallel, "no more are served together than allowed")
        check(self.served() == self.served(command.life), "all are served by one life")
        assert client is not None
        check(client.model == command.model, "a request reaches its own model")
        client.phase = "served"
        client.life = command.life
        self.last_grant = command.ticket

    def _judge_reject(self, event: Event, command: Reject) -> None:
        client = self.clients.get(command.ticket)
        check(client is not None and client.phase == "waiting", "one outcome: a reject is for one who waits")
        assert client is not None
        arriving = isinstance(event, Arrived) and event.ticket == command.ticket
        model = client.model
        match command.why:
            case Refusal.UNKNOWN_MODEL:
                check(model not in self.models, "only an unknown model is unknown")
            case Refusal.LIMIT:
                limit = self.models[model].limit
                check(arriving and 0 < limit < self.outstanding(model), "the limit is enforced at arrival only")
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
                check(client.deadline <= self.now or hopeless, "nobody is dropped before the deadline")
            case Refusal.SHUTTING_DOWN:
                check(self.closed and command.retry_after, "only a shutdown shuts down, and says when to come back")
        client.phase = "rejected"

    def _is_its_turn(self, ticket: Ticket) -> bool:
        first = self.first_waiting()
        return first is not None and first[0] == ticket

    def _is_hopeless(self, model: ModelId) -> bool:
        """Whether something that cannot be stopped is in the way of *model*."""
        return any(p.stuck for p in self.processes.values())

    def _may_be_hopeless(self, model: ModelId) -> bool:
        return self._is_hopeless(model)

    # What must have been ordered

    def _judge_answer(self, event: Event) -> None:
        """What must follow from *event* at once."""
        match event:
            case Arrived(ticket, model) if self.clients[ticket].phase != "rejected":
                limit = self.models[model].limit
                check(not limit or self.outstanding(model) <= limit, "a model at its limit takes no more")
                check(not self.rest(model), "a resting model takes nobody")
            case UnloadAsked(_, models):
                waiting = [client.model for client in self.clients.values() if client.phase == "waiting"]
                check(not any(models is None or model in models for model in waiting), "an unload empties the queue")
            case ShutdownAsked():
                going = [process for process in self.processes.values() if process.told and not process.stuck]
                in_time = all(process.kill_at <= self.now + self.most_grace for process in going)
                check(in_time, "a shutdown hurries those who are stopping")
            case _:
                pass

    def _judge_situation(self) -> None:
        first = self.first_waiting()
        check(not self._failed, "a failed start is answered")
        check(not (self.closed and first), "nobody waits after the shutdown")
        if first is not None:
            self._judge_head(first[1])
        for client in self.clients.values():
            if client.phase == "waiting":
                check(client.model in self.models, "nobody waits for an unknown model")
                check(client.deadline > self.now, "nobody waits beyond the deadline")
        for life, process in self.processes.items():
            if process.running:
                check(not self._must_stop(life, process), "what must stop is told to")
        for lives in self.asks.values():
            left = [self.processes[life] for life in lives if life in self.processes]
            check(not all(process.stuck for process in left), "an unload is answered as soon as it can be")
            check(all(process.told or process.stuck for process in left), "an unload stops all it names")

    def _judge_head(self, head: Client) -> None:
        check(not any(p.stuck for p in self.processes.values()), "nobody waits for what cannot be stopped")
        moving = any(p.state in ("starting", "stopping") for p in self.processes.values())
        check(moving or self.served(), "nobody waits for nothing")
        check(not self.rest(head.model) or self._is_up(head.model), "nobody waits for a resting model at the head")
        if self._is_up(head.model) and len(self.processes) == 1:
            check(self.served() >= self.parallel, "who can be served is served")

    def _is_up(self, model: ModelId) -> bool:
        return any(p.model == model and p.state == "ready" and not p.obsolete for p in self.processes.values())

    def _may_stop(self, life: Life, process: Process) -> bool:
        return self._must_stop(life, process)

    def _must_stop(self, life: Life, process: Process) -> bool:  # noqa: PLR0911 - one return for each rule
        first = self.first_waiting()
        if self.closed:
            return not self.draining or not self.served(life)
        if self.served(life):
            return False
        if process.obsolete:
            return True
        if first is not None and not self.served():
            return first[1].model != process.model
        if self.outstanding(process.model):
            return False
        if not process.healthy:
            return self.abort_orphan_loads
        ttl = self.models[process.model].ttl
        return ttl > 0 and self.now >= process.idle_since + ttl

    def _queue(self) -> list[tuple[Ticket, ModelId]]:
        return [(ticket, client.model) for ticket, client in self.clients.items() if client.phase == "waiting"]

    def _judge_positions(self, queue: list[Ticket]) -> None:
        places = dict(enumerate(queue, 1 if self.served() else 0))
        check({place: t for t, place in self.machine.positions()} == places, "the positions are right")

    def _compare_books(self) -> None:
        lives = {view.life: (view.model, view.state, view.in_flight) for view in self.machine.residents()}
        alive = {life: (p.model, p.state, self.served(life)) for life, p in self.processes.items()}
        check(lives == alive, f"the books of lives are right: {lives} is {alive}")
        waiting = [(each.ticket, each.model) for each in self.machine.waiting()]
        queue = self._queue()
        check(waiting == queue, f"the books of requests are right: {waiting} is {queue}")
        self._judge_positions([ticket for ticket, _ in queue])
        counts = {model: self.outstanding(model) for model in {client.model for client in self.clients.values()}}
        books: Any = self.machine
        outstanding = {model: count for model, count in counts.items() if count}
        check(books._requests.outstanding == outstanding, "the counts are right, and absent when zero")
        deadlines = [
            process.idle_since + self.models[process.model].ttl
            for life, process in self.processes.items()
            if process.state == "ready" and process.model in self.models and not process.obsolete
            if self.models[process.model].ttl > 0 and not self.outstanding(process.model)
        ]
        deadlines += [c.deadline for c in self.clients.values() if c.phase == "waiting" and c.deadline < float("inf")]
        check(self.machine.next_deadline == min(deadlines, default=None), "the next deadline is right")
