"""R-33: random days of a router, against the invariants of a run.

A day is repeatable from its seed, but for the order in which Trio runs what is due at the same moment.
The judge listens to the dispatcher and keeps books of his own. In a day clients come, wait, leave and are served,
models fail to load and die, people unload and reload, and in the end everything stops.
"""

import os
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from llamaswap.config.routing import SerialSettings
from llamaswap.config.schema import Config, ModelId
from llamaswap.dispatcher import Dispatcher
from llamaswap.schedule.commands import Command, Grant, Reject, Start, Stop
from llamaswap.schedule.events import Arrived, Event, Left, Life, Tick, Ticket
from tests.router_world import APART, TOGETHER, Client, RouterWorld, configured

#: Days a scheduler in CI; more by environment.
DAYS = int(os.environ.get("LLAMASWAP_ROUTER_DAYS", "70"))
GROUPS: tuple[dict[str, Any] | None, ...] = (None, APART, TOGETHER, {"all": {"persistent": True, "members": ["a"]}})


class Judge:
    """Hears every fact and the orders that follow, and objects."""

    def __init__(self, world: RouterWorld, config: Config) -> None:
        self.world = world
        self.use, self.groups = config.routing.scheduler.use, config.routing.groups
        self.arrived: dict[Ticket, ModelId] = {}
        self.left: set[Ticket] = set()
        self.decided: Counter[Ticket] = Counter()
        self.served: dict[Ticket, Life] = {}
        self.last_granted: dict[ModelId, Ticket] = {}
        self.newest: dict[ModelId, Life] = {}
        self.broken = ""

    def __call__(self, event: Event, now: float, orders: list[Command]) -> None:
        """The first objection is kept: what an observer raises would end the dispatcher."""
        try:
            self._hear(event, orders)
        except AssertionError as objection:
            self.broken = self.broken or f"{event} -> {orders}: {objection}"

    def _hear(self, event: Event, orders: list[Command]) -> None:
        match event:
            case Arrived(ticket, model):
                self.arrived[ticket] = model
            case Left(ticket):
                assert ticket in self.arrived and ticket not in self.left, "it left without having come, or twice"
                self.left.add(ticket)
                self.served.pop(ticket, None)
        for order in orders:
            match order:
                case Grant(ticket, model, life):
                    self._grant(ticket, model, life)
                case Start(model, life):
                    self.newest[model] = life
                case Reject(ticket):
                    self.decided[ticket] += 1
                case Stop(model, life) if isinstance(event, (Arrived, Left, Tick)):
                    assert life not in self.served.values(), f"{model} is taken from who uses it"
        assert all(count == 1 for count in self.decided.values()), "decided twice"
        for group in self.groups:
            members = [process for process in self.world.alive() if process.model in group.members]
            assert not group.swap or len(members) <= 1, f"two of one group are loaded: {members}"

    def waiting(self) -> set[Ticket]:
        """Who has come, has not left, and has had no decision."""
        return {ticket for ticket in self.arrived if ticket not in self.decided and ticket not in self.left}

    def _grant(self, ticket: Ticket, model: ModelId, life: Life) -> None:
        self.decided[ticket] += 1
        self.served[ticket] = life
        assert model == self.arrived[ticket]
        assert self.last_granted.get(model, 0) < ticket, "overtaken by a later request for its own model"
        self.last_granted[model] = ticket
        process = next(p for p in self.world.lives if p.life == life)
        assert process.ready and not process.gone, "granted a process that is not ready"
        if self.use == "serial":
            assert len(set(self.served.values())) == 1 and len(self.served) == 1, "two at once"
            assert self.world.alive() == [process], "another model is loaded"
            assert ticket == max(self.last_granted.values()), "out of the order of arrival"


class Day:
    """One history. *plant* gives the router other rules than the judge."""

    def __init__(self, use: str, seed: int, plant: Callable[[Config], Config] = lambda config: config) -> None:
        self.dice = random.Random(seed)
        models = {name: {"ttl": self.dice.choice((0, 0, 2)), "unloadTimeout": 3} for name in "abc"}
        if self.dice.random() < 0.3:
            models["a"]["concurrencyLimit"] = 2
        self.config: Config = configured(use, models, groups=self.dice.choice(GROUPS))
        self.world = RouterWorld(plant(self.config))
        self.judge = Judge(self.world, self.config)
        self.world.dispatcher.observe(self.judge)
        self.clients: list[Client] = []

    async def play(self) -> None:
        """A day, and the night after it, when nothing is left."""
        world = self.world
        async with world.running() as dispatcher, trio.open_nursery() as nursery:
            for _ in range(40):
                await trio.sleep(self.dice.choice((0, 0, 0.25, 1)))
                self._something_happens(dispatcher, nursery)
                self._check_counts(dispatcher)
            await trio.sleep(self.dice.choice((0, 30)))
            await dispatcher.shut_down(drain=self.dice.random() < 0.5, grace=1)
            assert world.alive() == []
            for client in self.clients:
                client.scope.cancel()
        assert not self.judge.broken, self.judge.broken
        assert self.judge.served == {} and self.judge.waiting() == set()
        assert self.judge.left == set(self.judge.arrived)

    def _something_happens(self, dispatcher: Dispatcher, nursery: trio.Nursery) -> None:
        for model in "abc":
            self.world.load_s[model] = self.dice.choice((0.0, 0.5, 2.0))
            self.world.stop_s[model] = self.dice.choice((0.0, 0.5, 2.0))
        self.world.failing = {model for model in "abc" if self.dice.random() < 0.1}
        what = self.dice.random()
        if what < 0.6:
            client = Client(self.dice.choice(("a", "a", "b", "c", "ghost")), self.dice.choice((0.0, 0.5, 3.0)))
            self.clients.append(client)
            nursery.start_soon(client.run, dispatcher)
        elif what < 0.75 and self.clients:
            self.dice.choice(self.clients).scope.cancel()
        elif what < 0.83:
            nursery.start_soon(dispatcher.unload, self.dice.choice((None, frozenset((ModelId("a"),)))))
        elif what < 0.93:
            for life in self.dice.sample(self.world.alive(), min(1, len(self.world.alive()))):
                if not life.graces:
                    life.die()
        else:
            self._reload(dispatcher)

    def _reload(self, dispatcher: Dispatcher) -> None:
        models = dict(self.config.models)
        changed = self.dice.choice(list(models))
        models[changed] = replace(models[changed], cmd=f"serve anew {self.dice.random()}")
        self.config = replace(self.config, models=models)
        dispatcher.replace_config(self.config)

    def _check_counts(self, dispatcher: Dispatcher) -> None:
        """What people are shown, and what limits count, is what the judge has heard."""
        judge = self.judge
        assert {waiting.ticket for waiting in dispatcher.waiting()} == judge.waiting()
        outstanding = Counter(judge.arrived[ticket] for ticket in (*judge.waiting(), *judge.served))
        machine: Any = dispatcher.scheduling[0]
        assert machine._requests.outstanding == outstanding
        for running in dispatcher.running():
            assert running.requests == list(judge.served.values()).count(judge.newest[running.model])


@pytest.mark.parametrize("use", ["serial", "fifo", "batch"])
async def test_r_33_random_days(use: str, autojump_clock: MockClock) -> None:
    for seed in range(DAYS):
        day = Day(use, seed)
        try:
            with trio.fail_after(10_000):
                await day.play()
        except BaseException as problem:
            problem.add_note(f"{use}, seed {seed}, after {day.world.history}")
            raise


def two_at_once(config: Config) -> Config:
    scheduler = replace(config.routing.scheduler, serial=SerialSettings(parallel=2))
    return replace(config, routing=replace(config.routing, scheduler=scheduler))


def side_by_side(config: Config) -> Config:
    groups = tuple(replace(group, swap=False) for group in config.routing.groups)
    return replace(config, routing=replace(config.routing, groups=groups))


@pytest.mark.parametrize(("use", "plant"), [("serial", two_at_once), ("fifo", side_by_side), ("batch", side_by_side)])
async def test_a_router_with_other_rules_is_found_out(
    use: str, plant: Callable[[Config], Config], autojump_clock: MockClock
) -> None:
    objections = []
    for seed in range(20):
        day = Day(use, seed, plant)
        with suppress(AssertionError):
            await day.play()
        objections.append(day.judge.broken)
    assert any("two" in objection for objection in objections)
