"""S-cases: unload, idleness, shutdown, limits, and what cannot be stopped."""

import pytest

from llamaswap.schedule.commands import Refusal, Reject
from llamaswap.schedule.events import ModelRules, Ticket
from tests.schedule.story import (
    Story,
    closing,
    grant,
    start,
    start_failed,
    stop,
    taken_away,
    too_many,
    unloaded,
)


def test_s_27_a_late_report_of_an_unloaded_life_changes_nothing() -> None:
    story = Story()
    story.arrives(1, "a")
    story.arrives(2, "b")
    story.unload(1, "a")
    assert story.started("a", 1) == []
    assert story.exits("a", 1) == [unloaded(1), start("b", 2)]
    assert story.started("a", 1) == []
    assert story.states == ["b:starting"]
    assert story.queue == [(2, "b")]


def test_s_28_the_failure_of_an_earlier_life_is_not_that_of_the_next() -> None:
    story = Story()
    story.arrives(1, "a")
    assert story.unload(1, "a") == [taken_away(1), stop("a", 1)]
    assert story.arrives(2, "a") == []
    assert story.start_fails("a", 1) == [unloaded(1), start("a", 2)]
    assert story.start_fails("a", 1) == []
    assert story.started("a", 2) == [grant(2, "a", 2)]


def test_s_37_shutdown_leaves_the_served_request_alone() -> None:
    story = Story("a:ready")
    story.arrives(1, "a")
    story.arrives(2, "b")
    assert story.shutdown() == [closing(2)]
    assert story.leaves(1) == [stop("a", 1)]
    assert story.exits("a", 1) == []
    assert story.is_quiet()


def test_s_38_after_shutdown_every_arrival_is_refused() -> None:
    story = Story("a:ready")
    assert story.shutdown() == [stop("a", 1)]
    assert story.arrives(1, "a") == [closing(1)]
    assert story.arrives(2, "ghost") == [closing(2)]
    assert story.is_quiet()


def test_s_39_shutdown_twice_is_quiet() -> None:
    story = Story()
    assert story.shutdown() == []
    assert story.shutdown() == []


def test_s_40_a_load_that_finishes_after_shutdown_serves_nobody() -> None:
    story = Story()
    story.arrives(1, "a")
    assert story.shutdown() == [closing(1), stop("a", 1)]
    assert story.started("a", 1) == []
    assert story.exits("a", 1) == []


def test_s_41_unloading_a_queued_model_answers_its_queue_only() -> None:
    """There is no process of b to stop, so the unload is complete at once."""
    story = Story("a:ready")
    story.arrives(1, "a")
    story.arrives(2, "b")
    assert story.unload(1, "b") == [taken_away(2), unloaded(1)]
    assert story.states == ["a:ready"]


def test_s_42_unloading_a_victim_merges_with_its_stop() -> None:
    story = Story("b:ready")
    assert story.arrives(1, "a") == [stop("b", 1)]
    assert story.unload(1, "b", grace=1.0) == [stop("b", 1, 1.0)]
    assert story.exits("b", 1) == [unloaded(1), start("a", 2)]
    assert story.started("a", 2) == [grant(1, "a", 2)]


def test_s_43_unloading_all_of_a_queue() -> None:
    """Only a has a life, so only a is stopped."""
    story = Story()
    for ticket, model in enumerate("abac", 1):
        story.arrives(ticket, model)
    assert story.unload(1, "abc") == [*map(taken_away, (1, 2, 3, 4)), stop("a", 1)]
    assert story.exits("a", 1) == [unloaded(1)]
    assert story.is_quiet()


def test_s_44_unloading_a_serving_model_and_its_queue() -> None:
    story = Story("a:ready")
    for ticket, model in enumerate("aba", 1):
        story.arrives(ticket, model)
    assert story.unload(1, "ab") == [taken_away(2), taken_away(3), stop("a", 1)]
    assert story.exits("a", 1) == [unloaded(1)]
    assert story.leaves(1) == []
    assert story.is_quiet()


def test_s_45_unloading_a_load_twice() -> None:
    story = Story()
    story.arrives(1, "a")
    assert story.unload(1, "a") == [taken_away(1), stop("a", 1)]
    assert story.unload(2, "a") == [stop("a", 1)]
    assert story.exits("a", 1) == [unloaded(1), unloaded(2)]
    assert story.is_quiet()


def test_s_46_unloading_a_load_answers_those_behind_it_too() -> None:
    story = Story()
    story.arrives(1, "a")
    story.arrives(2, "a")
    assert story.unload(1, "a") == [taken_away(1), taken_away(2), stop("a", 1)]
    assert story.exits("a", 1) == [unloaded(1)]


def test_s_47_an_unloaded_model_is_loaded_by_the_next_request() -> None:
    story = Story("a:ready")
    assert story.unload(1, "a") == [stop("a", 1)]
    assert story.exits("a", 1) == [unloaded(1)]
    assert story.arrives(1, "a") == [start("a", 2)]


def test_s_48_a_request_after_the_unload_waits_for_a_new_start() -> None:
    story = Story("a:ready")
    story.arrives(1, "a")
    assert story.unload(1, "a") == [stop("a", 1)]
    assert story.arrives(2, "a") == []
    assert story.exits("a", 1) == [unloaded(1)]
    assert story.leaves(1) == [start("a", 2)]


def test_s_49_nothing_starts_before_the_unloaded_one_has_stopped() -> None:
    story = Story("a:ready")
    assert story.unload(1, "a") == [stop("a", 1)]
    assert story.arrives(1, "b") == []
    assert story.exits("a", 1) == [unloaded(1), start("b", 2)]


def test_s_50_nothing_starts_before_the_last_of_several_has_stopped() -> None:
    story = Story("a:ready", "b:stopping")
    assert story.unload(1, "a") == [stop("a", 1)]
    assert story.unload(2, "b") == [stop("b", 2)]
    assert story.arrives(1, "c") == []
    assert story.exits("a", 1) == [unloaded(1)]
    assert story.exits("b", 2) == [unloaded(2), start("c", 3)]


def test_s_51_a_slow_stop_outlasts_the_served_request() -> None:
    story = Story("a:ready")
    story.arrives(1, "a")
    story.arrives(2, "b")
    assert story.unload(1, "a") == [stop("a", 1)]
    assert story.leaves(1) == []
    assert story.exits("a", 1) == [unloaded(1), start("b", 2)]


def test_s_52_a_client_that_leaves_during_a_slow_stop_loads_nothing() -> None:
    story = Story("a:ready")
    story.unload(1, "a")
    assert story.arrives(1, "b") == []
    assert story.leaves(1) == []
    assert story.exits("a", 1) == [unloaded(1)]


def test_s_53_shutdown_during_a_slow_stop() -> None:
    story = Story("a:ready")
    story.unload(1, "a")
    assert story.arrives(1, "b") == []
    assert story.shutdown() == [closing(1)]
    assert story.exits("a", 1) == [unloaded(1)]


def test_s_54_only_an_idle_model_expires() -> None:
    story = Story(rules={"a": ModelRules(ttl=60.0, grace=3.0)})
    story.arrives(1, "a")
    assert story.tick(120) == []  # loading
    story.started("a", 1)
    assert story.machine.next_deadline is None
    assert story.tick(120) == []  # serving
    assert story.leaves(1) == []
    assert story.machine.next_deadline == 300.0
    assert story.tick(59.5) == []
    assert story.tick(0.5) == [stop("a", 1, 3.0)]
    assert story.machine.next_deadline is None


def test_s_54_becoming_ready_begins_the_idle_time() -> None:
    story = Story(rules={"a": ModelRules(ttl=1.0)})
    story.arrives(1, "a")
    story.leaves(1)
    story.now = 1000.0
    assert story.started("a", 1) == []
    assert story.tick(0.9) == []
    assert story.tick(0.2) == [stop("a", 1)]


def test_s_54_a_request_that_comes_as_the_model_expires_is_served() -> None:
    story = Story("a:ready", rules={"a": ModelRules(ttl=1.0)})
    story.now = 5.0
    assert story.arrives(1, "a") == [grant(1, "a", 1)]


def test_s_54_without_ttl_nothing_expires() -> None:
    story = Story("a:ready")
    assert story.machine.next_deadline is None
    assert story.tick(1e9) == []


def test_s_55_a_stopping_model_is_started_again_once_it_is_gone() -> None:
    story = Story("a:stopping")
    assert story.arrives(1, "a") == []
    assert story.exits("a", 1) == [start("a", 2)]


def test_s_56_a_stopping_victim_is_not_told_twice() -> None:
    story = Story("a:stopping")
    assert story.arrives(1, "b") == []
    assert story.exits("a", 1) == [start("b", 2)]


def test_s_59_a_model_at_its_limit_refuses_and_others_do_not() -> None:
    story = Story("a:ready", rules={"a": ModelRules(limit=2)})
    assert story.arrives(1, "a") == [grant(1, "a", 1)]
    assert story.arrives(2, "a") == []
    assert story.arrives(3, "a") == [too_many(3)]
    assert story.arrives(4, "b") == []
    assert story.queue == [(2, "a"), (4, "b")]


def test_s_60_leaving_the_queue_frees_the_place() -> None:
    story = Story("a:ready", rules={"a": ModelRules(limit=2)})
    story.arrives(1, "a")
    story.arrives(2, "a")
    assert story.leaves(2) == []
    assert story.arrives(5, "a") == []
    assert story.arrives(6, "a") == [too_many(6)]


def test_s_61_without_a_limit_everybody_waits() -> None:
    story = Story("a:ready")
    story.arrives(0, "a")
    for ticket in range(1, 1001):
        assert story.arrives(ticket, "a") == []
    assert len(story.queue) == 1000


@pytest.mark.parametrize("second", ["x", "b", "a"])
def test_s_63_what_cannot_be_stopped_refuses_everybody_until_it_ends(second: str) -> None:
    """The table serves R2 "if x is still ready". Here it never is: it has had its SIGKILL, and is stuck, not ready.

    Neither x nor anything that needs its place can be served, so each is told at once, and x's real end lifts it.
    """
    story = Story("x:ready")
    detail = "x cannot be stopped: pid 7 in state D"
    assert story.arrives(1, "a") == [stop("x", 1)]
    assert story.arrives(2, second) == []
    assert story.stop_fails("x", 1, "pid 7 in state D") == [
        Reject(Ticket(1), Refusal.CANNOT_STOP, detail),
        Reject(Ticket(2), Refusal.CANNOT_STOP, detail),
    ]
    assert story.arrives(3, "a") == [Reject(Ticket(3), Refusal.CANNOT_STOP, detail)]
    assert story.is_quiet()
    assert story.exits("x", 1) == []
    assert story.arrives(4, "a") == [start("a", 2)]


def test_an_unload_of_what_cannot_be_stopped_is_answered_with_its_name() -> None:
    story = Story("x:ready", "y:ready")
    assert story.unload(1, None) == [stop("x", 1), stop("y", 2)]
    assert story.stop_fails("x", 1) == []
    assert story.exits("y", 2) == [unloaded(1, "x")]
    assert story.unload(2, "x") == [unloaded(2, "x")]


def test_an_unload_of_nothing_is_complete_at_once() -> None:
    story = Story()
    assert story.unload(1, ["nosuch"]) == [unloaded(1)]
    assert story.unload(2, None) == [unloaded(2)]


def test_an_unload_stops_the_quickest_first() -> None:
    rules = {"a": ModelRules(grace=45), "c": ModelRules(grace=10), "e": ModelRules(grace=25)}
    story = Story("a:ready", "c:ready", "e:ready", rules=rules)
    assert story.unload(1, "aec") == [stop("c", 2, 10), stop("e", 3, 25), stop("a", 1, 45)]
    assert story.exits("a", 1) == []
    assert story.exits("c", 2) == []
    assert story.exits("e", 3) == [unloaded(1)]


def test_an_unload_is_not_delayed_by_a_life_begun_later() -> None:
    story = Story("a:ready")
    story.unload(1, "a")
    story.arrives(1, "a")
    assert story.exits("a", 1) == [unloaded(1), start("a", 2)]
    assert story.unload(2, None) == [taken_away(1), stop("a", 2)]


def test_the_end_of_an_unloaded_load_is_no_failed_start() -> None:
    story = Story()
    for ticket in range(1, 5):
        assert story.arrives(ticket, "a") == [start("a", ticket)]
        story.unload(ticket, "a")
        story.exits("a", ticket)


def test_shutdown_caps_the_grace_and_hurries_whom_it_can() -> None:
    story = Story("a:ready", "b:ready", rules={"a": ModelRules(grace=100)})
    assert story.unload(1, "a") == [stop("a", 1, 100)]
    assert story.shutdown(grace=5.0) == [stop("a", 1, 5.0), stop("b", 2, 5.0)]
    story.now = 1.0
    assert story.shutdown(grace=5.0) == []
    assert story.shutdown(grace=1.0) == [stop("a", 1, 1.0), stop("b", 2, 1.0)]
    assert story.unload(2, None) == [stop("b", 2, 1.0), stop("a", 1, 1.0)]


def test_shutdown_without_drain_stops_a_serving_model() -> None:
    story = Story("a:ready")
    story.arrives(1, "a")
    assert story.shutdown() == []
    assert story.shutdown(drain=False, grace=1.0) == [stop("a", 1, 1.0)]
    assert story.shutdown(drain=True) == []
    assert story.exits("a", 1) == []
    assert story.leaves(1) == []
    assert story.is_quiet()


def test_an_unload_after_shutdown_is_answered() -> None:
    story = Story("a:ready")
    assert story.shutdown() == [stop("a", 1)]
    assert story.unload(1, None) == [stop("a", 1)]
    assert story.exits("a", 1) == [unloaded(1)]
    assert story.unload(2, None) == [unloaded(2)]


def test_aborting_orphans_stops_a_load_nobody_waits_for() -> None:
    story = Story(abort_orphan_loads=True)
    story.arrives(1, "a")
    assert story.leaves(1) == [stop("a", 1)]
    assert story.exits("a", 1) == []


def test_aborting_orphans_lets_the_next_take_over() -> None:
    story = Story(abort_orphan_loads=True)
    story.arrives(1, "a")
    story.arrives(2, "a")
    assert story.leaves(1) == []
    assert story.started("a", 1) == [grant(2, "a", 1)]


def test_in_parallel_neighbours_run_together_and_a_change_waits_for_all() -> None:
    story = Story(parallel=2)
    for ticket, model in enumerate("aaaba", 1):
        story.arrives(ticket, model)
    assert story.started("a", 1) == [grant(1, "a", 1), grant(2, "a", 1)]
    assert story.leaves(2) == [grant(3, "a", 1)]
    assert story.leaves(3) == []  # the next wants b, and the last a may not pass it
    assert story.leaves(1) == [stop("a", 1)]
    assert story.exits("a", 1) == [start("b", 2)]


def test_in_parallel_a_crash_is_followed_by_a_start_when_all_have_left() -> None:
    story = Story(parallel=2)
    for ticket in (1, 2, 3):
        story.arrives(ticket, "a")
    story.started("a", 1)
    assert story.exits("a", 1) == []
    assert story.leaves(1) == []
    assert story.leaves(2) == [start("a", 2)]


def test_a_start_failure_that_is_a_crash_of_a_stopped_life_blames_nobody() -> None:
    story = Story()
    story.arrives(1, "a")
    story.arrives(2, "b")
    story.leaves(1)
    assert story.start_fails("a", 1) == [start("b", 2)]
    assert story.start_fails("b", 2) == [start_failed(2, "boom")]
