"""The scheduler's task: facts in through one inbox, orders carried out; hands out leases.

Everything the dispatcher does with a fact is synchronous, so one fact is one atomic step. A fact that comes while
nothing waits in the inbox is handled in place, by whoever brings it: a request for a ready model is granted without a
task switch, and since the inbox is empty the order of facts is the same. The loop handles what was posted while
another fact was being handled, and the passing of time.

A failure in the scheduler or in here is a failure of the core: it surfaces in `Dispatcher.run`, and so ends the daemon.
"""

import logging
import math
import os
import signal
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol, assert_never
from urllib.parse import urlsplit

import trio

from llamaswap.config.plan.plan import Alive, make_plan
from llamaswap.config.routing import RoutingConfig
from llamaswap.config.schema import Config, ModelConfig, ModelId
from llamaswap.errors import LlamaSwapError, ModelNotFoundError, NotReadyError
from llamaswap.models.upstream import Upstream
from llamaswap.refusals import error_for
from llamaswap.schedule.choose import rules_for, scheduler_for
from llamaswap.schedule.commands import Command, Grant, Reject, Start, Stop, Unloaded
from llamaswap.schedule.events import (
    Arrived,
    Ask,
    ConfigReplaced,
    Dying,
    Event,
    Exited,
    Left,
    Life,
    ShutdownAsked,
    Started,
    StartFailed,
    StopFailed,
    Tick,
    Ticket,
    UnloadAsked,
)
from llamaswap.schedule.evicting import evictions
from llamaswap.schedule.scheduler import Scheduler
from llamaswap.schedule.sentences import evicts, matrix_choice

log = logging.getLogger(__name__)


class ModelProcess(Protocol):
    """What the dispatcher needs of a model's life; see `llamaswap.models.supervisor.ModelLife`."""

    @property
    def pid(self) -> int | None:
        """The model's own pid, once spawned."""

    async def run(self) -> None:
        """Live from spawn to the end of the last process, posting facts."""

    def stop(self, grace: float) -> None:
        """Begin to stop, or hurry a stop; the earliest kill time wins."""


Spawn = Callable[[ModelConfig, Life, Callable[[Event], None]], ModelProcess]
#: Told of a fact, its time, and the orders that follow from it. Neither raises nor blocks.
Observer = Callable[[Event, float, list[Command]], None]


@dataclass(frozen=True, slots=True)
class RunningModel:
    """A model that is not stopped. `state` as on the wire; `since_s` seconds in that state; `requests` in flight.

    `idle_s`: seconds since its last request left; None unless it is ready and serves nobody.
    """

    model: ModelId
    state: str
    pid: int | None
    since_s: float
    requests: int
    idle_s: float | None = None


@dataclass(frozen=True, slots=True)
class WaitingRequest:
    """A request that has no lease yet: its place among those, from 1, and the seconds it has waited."""

    ticket: Ticket
    model: ModelId
    position: int
    waited_s: float


class Lease:
    """The right to use an upstream, from grant to `Dispatcher.leave`. Made by `Dispatcher.arrive`, in arrival order."""

    __slots__ = ("_error", "_event", "model", "ticket", "upstream")

    def __init__(self, ticket: Ticket, model: ModelId) -> None:
        self.ticket = ticket
        self.model = model
        self.upstream: Upstream | None = None
        self._error: LlamaSwapError | None = None
        self._event: trio.Event | None = None

    async def wait(self) -> Upstream:
        """Wait for the scheduler's decision.

        Raises:
            LlamaSwapError: the request was turned away; its class says why.
        """
        if self.upstream is None and self._error is None:
            self._event = trio.Event()
            await self._event.wait()
        if self._error is not None:
            raise self._error
        assert self.upstream is not None
        return self.upstream

    def decide(self, decision: Upstream | LlamaSwapError) -> None:
        """Take the scheduler's one decision. Never waits for the one who is to read it."""
        if isinstance(decision, LlamaSwapError):
            self._error = decision
        else:
            self.upstream = decision
        if self._event is not None:
            self._event.set()


@dataclass(slots=True)
class _Run:
    """A life that has been started and has not reported its end.

    Attributes:
        outdated: A reload has changed or removed its model; it takes no new requests.
        holding: Around what it waits for before it begins.
        gone: Set when nothing more will come of it, so that another may take its address.
    """

    spec: ModelConfig
    process: ModelProcess
    upstream: Upstream
    since: float
    ready: bool = False
    outdated: bool = False
    holding: trio.CancelScope = field(default_factory=trio.CancelScope)
    gone: trio.Event = field(default_factory=trio.Event)


class Dispatcher:
    """Owns the scheduler and the lives of the models. `run` must be running before anything else is called."""

    def __init__(self, config: Config, scheduler: Scheduler, spawn: Spawn) -> None:
        self._config = config
        self._scheduler = scheduler
        self._spawn = spawn
        self._observers: tuple[Observer, ...] = ()
        self._runs: dict[Life, _Run] = {}
        self._coming: deque[tuple[Config, frozenset[ModelId]]] = deque()
        self._leases: dict[Ticket, Lease] = {}
        self._unloads: dict[Ask, tuple[trio.Event, list[ModelId]]] = {}
        self._next_ticket = 1
        self._next_ask = 1
        self._post_nowait, self._inbox = trio.open_memory_channel[Event](math.inf)
        self._backlog = 0
        self._handling = False
        self._failure: Exception | None = None
        self._timer: trio.CancelScope | None = None
        self._lives: trio.Nursery | None = None
        self._quiet = trio.Event()
        #: The tickets of those that want a model loaded, and nothing of it.
        self.loads: set[Ticket] = set()

    # -- requests ---------------------------------------------------------------------------------------------------

    def arrive(self, model: ModelId, deadline: float | None = None, earliest: float | None = None) -> Lease:
        """Queue a request for *model*. Exactly one `leave` must follow, however the request ends.

        Args:
            deadline: When the request is of no use any more unless it was granted before, on Trio's clock.
            earliest: Before that it cannot be granted.
        """
        ticket = Ticket(self._next_ticket)
        self._next_ticket += 1
        lease = Lease(ticket, model)
        self._leases[ticket] = lease
        self.post(Arrived(ticket, model, deadline, earliest))
        return lease

    def leave(self, lease: Lease) -> None:
        """The request is over. Synchronous, so that it also runs in a `finally` while being cancelled."""
        del self._leases[lease.ticket]
        self.post(Left(lease.ticket))

    @contextmanager
    def request(self, model: ModelId) -> Iterator[Lease]:
        """A request's place in the scheduler as a block: arrives on entry, leaves on exit."""
        lease = self.arrive(model)
        try:
            yield lease
        finally:
            self.leave(lease)

    async def load(self, model: ModelId) -> None:
        """Wait until *model* has been loaded, in its turn, without sending it a request.

        Raises:
            LlamaSwapError: it could not be loaded.
        """
        if model not in self._config.models:
            raise ModelNotFoundError("model not found")
        ticket = Ticket(self._next_ticket)
        self.loads.add(ticket)  # before it arrives, which may be all there is to it
        try:
            with self.request(model) as lease:
                await lease.wait()
        finally:
            self.loads.discard(ticket)

    async def unload(self, models: frozenset[ModelId] | None, grace: float | None = None) -> tuple[ModelId, ...]:
        """Stop *models* (None: all) and wait until they are gone.

        Cancelling the wait does not take the order back.

        Returns:
            Those that could not be stopped.
        """
        ask = Ask(self._next_ask)
        self._next_ask += 1
        done, stuck = trio.Event(), list[ModelId]()
        self._unloads[ask] = done, stuck
        self.post(UnloadAsked(ask, models, grace))
        await done.wait()
        return tuple(stuck)

    # -- facts in, orders out ---------------------------------------------------------------------------------------

    def post(self, event: Event) -> None:
        """Take in a fact: at once if nothing else is waiting, else in its turn. Never blocks."""
        if self._handling or self._backlog or self._failure is not None:
            self._backlog += 1
            self._post_nowait.send_nowait(event)
        else:
            self._handle(event)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Carry out orders until cancelled. Cancelling ends every model with a short grace.

        Raises:
            Exception: the scheduler is broken; the daemon must end.
        """
        async with trio.open_nursery() as self._lives:
            task_status.started()
            while self._failure is None:
                with trio.CancelScope(deadline=self._deadline()) as self._timer:
                    event = await self._inbox.receive()
                    self._backlog -= 1
                if self._failure is not None:
                    break
                self._handle(Tick() if self._timer.cancelled_caught else event)
            raise self._failure

    def observe(self, observer: Observer) -> None:
        """Tell *observer* of every pass from now on, when it is decided and before anything is carried out."""
        self._observers = (*self._observers, observer)

    @property
    def scheduling(self) -> tuple[Scheduler, RoutingConfig]:
        """The scheduler at work and its settings; a reload may bring others. Only to be read, or copied."""
        return self._scheduler, self._config.routing

    @property
    def alive(self) -> bool:
        """Whether the scheduler works. False means that the daemon is about to end."""
        return self._failure is None and self._lives is not None

    def _handle(self, event: Event) -> None:
        """Handle one fact to its end. A failure is kept for `run`, since the caller is some innocent request."""
        now = trio.current_time()
        self._handling = True
        try:
            if log.isEnabledFor(logging.DEBUG):
                log.debug(">> %s", event)
            self._note(event, now)
            orders = self._scheduler.handle(event, now)
            for observe in self._observers:
                observe(event, now, orders)
            self._tell_story(orders, now)
            for order in orders:
                self._carry_out(order, now)
        except Exception as failure:  # raised by run(), which ends the daemon
            self._failure = failure
            self._backlog += 1
            self._post_nowait.send_nowait(Tick())
        finally:
            self._handling = False
        timer = self._timer
        if timer is not None and self._deadline() < timer.deadline:
            timer.deadline = self._deadline()

    def _deadline(self) -> float:
        deadline = self._scheduler.next_deadline
        return math.inf if deadline is None else deadline

    def _note(self, event: Event, now: float) -> None:
        """Keep our own books about processes; the scheduler keeps its own about models."""
        match event:
            case Started(_, life) if run := self._runs.get(life):
                run.ready, run.since = True, now
            case Dying(_, life) if run := self._runs.get(life):
                run.since = now
            case StopFailed(_, life) if run := self._runs.get(life):
                run.gone.set()
            case ConfigReplaced():
                self._switch(*self._coming.popleft())
            case StartFailed(_, life) | Exited(_, life) if run := self._runs.pop(life, None):
                run.upstream.close()
                run.gone.set()
                if not self._runs:
                    self._quiet.set()
            case _:
                pass

    def _carry_out(self, order: Command, now: float) -> None:
        if log.isEnabledFor(logging.DEBUG):
            log.debug("<< %s", order)
        match order:
            case Grant(ticket, _, life):
                lease, run = self._leases.get(ticket), self._runs.get(life)
                if lease is not None:
                    lease.decide(run.upstream if run else NotReadyError(f"[{lease.model}] process is not ready"))
            case Reject(ticket):
                lease = self._leases.get(ticket)
                if lease is not None:
                    lease.decide(error_for(order))
            case Start(model, life):
                self._start(model, life, now)
            case Stop(_, life, grace):
                if run := self._runs.get(life):
                    run.since = now
                    run.process.stop(grace)
                    run.holding.cancel("stopped before it began")
            case Unloaded(ask, stuck):
                done, names = self._unloads.pop(ask)
                names.extend(stuck)
                done.set()
            case _:
                assert_never(order)

    def _tell_story(self, orders: list[Command], now: float) -> None:
        """Log who goes for whom, and by which rule, as it is decided."""
        choices = {}
        for stop, target, rule, decision in evictions(self._scheduler, orders, now):
            if target is None:
                log.info("model=%s stops: %s", stop.model, rule)
            else:
                log.info("model=%s", evicts(target, stop.model, rule))
            if decision is not None and decision.choice is not None:
                choices[decision.target] = decision.choice
        for model, choice in choices.items():
            log.info("model=%s %s", model, matrix_choice(choice))

    def _start(self, model: ModelId, life: Life, now: float) -> None:
        spec = self._config.models[model]
        run = _Run(spec, self._spawn(spec, life, self.post), Upstream.for_model(spec), now)
        before = [other for other in self._runs.values() if other.outdated and _port(other.spec) == _port(spec)]
        self._runs[life] = run
        if self._quiet.is_set():
            self._quiet = trio.Event()
        assert self._lives is not None
        self._lives.start_soon(self._live, run, before, name=f"model {model} (life {life})")

    @staticmethod
    async def _live(run: _Run, before: Sequence[_Run]) -> None:
        """Run it, once those that reloads have made it follow at the same port are gone."""
        with run.holding:
            for other in before:
                await other.gone.wait()
        await run.process.run()

    # -- configuration and shutdown ---------------------------------------------------------------------------------

    def replace_config(self, config: Config, outdated: frozenset[ModelId] | None = None) -> None:
        """Let *config* hold from now on, as planned: the processes of *outdated* models cannot go on.

        By default those are the ones that `make_plan` finds.
        """
        if outdated is None:
            outdated = make_plan(self._config, config).outdated
        self._coming.append((config, outdated))
        self.post(ConfigReplaced({m: rules_for(c) for m, c in config.models.items()}, outdated))

    def _switch(self, config: Config, outdated: frozenset[ModelId]) -> None:
        """At the very moment at which the scheduler hears of it: what it orders before is meant for the old models."""
        if config.routing != self._config.routing:
            scheduler = scheduler_for(config)
            scheduler.take_over(self._scheduler)
            self._scheduler = scheduler
        self._config = config
        for run in self._runs.values():
            run.outdated = run.outdated or run.spec.id in outdated or run.spec.id not in config.models

    def kill_now(self) -> None:
        """SIGKILL to every model's process group: the last resort of a daemon that must end at once."""
        for run in self._runs.values():
            pid = run.process.pid
            if pid is not None:
                with suppress(OSError):
                    os.killpg(pid, signal.SIGKILL)

    async def shut_down(self, *, drain: bool, grace: float | None = None) -> None:
        """Refuse what waits, let what is served finish (with *drain*), stop every model; wait until all are gone."""
        self.post(ShutdownAsked(drain, grace))
        while self._runs:
            await self._quiet.wait()

    # -- what people see --------------------------------------------------------------------------------------------

    def running(self) -> list[RunningModel]:
        """Every model that is not stopped, by ID."""
        now = trio.current_time()
        shown = []
        for resident in self._scheduler.residents():
            run = self._runs.get(resident.life)
            state = "stopping" if resident.state == "stuck" else resident.state
            since = now - run.since if run else 0.0
            pid = run.process.pid if run else None
            idle = None if resident.idle_since is None else now - resident.idle_since
            shown.append(RunningModel(resident.model, state, pid, since, resident.in_flight, idle))
        return sorted(shown, key=lambda r: r.model)

    def alive_models(self) -> list[Alive]:
        """Every life of which something may live, those too that no configuration names any more."""
        serving = {resident.life: resident.in_flight for resident in self._scheduler.residents()}
        return [
            Alive(run.spec.id, run.spec.port, serving.get(life, 0), run.outdated) for life, run in self._runs.items()
        ]

    def waiting_counts(self) -> Mapping[ModelId, int]:
        """How many requests wait for each model."""
        return Counter(waiting.model for waiting in self._scheduler.waiting())

    @property
    def queued(self) -> int:
        """How many requests wait, for whatever model."""
        return self._scheduler.queued

    def state(self, model: ModelId) -> str:
        """`stopped`, `starting`, `ready` or `stopping`: for display, never to decide upon."""
        return next((r.state for r in self._scheduler.residents() if r.model == model), "stopped")

    def ready_upstream(self, model: ModelId) -> Upstream | None:
        """Where *model* is served at this moment, for what takes no place in the queue; None unless it is ready."""
        ready = (r.life for r in self._scheduler.residents() if r.model == model and r.state == "ready")
        run = self._runs.get(next(ready, Life(0)))
        return run.upstream if run else None

    def waiting(self, most: int | None = None) -> list[WaitingRequest]:
        """The requests without a decision (the first *most* of them), in the order in which they will run."""
        now = trio.current_time()
        return [
            WaitingRequest(ticket, model, place, now - arrived_at)
            for place, (ticket, model, arrived_at) in enumerate(islice(self._scheduler.waiting(), most), start=1)
        ]


def _port(spec: ModelConfig) -> int | None:
    try:
        return urlsplit(spec.proxy).port
    except ValueError:
        return None
