"""What the scheduler shows of itself."""

from collections.abc import Iterator, Mapping
from itertools import islice
from random import Random

from llamaswap.config.routing import FifoSettings
from llamaswap.config.schema import ModelId
from llamaswap.schedule.events import Life, Ticket
from llamaswap.schedule.eviction import OneAtATime
from llamaswap.schedule.fifo import FifoScheduler
from llamaswap.schedule.requests import Waiting
from llamaswap.schedule.residents import ResidentView
from tests.schedule.story import Story

A, LIFE = ModelId("a"), Life(1)


def test_a_life_is_shown_in_each_of_its_states() -> None:
    story = Story()
    story.now = 1.0
    story.arrives(1, "a")
    assert story.machine.residents() == [ResidentView(A, LIFE, "starting", 0, None)]
    story.now = 2.0
    story.started("a", 1)
    assert story.machine.residents() == [ResidentView(A, LIFE, "ready", 1, None)]
    story.now = 3.0
    story.leaves(1)
    assert story.machine.residents() == [ResidentView(A, LIFE, "ready", 0, 3.0)]
    story.unload(1, "a")
    assert story.machine.residents() == [ResidentView(A, LIFE, "stopping", 0, None)]
    story.stop_fails("a", 1)
    assert story.machine.residents() == [ResidentView(A, LIFE, "stuck", 0, None)]
    story.exits("a", 1)
    assert story.machine.residents() == []


def test_the_queue_is_shown_in_order_with_its_times() -> None:
    story = Story("a:ready")
    for ticket, model in enumerate("abc", 1):
        story.now += 1.5
        story.arrives(ticket, model)
    assert list(story.machine.waiting()) == [
        Waiting(Ticket(2), ModelId("b"), 3.0),
        Waiting(Ticket(3), ModelId("c"), 4.5),
    ]


class Counted(Mapping[ModelId, int]):
    """Priorities, and how often somebody asked for one."""

    def __init__(self, priorities: dict[str, int]) -> None:
        self._priorities = {ModelId(model): priority for model, priority in priorities.items()}
        self.asked = 0

    def __getitem__(self, model: ModelId) -> int:
        self.asked += 1
        return self._priorities[model]

    def __iter__(self) -> Iterator[ModelId]:
        return iter(self._priorities)

    def __len__(self) -> int:
        return len(self._priorities)


def test_fifo_shows_its_queue_by_priority_and_then_by_arrival() -> None:
    """Whoever comes and goes."""
    luck = Random(1)
    for priorities in ({}, {"b": 2}, {"b": 2, "c": 1, "d": 2, "e": -1}):
        story = Story("a:ready", make=FifoScheduler, eviction=OneAtATime(), settings=FifoSettings(Counted(priorities)))
        story.arrives(1, "a")
        for ticket in range(2, 200):
            story.arrives(ticket, luck.choice("bcdef"))
            if luck.random() < 0.3:
                story.leaves(luck.randrange(2, ticket + 1))
            shown = [(waiting.ticket, waiting.model) for waiting in story.machine.waiting()]
            assert shown == sorted(shown, key=lambda each: (-priorities.get(each[1], 0), each[0]))
            assert len(shown) == story.machine.queued


def test_who_looks_at_the_first_does_not_pay_for_the_whole_queue() -> None:
    priorities = Counted({"b": 2, "c": 1})
    story = Story("a:ready", make=FifoScheduler, eviction=OneAtATime(), settings=FifoSettings(priorities))
    for ticket in range(1, 1000):
        story.arrives(ticket, "abcd"[ticket % 4])
    asked = priorities.asked
    first = list(islice(story.machine.waiting(), 3))
    assert [waiting.model for waiting in first] == ["b", "b", "b"]
    assert priorities.asked - asked <= 4
