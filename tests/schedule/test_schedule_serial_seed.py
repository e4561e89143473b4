"""The thirteen cases of the serial seed. `Left` follows each outcome; a swap is `Stop`, the exit, `Start`."""

import pytest

from llamaswap.schedule.commands import Command
from tests.schedule.story import Story, closing, grant, start, start_failed, stop, taken_away, unknown, unloaded

pytestmark = pytest.mark.seed


def test_s_01_a_ready_model_is_served_without_a_start() -> None:
    story = Story("a:ready")
    assert story.arrives(1, "a") == [grant(1, "a", 1)]
    assert story.leaves(1) == []
    assert story.is_quiet()


def test_s_02_a_stopped_model_is_started_at_once_and_serves_when_ready() -> None:
    story = Story()
    assert story.arrives(1, "a") == [start("a", 1)]
    assert story.started("a", 1) == [grant(1, "a", 1)]


def test_s_03_an_unknown_model_is_refused() -> None:
    story = Story()
    assert story.arrives(1, "ghost") == [unknown(1)]
    assert story.leaves(1) == []
    assert story.is_quiet()


def test_s_04_everything_else_goes_before_a_model_starts() -> None:
    story = Story("x:ready", "y:ready")
    assert story.arrives(1, "a") == [stop("x", 1), stop("y", 2)]
    assert story.exits("x", 1) == []
    assert story.exits("y", 2) == [start("a", 3)]


def test_s_05_another_model_waits_until_the_served_request_is_done() -> None:
    story = Story("a:ready")
    assert story.arrives(1, "a") == [grant(1, "a", 1)]
    assert story.arrives(2, "b") == []
    assert story.leaves(1) == [stop("a", 1)]
    assert story.exits("a", 1) == [start("b", 2)]


def test_s_06_two_requests_for_one_model_share_a_load_and_take_turns() -> None:
    story = Story()
    assert story.arrives(1, "a") == [start("a", 1)]
    assert story.arrives(2, "a") == []
    assert story.started("a", 1) == [grant(1, "a", 1)]
    assert story.leaves(1) == [grant(2, "a", 1)]


def test_s_07_four_requests_for_three_models_cause_four_loads_in_their_order() -> None:
    story = Story()
    orders = [command for ticket, model in enumerate("pqsp", 1) for command in story.arrives(ticket, model)]
    for life, model in enumerate("pqsp", 1):
        orders += story.started(model, life)
        orders += story.leaves(life)
        if life < 4:
            orders += story.exits(model, life)
    expected: list[Command] = []
    for life, model in enumerate("pqsp", 1):
        expected += [start(model, life), grant(life, model, life), stop(model, life)]
    assert orders == expected[:-1]
    assert story.is_quiet()


def test_s_08_a_failed_load_answers_its_caller_and_the_next_goes_on() -> None:
    story = Story()
    story.arrives(1, "a")
    story.arrives(2, "b")
    assert story.start_fails("a", 1, "exit code 3") == [start_failed(1, "exit code 3"), start("b", 2)]


def test_s_09_a_caller_that_goes_as_it_is_granted_makes_way() -> None:
    """A refused grant is a grant whose `Left` follows at once: granting never waits for an answer."""
    story = Story()
    story.arrives(1, "a")
    story.arrives(2, "b")
    assert story.started("a", 1) == [grant(1, "a", 1)]
    assert story.leaves(1) == [stop("a", 1)]
    assert story.exits("a", 1) == [start("b", 2)]


def test_s_10_nothing_is_loaded_for_a_client_that_left_the_queue() -> None:
    story = Story()
    story.arrives(1, "a")
    story.arrives(2, "b")
    assert story.leaves(2) == []
    assert story.started("a", 1) == [grant(1, "a", 1)]
    assert story.leaves(1) == []
    assert story.is_quiet()


def test_s_11_shutdown_refuses_everybody_who_waits() -> None:
    story = Story()
    for ticket, model in enumerate("abc", 1):
        story.arrives(ticket, model)
    assert story.shutdown() == [closing(1), closing(2), closing(3), stop("a", 1)]
    assert story.queue == []


def test_s_12_unloading_a_serving_model_starts_nothing_before_its_request_is_done() -> None:
    story = Story("a:ready")
    assert story.arrives(1, "a") == [grant(1, "a", 1)]
    assert story.arrives(2, "b") == []
    assert story.unload(1, "a") == [stop("a", 1)]
    assert story.exits("a", 1) == [unloaded(1)]
    assert story.leaves(1) == [start("b", 2)]


def test_s_13_unloading_a_loading_model_answers_its_caller_and_the_next_goes_on() -> None:
    story = Story()
    story.arrives(1, "a")
    story.arrives(2, "b")
    assert story.unload(1, "a") == [taken_away(1), stop("a", 1)]
    assert story.exits("a", 1) == [unloaded(1), start("b", 2)]
