"""A model that keeps failing to start is given a rest."""

import pytest

from llamaswap.schedule.commands import Refusal, Reject
from llamaswap.schedule.events import ModelRules
from tests.schedule.story import Story, grant, start, start_failed, stop


def fails(story: Story, ticket: int, seconds: float = 0.0, model: str = "a") -> None:
    """A request whose start fails after *seconds*; lives count like tickets."""
    assert story.arrives(ticket, model) == [start(model, ticket)]
    story.now += seconds
    assert story.start_fails(model, ticket, f"error {ticket}") == [start_failed(ticket, f"error {ticket}")]


def refused_for(story: Story, ticket: int, model: str = "a") -> float:
    (reject,) = story.arrives(ticket, model)
    assert isinstance(reject, Reject)
    assert reject.why is Refusal.START_FAILED
    assert reject.retry_after is not None
    return reject.retry_after


def resting() -> Story:
    story = Story()
    for ticket in (1, 2, 3):
        fails(story, ticket, 1.0)
    return story


def test_the_third_failure_within_a_minute_begins_a_rest() -> None:
    story = resting()
    (reject,) = story.arrives(4, "a")
    assert isinstance(reject, Reject)
    assert "error 3" in reject.detail
    assert "5.0 s" in reject.detail
    assert reject.retry_after == 5.0
    story.now += 4.5
    assert refused_for(story, 5) == 0.5
    story.now += 0.5
    assert story.arrives(6, "a") == [start("a", 4)]


def test_failures_further_apart_begin_none() -> None:
    story = Story()
    fails(story, 1)
    fails(story, 2, 50)
    fails(story, 3, 50)
    fails(story, 4, 59)
    assert story.arrives(5, "a") == [start("a", 5)]


def test_each_further_failure_doubles_the_rest_up_to_a_minute() -> None:
    story = resting()
    for life, rest in enumerate((5.0, 10.0, 20.0, 40.0, 60.0, 60.0), 4):
        assert refused_for(story, 1000 + life) == rest
        story.now += rest
        fails(story, life)


def test_another_model_is_unharmed() -> None:
    story = resting()
    assert story.arrives(4, "b") == [start("b", 4)]


def test_success_ends_the_count() -> None:
    story = Story()
    fails(story, 1)
    fails(story, 2)
    story.arrives(3, "a")
    assert story.started("a", 3) == [grant(3, "a", 3)]
    story.leaves(3)
    story.exits("a", 3)
    fails(story, 4)
    assert story.arrives(5, "a") == [start("a", 5)]


def test_an_unload_ends_the_rest() -> None:
    story = resting()
    story.unload(1, "a")
    assert story.arrives(4, "a") == [start("a", 4)]


@pytest.mark.parametrize(("changed", "tried"), [("a", True), ("b", False)])
def test_a_new_configuration_of_the_model_ends_the_rest(changed: str, tried: bool) -> None:
    story = resting()
    story.reconfigure({"a": ModelRules(), "b": ModelRules()}, changed)
    assert (story.arrives(4, "a") == [start("a", 4)]) is tried


def test_those_already_waiting_are_told_when_their_turn_comes() -> None:
    story = Story()
    for ticket in range(1, 6):
        story.arrives(ticket, "a")
    story.arrives(6, "b")
    story.start_fails("a", 1)
    story.start_fails("a", 2)
    first, second, third, begun = story.start_fails("a", 3)
    assert first == start_failed(3, "boom")
    assert isinstance(second, Reject)
    assert isinstance(third, Reject)
    assert (second.ticket, third.ticket) == (4, 5)
    assert "boom" in second.detail
    assert begun == start("b", 4)
    assert story.queue == [(6, "b")]


def test_a_resting_model_evicts_nobody() -> None:
    story = Story()
    for ticket, model in enumerate("aaabab", 1):
        story.arrives(ticket, model)
    for life in (1, 2, 3):
        story.start_fails("a", life)
    granted, refused = story.started("b", 4)
    assert granted == grant(4, "b", 4)
    assert isinstance(refused, Reject)
    assert refused.ticket == 5
    assert story.leaves(4) == [grant(6, "b", 4)]


def test_the_failure_of_a_load_nobody_waits_for_counts() -> None:
    story = Story()
    for life in (1, 2, 3):
        story.arrives(life, "a")
        story.leaves(life)
        assert story.start_fails("a", life) == []
    assert refused_for(story, 9) == 5.0


def test_a_stopped_load_does_not_count() -> None:
    story = Story()
    for life in (1, 2, 3):
        story.arrives(2 * life, "a")
        story.leaves(2 * life)
        assert story.arrives(2 * life + 1, "b") == [stop("a", 2 * life - 1)]
        assert story.exits("a", 2 * life - 1) == [start("b", 2 * life)]
        story.leaves(2 * life + 1)
        story.exits("b", 2 * life)
    assert story.arrives(9, "a") == [start("a", 7)]
