"""S-cases: turns, loads, callers that leave. The seed's own cases are in test_schedule_serial_seed.py."""

import re
from pathlib import Path

from tests.schedule.story import Story, grant, start, start_failed, stop, unknown


def test_s_14_a_ready_model_is_not_served_beside_a_left_over() -> None:
    """No start is needed for the model, which is ready: it is served when it is alone."""
    story = Story("a:ready", "x:ready")
    assert story.arrives(1, "a") == [stop("x", 2)]
    assert story.exits("x", 2) == [grant(1, "a", 1)]


def test_s_15_a_starting_left_over_is_stopped_and_a_stopping_one_waited_for() -> None:
    story = Story("x:starting", "y:stopping")
    assert story.arrives(1, "a") == [stop("x", 1)]
    assert story.exits("x", 1) == []
    assert story.exits("y", 2) == [start("a", 3)]


def test_s_16_an_unknown_model_is_refused_past_the_queue() -> None:
    story = Story("a:ready")
    story.arrives(1, "a")
    story.arrives(2, "b")
    assert story.arrives(3, "ghost") == [unknown(3)]
    assert story.positions == {2: 1}
    assert story.leaves(3) == []
    assert story.positions == {2: 1}


def test_s_17_a_b_a_loads_three_times() -> None:
    story = Story()
    assert story.arrives(1, "a") == [start("a", 1)]
    assert story.arrives(2, "b") == []
    assert story.arrives(3, "a") == []
    assert story.started("a", 1) == [grant(1, "a", 1)]
    assert story.leaves(1) == [stop("a", 1)]
    assert story.exits("a", 1) == [start("b", 2)]
    assert story.started("b", 2) == [grant(2, "b", 2)]
    assert story.leaves(2) == [stop("b", 2)]
    assert story.exits("b", 2) == [start("a", 3)]
    assert story.started("a", 3) == [grant(3, "a", 3)]


def test_s_18_only_neighbours_share_a_load() -> None:
    story = Story()
    for ticket, model in enumerate("aaba", 1):
        story.arrives(ticket, model)
    assert story.started("a", 1) == [grant(1, "a", 1)]
    assert story.leaves(1) == [grant(2, "a", 1)]
    assert story.leaves(2) == [stop("a", 1)]
    assert story.exits("a", 1) == [start("b", 2)]
    assert story.started("b", 2) == [grant(3, "b", 2)]
    assert story.leaves(3) == [stop("b", 2)]
    assert story.exits("b", 2) == [start("a", 3)]
    assert story.started("a", 3) == [grant(4, "a", 3)]


def test_s_19_a_queued_client_that_leaves_is_skipped() -> None:
    story = Story("a:ready")
    for ticket, model in enumerate("abc", 1):
        story.arrives(ticket, model)
    assert story.leaves(2) == []
    assert story.leaves(1) == [stop("a", 1)]
    assert story.exits("a", 1) == [start("c", 2)]


def test_s_20_leaving_from_the_middle_moves_the_others_up() -> None:
    story = Story("a:ready")
    for ticket, model in enumerate("abcd", 1):
        story.arrives(ticket, model)
    assert story.leaves(3) == []
    assert story.positions == {2: 1, 4: 2}


def test_s_21_a_load_whose_caller_left_stays_warm_for_the_next() -> None:
    story = Story()
    story.arrives(1, "a")
    assert story.leaves(1) == []
    assert story.started("a", 1) == []
    assert story.arrives(2, "a") == [grant(2, "a", 1)]


def test_s_22_the_next_request_for_the_model_takes_the_load_over() -> None:
    story = Story()
    assert story.arrives(1, "a") == [start("a", 1)]
    story.arrives(2, "a")
    assert story.leaves(1) == []
    assert story.started("a", 1) == [grant(2, "a", 1)]


def test_s_22_the_next_request_takes_over_the_failure_too() -> None:
    story = Story()
    story.arrives(1, "a")
    story.arrives(2, "a")
    story.leaves(1)
    assert story.start_fails("a", 1) == [start_failed(2, "boom")]
    assert story.is_quiet()


def test_s_23_a_load_whose_caller_left_gives_way_to_another_model_at_once() -> None:
    story = Story()
    story.arrives(1, "a")
    story.arrives(2, "b")
    assert story.leaves(1) == [stop("a", 1)]
    assert story.started("a", 1) == []  # it became healthy as it was told to stop
    assert story.exits("a", 1) == [start("b", 2)]


def test_s_23_a_later_request_for_another_model_stops_the_orphan_too() -> None:
    story = Story()
    story.arrives(1, "a")
    assert story.leaves(1) == []
    assert story.arrives(2, "b") == [stop("a", 1)]
    assert story.exits("a", 1) == [start("b", 2)]


def test_s_24_the_end_of_a_served_request_is_quiet() -> None:
    """For the scheduler a served client's leaving *is* the end of its request: there is one fact, not two."""
    story = Story("a:ready")
    story.arrives(1, "a")
    assert story.leaves(1) == []
    assert story.leaves(1) == []
    assert story.is_quiet()
    assert story.states == ["a:ready"]


def test_s_25_an_unknown_request_that_leaves_is_quiet() -> None:
    story = Story("a:ready")
    assert story.leaves(99) == []
    assert story.is_quiet()


def test_s_26_leaving_twice_releases_once() -> None:
    story = Story()
    story.arrives(1, "a")
    story.arrives(2, "b")
    assert story.leaves(2) == []
    assert story.leaves(2) == []
    assert story.started("a", 1) == [grant(1, "a", 1)]
    assert story.leaves(1) == []
    assert story.is_quiet()


def test_s_29_a_life_that_ends_before_it_could_serve_has_failed() -> None:
    """The machine has no state of the process to be deceived by: the exit itself is the failure."""
    story = Story()
    story.arrives(1, "a")
    story.arrives(2, "b")
    reason = "upstream exited before it could serve: exit code 0"
    assert story.exits("a", 1, "exit code 0") == [start_failed(1, reason), start("b", 2)]


def test_s_30_one_request_is_not_failed_by_the_failure_of_another() -> None:
    story = Story()
    story.arrives(1, "a")
    story.arrives(2, "a")
    assert story.start_fails("a", 1) == [start_failed(1, "boom"), start("a", 2)]


def test_s_31_three_failures_are_three_starts_and_three_errors() -> None:
    story = Story()
    assert story.arrives(1, "a") == [start("a", 1)]
    story.arrives(2, "a")
    story.arrives(3, "a")
    assert story.start_fails("a", 1, "one") == [start_failed(1, "one"), start("a", 2)]
    assert story.start_fails("a", 2, "two") == [start_failed(2, "two"), start("a", 3)]
    assert story.start_fails("a", 3, "three") == [start_failed(3, "three")]
    assert story.is_quiet()


def test_s_32_a_crash_while_serving_is_followed_by_a_new_start_when_the_request_ends() -> None:
    story = Story("a:ready")
    story.arrives(1, "a")
    story.arrives(2, "a")
    assert story.exits("a", 1, "signal 9") == []
    assert story.leaves(1) == [start("a", 2)]


def test_s_33_a_crashed_model_is_no_victim() -> None:
    story = Story("a:ready")
    story.arrives(1, "a")
    story.arrives(2, "b")
    assert story.exits("a", 1) == []
    assert story.leaves(1) == [start("b", 2)]


def test_s_34_a_crash_while_idle_is_quiet_and_the_next_request_starts_afresh() -> None:
    story = Story("a:ready")
    assert story.exits("a", 1) == []
    assert story.arrives(1, "a") == [start("a", 2)]


def test_s_35_a_caller_gone_at_its_grant_leaves_the_next_its_turn() -> None:
    story = Story("a:ready")
    assert story.arrives(1, "a") == [grant(1, "a", 1)]
    assert story.leaves(1) == []
    assert story.arrives(2, "b") == [stop("a", 1)]


def test_s_36_a_thousand_callers_gone_at_their_grant_and_a_live_one() -> None:
    story = Story("x:ready")
    story.arrives(1, "x")
    for ticket in range(2, 1003):
        assert story.arrives(ticket, "a") == []
    assert story.leaves(1) == [stop("x", 1)]
    assert story.exits("x", 1) == [start("a", 2)]
    assert story.started("a", 2) == [grant(2, "a", 2)]
    for ticket in range(2, 1002):
        assert story.leaves(ticket) == [grant(ticket + 1, "a", 2)]
    assert story.queue == []


def test_s_36_a_thousand_callers_that_left_before_their_turn_cost_no_grant() -> None:
    story = Story("x:ready")
    story.arrives(1, "x")
    for ticket in range(2, 1003):
        story.arrives(ticket, "a")
    for ticket in range(2, 1002):
        assert story.leaves(ticket) == []
    assert story.leaves(1) == [stop("x", 1)]
    assert story.exits("x", 1) == [start("a", 2)]
    assert story.started("a", 2) == [grant(1002, "a", 2)]


def test_s_57_a_persistent_group_protects_nobody() -> None:
    """Serial knows no groups: whatever else is there has to go."""
    story = Story("p:ready")
    assert story.arrives(1, "a") == [stop("p", 1)]
    assert story.exits("p", 1) == [start("a", 2)]


def test_s_58_a_matrix_allows_nothing() -> None:
    """Serial knows no matrix either."""
    story = Story("b:ready")
    assert story.arrives(1, "a") == [stop("b", 1)]
    assert story.exits("b", 1) == [start("a", 2)]


def test_s_62_positions_count_from_the_one_whose_turn_is_next() -> None:
    story = Story("a:ready")
    for ticket, model in enumerate("abcd", 1):
        story.arrives(ticket, model)
    assert story.positions == {2: 1, 3: 2, 4: 3}
    story.leaves(1)
    assert story.positions == {2: 0, 3: 1, 4: 2}  # the model of 2 is being made room for and loaded


def test_s_64_a_request_that_never_ends_holds_the_turn() -> None:
    story = Story("a:ready")
    story.arrives(1, "a")
    assert story.arrives(2, "a") == []
    assert story.tick(86_400) == []
    assert story.leaves(1) == [grant(2, "a", 1)]


def test_s_65_a_ready_model_serves_one_at_a_time() -> None:
    story = Story("a:ready")
    story.arrives(1, "a")
    assert story.arrives(2, "a") == []
    assert story.queue == [(2, "a")]


def test_s_66_when_all_have_left_the_load_finishes_and_stays_warm() -> None:
    story = Story()
    story.arrives(1, "a")
    story.arrives(2, "b")
    story.arrives(3, "c")
    assert story.leaves(2) == []
    assert story.leaves(3) == []
    assert story.leaves(1) == []
    assert story.started("a", 1) == []
    assert story.states == ["a:ready"]
    assert story.is_quiet()


def test_s_67_a_request_after_a_failure_gets_a_start_of_its_own() -> None:
    story = Story()
    story.arrives(1, "a")
    assert story.start_fails("a", 1) == [start_failed(1, "boom")]
    assert story.arrives(2, "a") == [start("a", 2)]
    assert story.started("a", 2) == [grant(2, "a", 2)]


def test_every_case_of_the_table_has_a_test() -> None:
    sources = "".join(path.read_text() for path in Path(__file__).parent.glob("test_schedule_serial_*.py"))
    told = {int(number) for number in re.findall(r"^def test_s_(\d\d)_", sources, re.MULTILINE)}
    assert told == set(range(1, 68))
