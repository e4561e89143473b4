"""Garbage is looked for when there is little to look through, and not at all when there can be none."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from llamaswap import garbage


class Collector:
    """`gc`, as far as it is used."""

    def __init__(self) -> None:
        self.threshold = (700, 10, 10)
        self.looks = self.objects = 0
        self.collected_at: list[float] = []

    def get_threshold(self) -> tuple[int, int, int]:
        return self.threshold

    def set_threshold(self, *threshold: int) -> None:
        young, middle, old = threshold
        self.threshold = young, middle, old

    def get_count(self) -> tuple[int, int, int]:
        return 0, 0, self.looks

    def get_objects(self, generation: int) -> range:
        assert generation == 2
        return range(self.objects)

    def collect(self) -> None:
        self.looks = 0
        self.collected_at.append(trio.current_time())


@asynccontextmanager
async def kept_tidy(collector: Collector) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(garbage.keep_tidy)
        yield
        nursery.cancel_scope.cancel()


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Collector:
    fake = Collector()
    monkeypatch.setattr(garbage, "gc", fake)
    return fake


async def test_few_objects_are_looked_through_when_there_may_be_garbage(
    collector: Collector, autojump_clock: MockClock
) -> None:
    async with kept_tidy(collector):
        await trio.sleep(100)
        assert collector.collected_at == []
        collector.looks, collector.objects = 11, 1000
        await trio.sleep(50)
        assert len(collector.collected_at) == 1
        await trio.sleep(100)
        assert len(collector.collected_at) == 1


async def test_nobody_waits_for_a_look_through_many_more_than_once_an_hour(
    collector: Collector, autojump_clock: MockClock
) -> None:
    async with kept_tidy(collector):
        collector.looks, collector.objects = 11, 1_000_000
        await trio.sleep(3599)
        assert collector.collected_at == []
        await trio.sleep(3600)
        assert len(collector.collected_at) == 1


async def test_python_does_not_look_by_itself_meanwhile(collector: Collector, autojump_clock: MockClock) -> None:
    """Among the young ones it does."""
    async with kept_tidy(collector):
        await trio.sleep(1)
        assert collector.threshold[:2] == (700, 10)
        assert collector.threshold[2] > 1_000_000
    assert collector.threshold == (700, 10, 10)
