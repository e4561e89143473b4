"""What a plan says is what then happens: to lives, to requests, to ports, and to the scheduler itself."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from llamaswap.config.plan.plan import make_plan
from llamaswap.config.routing import FifoSettings, GroupConfig, RoutingConfig, SchedulerConfig, SchedulerName
from llamaswap.config.schema import Config, ModelConfig, ModelId
from llamaswap.dispatcher import Dispatcher, Lease
from llamaswap.errors import ModelNotFoundError
from llamaswap.schedule.choose import scheduler_for
from llamaswap.schedule.events import Event, Exited, Life, Started

A, B, C, D, E = (ModelId(name) for name in "abcde")
ALL = (A, B, C, D, E)


def spec(name: ModelId, version: int = 1, port: int | None = None, **keys: float) -> ModelConfig:
    where = 9000 + ALL.index(name) if port is None else port
    model = ModelConfig(name, argv=("srv", str(version)), proxy=f"http://localhost:{where}")
    return replace(model, **keys)  # type: ignore[arg-type] # by name


def config(*models: ModelConfig, use: SchedulerName = "serial", together: bool = False) -> Config:
    group = GroupConfig("g", swap=not together, members=tuple(model.id for model in models))
    routing = RoutingConfig("group", (group,), None, SchedulerConfig(use))
    return Config({m.id: m for m in models}, {m.id: m.id for m in models}, routing)


class Process:
    """Takes a second to start and to stop. It must find its port free."""

    pid = None

    def __init__(self, world: "World", model: ModelConfig, life: Life, post: Callable[[Event], None]) -> None:
        self._world, self.model, self.life, self._post = world, model, life, post
        self.stopped = trio.Event()

    async def run(self) -> None:
        alive = self._world.alive
        if not self.stopped.is_set():
            assert all(other.model.proxy != self.model.proxy for other in alive), f"two on {self.model.proxy}"
            alive.append(self)
            with trio.move_on_after(1):
                await self.stopped.wait()
            if not self.stopped.is_set():
                self._post(Started(self.model.id, self.life))
                await self.stopped.wait()
            await trio.sleep(1)
            alive.remove(self)
        self._post(Exited(self.model.id, self.life))

    def stop(self, grace: float) -> None:
        self.stopped.set()


@dataclass
class World:
    config: Config
    alive: list[Process] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dispatcher = Dispatcher(self.config, scheduler_for(self.config), self._spawn)

    def _spawn(self, model: ModelConfig, life: Life, post: Callable[[Event], None]) -> Process:
        return Process(self, model, life, post)

    def reload(self, new: Config) -> None:
        self.dispatcher.replace_config(new, make_plan(self.config, new, self.dispatcher.alive_models()).outdated)
        self.config = new

    def lives(self) -> dict[ModelId, Life]:
        return {each.model.id: each.life for each in self.alive}


async def started(world: World, nursery: trio.Nursery) -> Dispatcher:
    await nursery.start(world.dispatcher.run)
    return world.dispatcher


async def held(dispatcher: Dispatcher, model: ModelId) -> Lease:
    lease = dispatcher.arrive(model)
    await lease.wait()
    return lease


async def test_requests_keep_their_place_when_another_model_goes(autojump_clock: MockClock) -> None:
    world = World(config(spec(A), spec(B), spec(C)))
    async with trio.open_nursery() as nursery:
        dispatcher = await started(world, nursery)
        serving = await held(dispatcher, A)
        waiting = [dispatcher.arrive(model) for model in (B, C, B, A)]
        world.reload(config(spec(A), spec(C)))
        assert [(w.ticket, w.model) for w in dispatcher.waiting()] == [(3, C), (5, A)]
        for lost in (waiting[0], waiting[2]):
            with pytest.raises(ModelNotFoundError):
                await lost.wait()
        dispatcher.leave(serving)
        await waiting[1].wait()
        assert dispatcher.waiting()[0].model == A
        for lease in waiting:
            dispatcher.leave(lease)
        nursery.cancel_scope.cancel()


async def test_a_fact_that_waits_in_the_inbox_is_meant_for_the_old_models(autojump_clock: MockClock) -> None:
    """An arrival for a model comes just before the configuration without it: the scheduler still knows the model."""
    world = World(config(spec(A), spec(B)))
    async with trio.open_nursery() as nursery:
        dispatcher = await started(world, nursery)
        dispatcher._turns.handling = True  # as if both came up while a fact is being handled
        lease = dispatcher.arrive(B)
        world.reload(config(spec(A)))
        dispatcher._turns.handling = False
        await wait_all_tasks_blocked()
        assert dispatcher.alive
        await trio.sleep(3)
        assert world.alive == []
        dispatcher.leave(lease)
        await dispatcher.load(A)
        nursery.cancel_scope.cancel()


async def test_whoever_takes_over_a_fixed_port_waits_for_the_one_who_leaves_it(autojump_clock: MockClock) -> None:
    """A and B swap their ports while both serve: nobody starts where somebody still listens (`Process` looks)."""
    together = {"use": "fifo", "together": True}
    world = World(config(spec(A, port=1), spec(B, port=2), **together))  # type: ignore[arg-type] # by name
    async with trio.open_nursery() as nursery:
        dispatcher = await started(world, nursery)
        leases = [await held(dispatcher, A), await held(dispatcher, B)]
        world.reload(config(spec(A, port=2), spec(B, port=1), **together))  # type: ignore[arg-type] # by name
        dispatcher.leave(leases[0])
        second = dispatcher.arrive(A)
        await trio.sleep(10)
        assert list(world.lives()) == [B]  # the new A holds back
        assert dispatcher.state(A) == "starting"
        dispatcher.leave(leases[1])
        await second.wait()
        dispatcher.leave(second)
        nursery.cancel_scope.cancel()


async def test_who_holds_back_can_be_stopped(autojump_clock: MockClock) -> None:
    together = {"use": "fifo", "together": True}
    world = World(config(spec(A, port=1), **together))  # type: ignore[arg-type] # by name
    async with trio.open_nursery() as nursery:
        dispatcher = await started(world, nursery)
        serving = await held(dispatcher, A)
        world.reload(config(spec(A, port=2), spec(B, port=1), **together))  # type: ignore[arg-type] # by name
        waiting = dispatcher.arrive(B)
        await trio.sleep(5)
        assert await dispatcher.unload(frozenset((B,))) == ()
        dispatcher.leave(waiting)
        dispatcher.leave(serving)
        nursery.cancel_scope.cancel()


async def test_from_one_scheduler_to_another_and_back_without_a_restart(autojump_clock: MockClock) -> None:
    world = World(config(spec(A), spec(B)))
    async with trio.open_nursery() as nursery:
        dispatcher = await started(world, nursery)
        first = await held(dispatcher, A)
        second = dispatcher.arrive(B)
        third = dispatcher.arrive(A)
        await wait_all_tasks_blocked()
        world.reload(config(spec(A), spec(B), use="fifo", together=True))
        await third.wait()  # serves two at once
        await second.wait()  # beside A
        assert sorted(world.lives()) == [A, B]
        life = world.lives()[A]
        world.reload(config(spec(A), spec(B)))
        fourth = dispatcher.arrive(A)
        for lease in (first, second, third):
            dispatcher.leave(lease)
        await fourth.wait()
        assert world.lives() == {A: life}
        dispatcher.leave(fourth)
        nursery.cancel_scope.cancel()


async def test_a_new_model_has_its_place_among_groups_at_once(autojump_clock: MockClock) -> None:
    """Nobody must be pushed out by a model only because the policy has not heard of it."""
    world = World(config(spec(A), use="fifo", together=True))
    async with trio.open_nursery() as nursery:
        dispatcher = await started(world, nursery)
        await dispatcher.load(A)
        world.reload(config(spec(A), spec(B), use="fifo", together=True))
        await dispatcher.load(B)
        assert sorted(world.lives()) == [A, B]
        nursery.cancel_scope.cancel()


async def test_priorities_follow_a_reload(autojump_clock: MockClock) -> None:
    first = config(spec(A), spec(B), spec(C), use="fifo")
    world = World(first)
    async with trio.open_nursery() as nursery:
        dispatcher = await started(world, nursery)
        serving = await held(dispatcher, A)
        leases = [dispatcher.arrive(model) for model in (B, C)]
        assert [w.model for w in dispatcher.waiting()] == [B, C]
        fifo = replace(first.routing.scheduler, fifo=FifoSettings(priority={C: 1}))
        world.reload(replace(first, routing=replace(first.routing, scheduler=fifo)))
        assert [w.model for w in dispatcher.waiting()] == [C, B]
        for lease in (serving, *leases):
            dispatcher.leave(lease)
        nursery.cancel_scope.cancel()


def some_config(dice: random.Random) -> Config:
    models = [spec(name, dice.randint(1, 2), ttl=dice.choice([0, 0, 40])) for name in ALL if dice.random() < 0.7]
    return config(*models, use=dice.choice(["serial", "fifo", "batch"]), together=dice.random() < 0.5)


@pytest.mark.parametrize("seed", range(12))
async def test_what_happens_is_what_was_planned(seed: int, autojump_clock: MockClock) -> None:
    """Random requests and reloads: kept lives go on, the others end when they serve nobody, and each request ends."""
    dice = random.Random(seed)
    world = World(some_config(dice))
    ends: list[str] = []
    async with trio.open_nursery() as nursery:
        dispatcher = await started(world, nursery)

        async def client(model: ModelId, for_s: float) -> None:
            with dispatcher.request(model) as lease:
                try:
                    await lease.wait()
                except ModelNotFoundError:
                    ends.append("gone")
                    return
                await trio.sleep(for_s)
                ends.append("served")

        async with trio.open_nursery() as clients:
            for _ in range(25):
                for _ in range(dice.randint(0, 4)):
                    clients.start_soon(client, dice.choice(ALL), dice.uniform(0, 6))
                await trio.sleep(dice.uniform(0, 4))
                await wait_all_tasks_blocked()
                new = some_config(dice)
                before, waiting = dispatcher.alive_models(), dispatcher.waiting_counts()
                plan = make_plan(world.config, new, before, waiting)
                told = len(ends)
                world.reload(new)
                await wait_all_tasks_blocked()
                assert ends[told:].count("gone") == plan.lost
                outdated = {each.model for each in plan.of("restarted", "removed")}
                for each in dispatcher.alive_models():
                    if any(each.model == old.model for old in before):
                        assert each.outdated == (each.model in outdated or each.outdated), each
                        assert each.outdated or each.model not in outdated, each
        assert dispatcher.waiting() == []
        idle = {each.model for each in dispatcher.alive_models() if each.outdated}
        await trio.sleep(3)
        assert not idle & {each.model for each in dispatcher.alive_models() if each.outdated}
        assert dispatcher.alive
        nursery.cancel_scope.cancel()
    assert "served" in ends
