"""A new configuration: what is unchanged stays, what changed drains first, what vanished is refused."""

from llamaswap.schedule.events import ModelRules
from tests.schedule.story import Story, grant, start, stop, too_many, unknown, unloaded

RULES = ModelRules()
AB = {"a": RULES, "b": RULES}


def test_an_unchanged_model_keeps_its_process_and_its_request() -> None:
    story = Story("a:ready")
    story.arrives(1, "a")
    assert story.reconfigure(AB, "b") == []
    assert story.leaves(1) == []
    assert story.states == ["a:ready"]


def test_an_idle_model_that_changed_stops_at_once() -> None:
    story = Story("a:ready")
    assert story.reconfigure(AB, "a") == [stop("a", 1)]


def test_a_serving_model_that_changed_stops_after_its_answer_and_starts_anew() -> None:
    story = Story("a:ready")
    story.arrives(1, "a")
    assert story.reconfigure(AB, "a") == []
    assert story.arrives(2, "a") == []
    assert story.leaves(1) == [stop("a", 1)]
    assert story.exits("a", 1) == [start("a", 2)]
    assert story.started("a", 2) == [grant(2, "a", 2)]


def test_a_changed_model_takes_no_one_on_beside_the_request_it_finishes() -> None:
    story = Story("a:ready", parallel=4)
    story.arrives(1, "a")
    story.reconfigure(AB, "a")
    assert story.arrives(2, "a") == []
    assert story.leaves(1) == [stop("a", 1)]


def test_a_loading_model_that_changed_is_loaded_anew_for_its_caller() -> None:
    story = Story()
    story.arrives(1, "a")
    assert story.reconfigure(AB, "a") == [stop("a", 1)]
    assert story.exits("a", 1) == [start("a", 2)]
    assert story.started("a", 2) == [grant(1, "a", 2)]


def test_queued_requests_keep_their_order_and_lose_the_vanished() -> None:
    story = Story("a:ready")
    for ticket, model in enumerate("abcab", 1):
        story.arrives(ticket, model)
    assert story.reconfigure({"a": RULES, "c": RULES}) == [unknown(2), unknown(5)]
    assert story.queue == [(3, "c"), (4, "a")]


def test_a_vanished_model_finishes_its_answer_and_stops_with_its_old_grace() -> None:
    story = Story("a:ready", rules={"a": ModelRules(grace=3.0)})
    story.arrives(1, "a")
    assert story.reconfigure({"b": RULES}) == []
    assert story.arrives(2, "a") == [unknown(2)]
    assert story.leaves(1) == [stop("a", 1, 3.0)]
    assert story.unload(1, None) == [stop("a", 1, 3.0)]
    assert story.exits("a", 1) == [unloaded(1)]


def test_limits_ttl_and_grace_hold_at_once() -> None:
    story = Story("a:ready")
    assert story.reconfigure({"a": ModelRules(ttl=10.0, grace=2.0, limit=1)}) == []
    assert story.machine.next_deadline == 10.0
    story.arrives(1, "a")
    assert story.arrives(2, "a") == [too_many(2)]
    story.leaves(1)
    assert story.tick(10) == [stop("a", 1, 2.0)]


def test_a_model_that_comes_back_does_not_get_its_old_process_back() -> None:
    story = Story("a:ready")
    story.arrives(1, "a")
    story.reconfigure({"b": RULES})
    story.reconfigure(AB)
    assert story.arrives(2, "a") == []
    assert story.leaves(1) == [stop("a", 1)]
    assert story.exits("a", 1) == [start("a", 2)]


def test_a_new_model_is_served() -> None:
    story = Story()
    assert story.reconfigure({"new": RULES}) == []
    assert story.arrives(1, "new") == [start("new", 1)]
