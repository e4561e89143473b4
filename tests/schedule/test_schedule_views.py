"""What the scheduler shows of itself."""

from llamaswap.config.schema import ModelId
from llamaswap.schedule.events import Life, Ticket
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
