"""No event costs more because more requests wait: counted in interpreter steps, so that a busy machine cannot lie."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from llamaswap.schedule.events import ModelRules
from tests.schedule.story import Story


def crowd(waiting: int) -> Story:
    """One request is served by a, and *waiting* others wait for models in turn, the first of them for b."""
    story = Story("a:ready", rules={"a": ModelRules(ttl=60.0)})
    story.arrives(0, "a")
    for ticket in range(1, waiting + 1):
        story.arrives(ticket, "bca"[(ticket - 1) % 3])
    return story


def steps(act: Callable[[], object]) -> int:
    """How many steps the interpreter makes in *act*."""
    count = 0

    def trace(frame: FrameType, what: str, _: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        count += what == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        act()
    finally:
        sys.settrace(before)
    return count


EVENTS: dict[str, Callable[[Story], object]] = {
    "an arrival": lambda story: story.arrives(999_999, "a"),
    "one leaves from the middle": lambda story: story.leaves(5),
    "the served one leaves": lambda story: story.leaves(0),
    "a crash": lambda story: story.exits("a", 1),
    "a tick": lambda story: story.tick(1.0),
    "a late report": lambda story: story.started("a", 77),
    "the deadline": lambda story: story.machine.next_deadline,
}


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_costs_the_same_however_many_wait(name: str) -> None:
    few, many = crowd(10), crowd(10_000)
    assert steps(lambda: EVENTS[name](few)) == steps(lambda: EVENTS[name](many)) > 0


def test_a_swap_costs_the_same_however_many_wait() -> None:
    def swap(story: Story) -> None:
        story.leaves(0)
        story.exits("a", 1)
        story.started("b", 2)

    few, many = crowd(10), crowd(10_000)
    assert steps(lambda: swap(few)) == steps(lambda: swap(many)) > 0


def test_counting_sees_a_walk() -> None:
    few, many = crowd(10), crowd(1_000)
    assert steps(lambda: dict(few.machine.positions())) < steps(lambda: dict(many.machine.positions()))
