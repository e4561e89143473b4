"""The dispatcher over fake processes: leases, unloads, ttl, shutdown, and what happens when the core breaks."""

import math
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from llamaswap.config.schema import Config, ModelConfig, ModelId
from llamaswap.dispatcher import Dispatcher
from llamaswap.errors import (
    ModelNotFoundError,
    ShuttingDownError,
    StartFailedError,
    TooManyRequestsError,
    UnloadedError,
)
from llamaswap.schedule.choose import rules_for
from llamaswap.schedule.commands import Command
from llamaswap.schedule.events import Event, Exited, Life, Started, StartFailed
from llamaswap.schedule.serial import SerialScheduler
from llamaswap.turnstile import AT_ONCE
from tests.loop_turns import counted_turns

A, B = ModelId("a"), ModelId("b")


class FakeProcess:
    """A process that loads for `load_s` and stops in `stop_s`, on the test's clock."""

    def __init__(self, spec: ModelConfig, life: Life, post: Callable[[Event], None], world: "World") -> None:
        self.spec, self.life, self._post, self._world = spec, life, post, world
        self.pid: int | None = None
        self._stop = trio.Event()

    async def run(self) -> None:
        world = self._world
        assert not world.alive, f"{self.spec.id} starts beside {world.alive}"
        world.alive.append(self.spec.id)
        world.history.append(f"start {self.spec.id}")
        try:
            with trio.move_on_after(world.load_s):
                await self._stop.wait()
            if self.spec.id in world.failing and not self._stop.is_set():
                self._end()
                self._post(StartFailed(self.spec.id, self.life, "upstream command exited prematurely"))
                return
            if not self._stop.is_set():
                self._post(Started(self.spec.id, self.life))
                await self._stop.wait()
            await trio.sleep(world.stop_s)
            self._end()
            self._post(Exited(self.spec.id, self.life))
        finally:
            if self.spec.id in world.alive:
                self._end()

    def stop(self, grace: float) -> None:
        self._world.history.append(f"stop {self.spec.id} {grace:g}")
        self._stop.set()

    def _end(self) -> None:
        self._world.alive.remove(self.spec.id)
        self._world.empty.set()


class World:
    """Two models, a dispatcher, and what happened to the processes."""

    def __init__(self, scheduler: SerialScheduler | None = None, *, ttl: float = 0.0, limit: int = 0) -> None:
        self.load_s, self.stop_s = 1.0, 0.5
        self.alive: list[str] = []
        self.empty = trio.Event()
        self.failing: set[str] = set()
        self.history: list[str] = []
        models = {m: ModelConfig(m, proxy="http://127.0.0.1:1", ttl=ttl, concurrency_limit=limit) for m in (A, B)}
        self.config = Config(models=models, names={A: A, B: B})
        rules = {m: rules_for(c) for m, c in models.items()}
        self.dispatcher = Dispatcher(self.config, scheduler or SerialScheduler(rules), self._spawn)

    def _spawn(self, spec: ModelConfig, life: Life, post: Callable[[Event], None]) -> FakeProcess:
        return FakeProcess(spec, life, post, self)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Dispatcher]:
        async with trio.open_nursery() as nursery:
            await nursery.start(self.dispatcher.run)
            yield self.dispatcher
            nursery.cancel_scope.cancel()


async def use(dispatcher: Dispatcher, model: ModelId, for_s: float, order: list[str] | None = None) -> None:
    with dispatcher.request(model) as lease:
        await lease.wait()
        if order is not None:
            order.append(model)
        await trio.sleep(for_s)


async def test_a_ready_model_is_granted_without_a_task_switch(autojump_clock: MockClock) -> None:
    """The hot path: a lease on a ready model is there when `arrive` returns."""
    world = World()
    async with world.running() as dispatcher:
        await dispatcher.load(A)
        lease = dispatcher.arrive(A)
        assert lease.upstream is not None
        dispatcher.leave(lease)


async def test_requests_run_in_arrival_order_and_models_never_overlap(autojump_clock: MockClock) -> None:
    """A B A B from four tasks: four loads, in order; `FakeProcess` itself watches that no two are alive."""
    world, order = World(), list[str]()
    async with world.running() as dispatcher, trio.open_nursery() as clients:
        for model in (A, B, A, B):
            clients.start_soon(use, dispatcher, model, 2, order)
            await wait_all_tasks_blocked()
    assert order == ["a", "b", "a", "b"]
    assert [line for line in world.history if line.startswith("start")] == ["start a", "start b", "start a", "start b"]


async def test_a_client_that_leaves_the_queue_loads_nothing(autojump_clock: MockClock) -> None:
    world = World()
    async with world.running() as dispatcher, trio.open_nursery() as clients:
        clients.start_soon(use, dispatcher, A, 5)
        await trio.sleep(2)
        with trio.move_on_after(1):
            await use(dispatcher, B, 1)
    assert "start b" not in world.history


async def test_unload_waits_until_the_process_is_gone_and_refuses_the_waiting(autojump_clock: MockClock) -> None:
    world = World()
    async with world.running() as dispatcher, trio.open_nursery() as clients:
        await dispatcher.load(A)
        clients.start_soon(use, dispatcher, A, 1)
        await wait_all_tasks_blocked()
        lease = dispatcher.arrive(A)
        assert await dispatcher.unload(None, grace=3) == ()
        assert world.alive == []
        assert "stop a 3" in world.history
        with pytest.raises(UnloadedError, match="model unloaded"):
            await lease.wait()
        dispatcher.leave(lease)


async def test_an_idle_model_is_unloaded_at_its_ttl(autojump_clock: MockClock) -> None:
    """The ttl counts from the end of the last request, also when that was longer than the ttl."""
    world = World(ttl=10.0)
    async with world.running() as dispatcher:
        await use(dispatcher, A, 30)
        ended = trio.current_time()
        await world.empty.wait()
        assert trio.current_time() - ended == pytest.approx(10.5)


async def test_a_failed_start_tells_its_reason(autojump_clock: MockClock) -> None:
    world = World()
    world.failing.add("a")
    async with world.running() as dispatcher:
        with pytest.raises(StartFailedError, match=r"^unspecific error: upstream command exited prematurely"):
            await dispatcher.load(A)
        await dispatcher.load(B)
        assert [r.model for r in dispatcher.running()] == [B]


async def test_the_limit_and_an_unknown_model_are_refused_at_once(autojump_clock: MockClock) -> None:
    world = World(limit=1)
    async with world.running() as dispatcher:
        first, second = dispatcher.arrive(A), dispatcher.arrive(A)
        with pytest.raises(TooManyRequestsError) as refused:
            await second.wait()
        assert refused.value.retry_after_s == 1
        with pytest.raises(ModelNotFoundError):
            await dispatcher.load(ModelId("ghost"))
        dispatcher.leave(first)
        dispatcher.leave(second)


async def test_what_people_see(autojump_clock: MockClock) -> None:
    world = World()
    async with world.running() as dispatcher, trio.open_nursery() as clients:
        clients.start_soon(use, dispatcher, A, 10)
        await trio.sleep(0.5)
        assert [(r.model, r.state, r.requests) for r in dispatcher.running()] == [(A, "starting", 0)]
        await trio.sleep(1)
        clients.start_soon(use, dispatcher, B, 1)
        await trio.sleep(2)
        assert [(r.model, r.state, r.requests) for r in dispatcher.running()] == [(A, "ready", 1)]
        assert [(w.model, w.position, w.waited_s) for w in dispatcher.waiting()] == [(B, 1, 2.0)]
        assert (dispatcher.state(A), dispatcher.state(B)) == ("ready", "stopped")


async def test_shutdown_refuses_the_queue_and_lets_the_served_finish(autojump_clock: MockClock) -> None:
    world, order = World(), list[str]()
    async with world.running() as dispatcher, trio.open_nursery() as clients:
        clients.start_soon(use, dispatcher, A, 10, order)
        await trio.sleep(2)
        queued = dispatcher.arrive(B)
        began = trio.current_time()
        await dispatcher.shut_down(drain=True)
        assert trio.current_time() - began == pytest.approx(9.5)
        assert world.alive == []
        with pytest.raises(ShuttingDownError) as refused:
            await queued.wait()
        assert refused.value.retry_after_s
        dispatcher.leave(queued)


async def test_a_hurried_shutdown_does_not_wait_for_the_served(autojump_clock: MockClock) -> None:
    world = World()
    async with world.running() as dispatcher, trio.open_nursery() as clients:
        clients.start_soon(use, dispatcher, A, math.inf)
        await trio.sleep(2)
        began = trio.current_time()
        await dispatcher.shut_down(drain=False, grace=1)
        assert trio.current_time() - began == pytest.approx(0.5)
        clients.cancel_scope.cancel()


async def test_of_a_crowd_that_is_refused_a_few_hear_of_it_in_each_turn(autojump_clock: MockClock) -> None:
    """Each answers an error then; nobody else is to wait for all of that."""
    world = World()
    heard: Counter[int] = Counter()

    async def ask(dispatcher: Dispatcher) -> None:
        with pytest.raises(UnloadedError):
            await use(dispatcher, A, 1)
        heard[turns.now] += 1

    with counted_turns() as turns:
        async with world.running() as dispatcher, trio.open_nursery() as clients:
            for _ in range(5 * AT_ONCE):
                clients.start_soon(ask, dispatcher)
            await wait_all_tasks_blocked()
            await dispatcher.unload(None)
    assert heard.total() == 5 * AT_ONCE
    assert max(heard.values()) <= AT_ONCE


async def test_a_failing_scheduler_ends_the_dispatcher_and_not_the_request(autojump_clock: MockClock) -> None:
    """The failure is the core's: `run` raises it, whoever's fact it was that brought it to light."""

    class Broken(SerialScheduler):
        def handle(self, event: Event, now: float) -> list[Command]:
            raise RuntimeError("planted")

    world = World(Broken({}))
    with pytest.RaisesGroup(pytest.RaisesExc(RuntimeError, match="planted"), flatten_subgroups=True):
        async with trio.open_nursery() as nursery:
            await nursery.start(world.dispatcher.run)
            lease = world.dispatcher.arrive(A)
            assert not world.dispatcher.alive
            world.dispatcher.leave(lease)
            await trio.sleep_forever()
