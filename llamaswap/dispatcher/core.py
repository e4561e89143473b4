"""The scheduler at work: a fact goes in, and the orders that follow from it are carried out.

A failure in the scheduler or in here is a failure of the core: it surfaces in `Core.run`, and so ends the daemon.
"""

import logging
from collections import deque
from collections.abc import Callable
from typing import assert_never

import trio

from llamaswap.config.plan.plan import make_plan
from llamaswap.config.routing import RoutingConfig
from llamaswap.config.schema import Config, ModelId
from llamaswap.dispatcher.lease import Lease
from llamaswap.dispatcher.lives import Lives, Spawn
from llamaswap.dispatcher.overview import Overview
from llamaswap.dispatcher.story import tell_story
from llamaswap.dispatcher.turns import Turns
from llamaswap.errors import NotReadyError
from llamaswap.refusals import error_for
from llamaswap.schedule.choose import rules_for, scheduler_for
from llamaswap.schedule.commands import Command, Grant, Reject, Start, Stop, Unloaded
from llamaswap.schedule.events import Ask, ConfigReplaced, Event, Ticket
from llamaswap.schedule.scheduler import Scheduler
from llamaswap.turnstile import Turnstile

log = logging.getLogger(__name__)

#: Told of a fact, its time, and the orders that follow from it. Neither raises nor blocks.
Observer = Callable[[Event, float, list[Command]], None]


class Core(Overview):
    """Owns the scheduler, and who is told of its orders: leases, unloads, and the lives of the models."""

    def __init__(self, config: Config, scheduler: Scheduler, spawn: Spawn) -> None:
        self._config = config
        self._scheduler = scheduler
        self._turns = Turns(self._handle, lambda: self._scheduler.next_deadline)
        self._lives = Lives(spawn, self._turns.post)
        self._leases: dict[Ticket, Lease] = {}
        self._way_out = Turnstile()
        self._unloads: dict[Ask, tuple[trio.Event, list[ModelId]]] = {}
        self._observers: tuple[Observer, ...] = ()
        self._coming: deque[tuple[Config, frozenset[ModelId]]] = deque()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Carry out orders until cancelled. Cancelling ends every model with a short grace.

        Raises:
            Exception: the scheduler is broken; the daemon must end.
        """
        async with trio.open_nursery() as nursery:
            self._lives.nursery = nursery
            nursery.start_soon(self._way_out.run)
            task_status.started()
            await self._turns.run()

    @property
    def alive(self) -> bool:
        """Whether the scheduler works. False means that the daemon is about to end."""
        return self._turns.alive

    @property
    def scheduling(self) -> tuple[Scheduler, RoutingConfig]:
        """The scheduler at work and its settings; a reload may bring others. Only to be read, or copied."""
        return self._scheduler, self._config.routing

    def observe(self, observer: Observer) -> None:
        """Tell *observer* of every pass from now on, when it is decided and before anything is carried out."""
        self._observers = (*self._observers, observer)

    # -- facts in, orders out ---------------------------------------------------------------------------------------

    def _handle(self, event: Event, now: float) -> None:
        """Handle one fact to its end."""
        if log.isEnabledFor(logging.DEBUG):
            log.debug(">> %s", event)
        if isinstance(event, ConfigReplaced):
            self._switch(*self._coming.popleft())
        self._lives.note(event, now)
        orders = self._scheduler.handle(event, now)
        for observe in self._observers:
            observe(event, now, orders)
        tell_story(self._scheduler, orders, now)
        for order in orders:
            self._carry_out(order, now)

    def _carry_out(self, order: Command, now: float) -> None:
        if log.isEnabledFor(logging.DEBUG):
            log.debug("<< %s", order)
        match order:
            case Grant(ticket, _, life):
                lease, run = self._leases.get(ticket), self._lives.find(life)
                if lease is not None:
                    lease.decide(run.upstream if run else NotReadyError(f"[{lease.model}] process is not ready"))
            case Reject(ticket):
                lease = self._leases.get(ticket)
                if lease is not None:
                    lease.decide(error_for(order))
            case Start(model, life):
                self._lives.start(self._config.models[model], life, now)
            case Stop(_, life, grace):
                self._lives.stop(life, grace, now)
            case Unloaded(ask, stuck):
                done, names = self._unloads.pop(ask)
                names.extend(stuck)
                done.set()
            case _:
                assert_never(order)

    # -- another configuration --------------------------------------------------------------------------------------

    def replace_config(self, config: Config, outdated: frozenset[ModelId] | None = None) -> None:
        """Let *config* hold from now on, as planned: the processes of *outdated* models cannot go on.

        By default those are the ones that `make_plan` finds.
        """
        if outdated is None:
            outdated = make_plan(self._config, config).outdated
        self._coming.append((config, outdated))
        self._turns.post(ConfigReplaced({m: rules_for(c) for m, c in config.models.items()}, outdated))

    def _switch(self, config: Config, outdated: frozenset[ModelId]) -> None:
        """At the very moment at which the scheduler hears of it: what it orders before is meant for the old models."""
        if config.routing != self._config.routing:
            scheduler = scheduler_for(config)
            scheduler.take_over(self._scheduler)
            self._scheduler = scheduler
        self._config = config
        self._lives.outdate(config.models, outdated)
