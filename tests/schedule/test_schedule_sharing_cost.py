"""fifo and batch, too, cost the same however many wait: an event goes through models, not through requests."""

import tracemalloc
from typing import Any

import pytest

from llamaswap.config.names import ModelId
from llamaswap.config.routing import BatchSettings, FifoSettings
from llamaswap.schedule.batch import BatchScheduler
from llamaswap.schedule.events import Arrived, ModelRules, Ticket
from llamaswap.schedule.eviction import OneAtATime
from llamaswap.schedule.fifo import FifoScheduler
from tests.schedule.story import Story
from tests.schedule.test_schedule_cost import EVENTS, steps

KINDS: dict[str, tuple[Any, Any]] = {
    "fifo": (FifoScheduler, FifoSettings()),
    "fifo with a longest wait": (FifoScheduler, FifoSettings(max_wait=0.5)),
    "batch": (BatchScheduler, BatchSettings()),
    "batch, none may pass": (BatchScheduler, BatchSettings(max_overtakes=0)),
}


def crowd(kind: str, waiting: int) -> Story:
    """One request is served by a, and *waiting* others wait for models in turn, the first of them for b."""
    make, settings = KINDS[kind]
    rules = {"a": ModelRules(ttl=60.0, limit=1_000_000)}
    story = Story("a:ready", rules=rules, make=make, eviction=OneAtATime(), settings=settings)
    story.arrives(0, "a")
    for ticket in range(1, waiting + 1):
        story.arrives(ticket, "bc"[ticket % 2])
    return story


@pytest.mark.parametrize("name", [name for name in EVENTS if name != "an arrival"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_event_costs_the_same_however_many_wait(kind: str, name: str) -> None:
    few, many = crowd(kind, 10), crowd(kind, 2_000)
    assert steps(lambda: EVENTS[name](few)) == steps(lambda: EVENTS[name](many)) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_an_arrival_costs_the_same_however_many_wait(kind: str) -> None:
    few, many = crowd(kind, 10), crowd(kind, 2_000)
    assert steps(lambda: few.arrives(999_999, "b")) == steps(lambda: many.arrives(999_999, "b")) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_waiting_request_takes_little_memory(kind: str) -> None:
    story = crowd(kind, 10)
    events = [Arrived(Ticket(ticket), ModelId("b")) for ticket in range(1_000, 3_000)]
    tracemalloc.start()
    try:
        for event in events:
            story.machine.handle(event, 0.0)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken / len(events) < 1024  # bytes


def models(kind: str, waiting: int) -> Story:
    """One request is served by a, and one waits for each of so many others."""
    make, settings = KINDS[kind]
    names = [f"m{number}" for number in range(waiting)]
    rules = dict.fromkeys([*names, "a"], ModelRules(ttl=60.0))
    story = Story("a:ready", rules=rules, make=make, eviction=OneAtATime(), settings=settings)
    story.all_arrive("a")
    for ticket, name in enumerate(names, 5):
        story.arrives(ticket, name)
    return story


@pytest.mark.parametrize("name", [name for name in EVENTS if name not in ("the served one leaves", "a crash")])
@pytest.mark.parametrize("kind", KINDS)
def test_an_event_costs_little_more_however_many_models_are_waited_for(kind: str, name: str) -> None:
    """Except where the situation changes for all of them."""
    few, many = models(kind, 3), models(kind, 200)
    assert 0 < steps(lambda: EVENTS[name](many)) < 2 * steps(lambda: EVENTS[name](few))
