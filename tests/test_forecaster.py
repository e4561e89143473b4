"""Forecasts on demand: shared, cached for as long as they are worth, and never in the way."""

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from llamaswap import forecaster as room
from llamaswap.config.schema import Config, ModelConfig, ModelId
from llamaswap.dispatcher import Dispatcher
from llamaswap.forecaster import FRESH_S, Forecaster
from llamaswap.schedule.choose import rules_for
from llamaswap.schedule.events import Event, Exited, Life, Started, Ticket
from llamaswap.schedule.forecast_samples import FEW
from llamaswap.schedule.forecast_stopwatch import Measured
from llamaswap.schedule.serial import SerialScheduler

A, B = ModelId("a"), ModelId("b")
MODELS = {A: ModelConfig(A, concurrency_limit=60), B: ModelConfig(B)}


class PretendedProcess:
    """Takes five seconds to load, and one to stop."""

    pid = None

    def __init__(self, model: ModelConfig, life: Life, post: Callable[[Event], None]) -> None:
        self._facts = Started(model.id, life), Exited(model.id, life)
        self._post = post
        self._stopped = trio.Event()

    async def run(self) -> None:
        with trio.move_on_after(5):
            await self._stopped.wait()
        if not self._stopped.is_set():
            self._post(self._facts[0])
        await self._stopped.wait()
        await trio.sleep(1)
        self._post(self._facts[1])

    def stop(self, grace: float) -> None:
        self._stopped.set()


@asynccontextmanager
async def dispatching() -> AsyncIterator[tuple[Dispatcher, Forecaster]]:
    dispatcher = Dispatcher(
        Config(models=MODELS), SerialScheduler({m: rules_for(c) for m, c in MODELS.items()}), PretendedProcess
    )
    times = {"load": [5.0] * FEW, "stop": [1.0] * FEW, "service": [3.0] * FEW}
    forecaster = Forecaster(dispatcher, Measured.from_plain({A: times, B: times}))
    async with trio.open_nursery() as nursery:
        await nursery.start(dispatcher.run)
        yield dispatcher, forecaster
        nursery.cancel_scope.cancel()


async def test_what_it_says_is_what_happens(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "WORTH", 0.0)  # a forecast that took long here would be thought too dear to be made anew
    async with dispatching() as (dispatcher, forecaster), trio.open_nursery() as nursery:
        told: dict[Ticket, float] = {}
        truth: dict[Ticket, float] = {}

        async def ask_and_see(model: ModelId) -> None:
            with dispatcher.request(model) as lease:
                begin = trio.current_time()
                expected = await forecaster.start_of(lease.ticket)
                assert expected is not None
                told[lease.ticket] = begin + expected.likely
                await lease.wait()
                truth[lease.ticket] = trio.current_time()
                await trio.sleep(3)

        for model in (A, A, B, A):
            nursery.start_soon(ask_and_see, model)
            await trio.sleep(0.5)
    assert told == pytest.approx(truth, abs=0.01)


async def test_a_load_is_not_measured_as_a_service(autojump_clock: MockClock) -> None:
    async with dispatching() as (dispatcher, forecaster):
        await dispatcher.load(A)
        await dispatcher.load(A)
        assert set(forecaster.stopwatch.measured.of(A).service.values) == {3.0}
        assert not dispatcher.loads
        begin, end = forecaster.stopwatch.loads[A]
        assert end - begin == pytest.approx(5)
        assert forecaster.load_within(A, begin + 2, end + 9) == pytest.approx(3)
        assert forecaster.load_within(A, end + 1, end + 9) == 0.0
        assert forecaster.load_within(B, 0, 9) == 0.0


async def test_one_forecast_serves_all(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "WORTH", 0.0)
    async with dispatching() as (dispatcher, forecaster):
        with dispatcher.request(A), dispatcher.request(B):
            got = []

            async def ask() -> None:
                got.append(await forecaster.fresh())

            async with trio.open_nursery() as nursery:
                for _ in range(5):
                    nursery.start_soon(ask)
            assert len({id(each) for each in got}) == 1
            assert await forecaster.fresh() is got[0]
            with dispatcher.request(B):
                assert await forecaster.fresh() is not got[0]  # something has happened
            latest = await forecaster.fresh()
            await trio.sleep(FRESH_S)
            assert await forecaster.fresh() is not latest


async def test_what_was_dear_is_used_for_longer(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "WORTH", 1e6)
    async with dispatching() as (dispatcher, forecaster):
        with dispatcher.request(A), dispatcher.request(B) as second:
            first = await forecaster.fresh()
            with dispatcher.request(B):
                assert await forecaster.fresh() is first
            before = await forecaster.start_of(second.ticket)
            await trio.sleep(1)
            after = await forecaster.start_of(second.ticket)
            assert before is not None
            assert after is not None
            assert before.likely - after.likely == pytest.approx(1)  # told as of now all the same


async def test_who_stops_asking_spoils_it_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "SLICE_S", 0.0)
    async with dispatching() as (dispatcher, forecaster):
        with dispatcher.request(A), dispatcher.request(B):
            got = []

            async def ask(task_status: trio.TaskStatus[trio.CancelScope] = trio.TASK_STATUS_IGNORED) -> None:
                with trio.CancelScope() as scope:
                    task_status.started(scope)
                    got.append(await forecaster.fresh())

            async with trio.open_nursery() as nursery:
                first = await nursery.start(ask)
                nursery.start_soon(ask)
                await trio.lowlevel.checkpoint()
                first.cancel()
            assert len(got) == 1
            assert len(got[0].starts) == 2


async def test_others_run_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """A forecast of a long queue takes many slices, and between two of them everybody else has a turn."""
    async with dispatching() as (dispatcher, forecaster):
        turns = 0

        async def watch() -> None:
            nonlocal turns
            while True:
                turns += 1
                await trio.lowlevel.checkpoint()

        with ExitStack() as requests:
            for _ in range(60):
                requests.enter_context(dispatcher.request(A))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(watch)
                await trio.lowlevel.checkpoint()
                monkeypatch.setattr(room, "SLICE_S", 0.001)
                await forecaster.fresh()
                nursery.cancel_scope.cancel()
            assert turns > 5


async def test_a_place_and_a_newcomer(autojump_clock: MockClock) -> None:
    async with dispatching() as (dispatcher, forecaster):
        with ExitStack() as requests:
            for _ in range(60):
                requests.enter_context(dispatcher.request(A))
            place = await forecaster.place_for(A)
            assert place is not None
            assert place.likely == pytest.approx(8)
            assert await forecaster.place_for(B) is None
        with dispatcher.request(A):
            newcomer = await forecaster.newcomer(B)
            assert newcomer is not None
            assert newcomer.likely == pytest.approx(14, abs=1)


async def test_a_thousand_refusals_cost_one_forecast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "FRESH_S", 60.0)
    async with dispatching() as (dispatcher, forecaster):
        with dispatcher.request(A):
            async with trio.open_nursery() as nursery:
                for _ in range(1000):
                    nursery.start_soon(forecaster.newcomer, B)
            (first,) = forecaster._newcomers.values()
            await forecaster.newcomer(B)
            assert forecaster._newcomers[B] is first
