"""What is said to be the earliest start is one: nobody is refused who could have been in time."""

import random

import pytest

from llamaswap.config.names import ModelId
from llamaswap.schedule.earliest import earliest_start
from llamaswap.schedule.events import Arrived, Ticket
from llamaswap.schedule.forecast_stopwatch import Stopwatch
from llamaswap.schedule.simulation.durations import Fixed
from llamaswap.schedule.simulation.engine import Simulation
from tests.schedule.story import Story

A, B = ModelId("a"), ModelId("b")


def watched(story: Story, service: float, load: float, stop: float, rounds: int = 20) -> Stopwatch:
    """A stopwatch that has seen *rounds* requests for a and b in turn, taking exactly so long."""
    stopwatch = Stopwatch()
    facts = [(100.0 * number, Arrived(Ticket(number), (A, B)[number % 2])) for number in range(1, rounds + 1)]
    for now, event, orders in Simulation(story.machine, Fixed(service, load, stop), facts).passes():
        stopwatch.on_pass(event, now, orders)
        story.now = now
    return stopwatch


def test_without_measurements_nothing_speaks_against_it() -> None:
    story = Story("a:ready")
    story.arrives(1, "a")
    assert earliest_start(story.machine, Stopwatch(), B, 7.0) == 7.0


def test_a_swap_takes_what_it_has_always_taken() -> None:
    story = Story()
    stopwatch = watched(story, service=1.0, load=5.0, stop=2.0)  # the last one was for a
    assert earliest_start(story.machine, stopwatch, A, story.now) == story.now
    assert earliest_start(story.machine, stopwatch, B, story.now) == pytest.approx(story.now + 7.0, abs=0.1)


def test_it_is_never_later_than_what_happens_and_costs_the_same_for_any_queue() -> None:
    chance = random.Random(3)
    story = Story()
    stopwatch = watched(story, service=1.0, load=5.0, stop=2.0)
    begin = story.now
    for number in range(1_000, 1_400):
        stopwatch.on_pass(event := Arrived(Ticket(number), chance.choice((A, B))), begin, story.tell(event))
    told = earliest_start(story.machine, stopwatch, B, begin)
    assert told is not None
    facts = [(begin, Arrived(Ticket(9_999), B))]
    passes = Simulation(story.machine, Fixed(1.0, 5.0, 2.0), facts, now=begin, under_way=stopwatch.under_way()).passes()
    granted = next(now for now, _, orders in passes for order in orders if getattr(order, "ticket", None) == 9_999)
    assert begin + 30.0 < told <= granted
