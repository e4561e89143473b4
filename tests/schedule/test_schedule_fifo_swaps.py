"""F-cases: when models are loaded, joined, waited for and made room for. V and V* are as in the table of cases.

A swap is `Stop` of the victims, their exits, `Start` of the model.
"""

from llamaswap.schedule.events import ModelRules
from tests.schedule.story import grant, start, start_failed, stop, unknown
from tests.schedule.tables import FifoStory


def test_f_01_a_ready_model_is_served_without_a_start() -> None:
    story = FifoStory("a:ready")
    assert story.arrives(1, "a") == [grant(1, "a", 1)]


def test_f_02_an_unknown_model_is_refused_at_arrival() -> None:
    story = FifoStory()
    assert story.arrives(1, "ghost") == [unknown(1)]
    assert story.is_quiet()


def test_f_03_a_stopped_model_serves_when_it_is_ready() -> None:
    story = FifoStory()
    assert story.arrives(1, "a") == [start("a", 1)]
    assert story.started("a", 1) == [grant(1, "a", 1)]


def test_f_04_three_requests_share_a_start_and_run_together() -> None:
    story = FifoStory()
    assert story.all_arrive("aaa") == [start("a", 1)]
    assert story.started("a", 1) == [grant(1, "a", 1), grant(2, "a", 1), grant(3, "a", 1)]


def test_f_05_a_failed_start_fails_all_who_wait_for_it() -> None:
    story = FifoStory()
    story.all_arrive("aa")
    assert story.start_fails("a", 1) == [start_failed(1, "boom"), start_failed(2, "boom")]
    assert story.is_quiet()


def test_f_06_a_victim_is_not_evicted_while_it_loads_or_serves() -> None:
    story = FifoStory(V={"b": "a"})
    assert story.all_arrive("ab") == [start("a", 1)]
    assert story.queue == [(1, "a"), (2, "b")]
    assert story.started("a", 1) == [grant(1, "a", 1)]
    assert story.leaves(1) == [stop("a", 1)]
    assert story.exits("a", 1) == [start("b", 2)]


def test_f_07_models_that_evict_nobody_load_in_parallel() -> None:
    story = FifoStory()
    assert story.all_arrive("ab") == [start("a", 1), start("b", 2)]


def test_f_08_two_swaps_never_share_a_victim() -> None:
    story = FifoStory("x:ready", V={"a": "x", "b": "x"})
    assert story.all_arrive("ab") == [stop("x", 1)]
    assert story.exits("x", 1) == [start("a", 2)]
    assert story.started("a", 2) == [grant(1, "a", 2), start("b", 3)]


def test_f_09_victims_of_a_running_swap_wait_until_it_is_over() -> None:
    story = FifoStory(V={"a": "bc"})
    assert story.all_arrive("abc") == [start("a", 1)]
    assert story.started("a", 1) == [grant(1, "a", 1), start("b", 2), start("c", 3)]


def test_f_10_each_model_is_loaded_once_for_all_who_want_it() -> None:
    story = FifoStory(V={"a": "bc", "b": "ac", "c": "ab"})
    assert story.all_arrive("abcabc") == [start("a", 1)]
    assert story.started("a", 1) == [grant(1, "a", 1), grant(4, "a", 1)]
    assert story.leaves(1) == []
    assert story.leaves(4) == [stop("a", 1)]
    assert story.exits("a", 1) == [start("b", 2)]
    assert story.started("b", 2) == [grant(2, "b", 2), grant(5, "b", 2)]
    assert story.leaves(2) == []
    assert story.leaves(5) == [stop("b", 2)]
    assert story.exits("b", 2) == [start("c", 3)]
    assert story.started("c", 3) == [grant(3, "c", 3), grant(6, "c", 3)]


def test_f_11_a_swap_waits_for_the_last_request_of_its_victim() -> None:
    story = FifoStory("a:ready", V={"b": "a"})
    assert story.all_arrive("aab") == [grant(1, "a", 1), grant(2, "a", 1)]
    assert story.leaves(1) == []
    assert story.leaves(2) == [stop("a", 1)]
    assert story.exits("a", 1) == [start("b", 2)]


def test_f_12_a_caller_gone_at_its_grant_leaves_no_count_behind() -> None:
    story = FifoStory(V={"b": "a"})
    story.arrives(1, "a")
    assert story.started("a", 1) == [grant(1, "a", 1)]
    assert story.leaves(1) == []
    assert story.arrives(2, "b") == [stop("a", 1)]
    assert story.exits("a", 1) == [start("b", 2)]


def test_f_29_a_ready_model_waits_for_its_victims_too() -> None:
    """No start is needed for it; its swap is over when they are gone."""
    story = FifoStory("a:ready", "n:ready", V_star={"a": "n"})
    assert story.arrives(1, "a") == [stop("n", 2)]
    assert story.arrives(2, "a") == []
    assert story.exits("n", 2) == [grant(1, "a", 1), grant(2, "a", 1)]


def test_f_30_a_model_that_is_about_to_start_counts_as_running() -> None:
    story = FifoStory("x:ready", V_star={"a": "bx", "b": "ax"})
    assert story.arrives(1, "a") == [stop("x", 1)]  # nothing of a is alive yet
    assert story.arrives(2, "b") == []
    assert story.exits("x", 1) == [start("a", 2)]


def test_f_31_a_victim_that_is_asked_for_again_waits_for_its_evictor() -> None:
    story = FifoStory("a:ready", V={"b": "a"})
    assert story.arrives(1, "b") == [stop("a", 1)]
    assert story.arrives(2, "a") == []
    assert story.exits("a", 1) == [start("b", 2)]
    assert story.started("b", 2) == [grant(1, "b", 2), start("a", 3)]


def test_f_32_requests_for_a_ready_model_pass_those_who_wait_for_its_place() -> None:
    story = FifoStory("a:ready", V={"b": "a"})
    assert story.all_arrive("ab") == [grant(1, "a", 1)]
    assert story.arrives(3, "a") == [grant(3, "a", 1)]
    assert story.leaves(1) == []
    assert story.leaves(3) == [stop("a", 1)]


def test_f_33_a_swap_waits_until_all_its_victims_are_idle() -> None:
    story = FifoStory("a:ready", "c:ready", V={"b": "ac"})
    story.all_arrive("acb")
    assert story.leaves(1) == []
    assert story.leaves(2) == [stop("a", 1), stop("c", 2)]


def test_f_34_a_crashed_model_starts_again_beside_the_request_it_broke() -> None:
    story = FifoStory("a:ready")
    story.arrives(1, "a")
    assert story.exits("a", 1, "signal 9") == []
    assert story.arrives(2, "a") == [start("a", 2)]
    assert story.started("a", 2) == [grant(2, "a", 2)]
    assert story.leaves(1) == []
    assert story.leaves(2) == []
    assert story.is_quiet()


def test_f_35_a_crashed_model_is_no_victim_any_more() -> None:
    """The place is free as soon as nothing of the model is left; its broken request need not have left."""
    story = FifoStory("a:ready", V_star={"b": "a"})
    story.all_arrive("ab")
    assert story.exits("a", 1) == [start("b", 2)]
    assert story.leaves(1) == []


def test_f_36_a_load_goes_on_when_its_caller_leaves() -> None:
    story = FifoStory()
    story.arrives(1, "a")
    assert story.leaves(1) == []
    assert story.started("a", 1) == []
    assert story.states == ["a:ready"]
    assert story.arrives(2, "a") == [grant(2, "a", 1)]


def test_f_36_a_load_that_has_not_begun_is_not_begun_for_nobody() -> None:
    """D: a client that leaves while room is made for its model loads nothing."""
    story = FifoStory("x:ready", V_star={"a": "x"})
    assert story.arrives(1, "a") == [stop("x", 1)]
    assert story.leaves(1) == []
    assert story.exits("x", 1) == []
    assert story.is_quiet()


def test_f_37_a_load_that_nobody_waits_for_any_more_keeps_its_place_until_it_is_over() -> None:
    story = FifoStory(V={"b": "a"})
    story.all_arrive("ab")
    assert story.leaves(1) == []
    assert story.started("a", 1) == [stop("a", 1)]
    assert story.exits("a", 1) == [start("b", 2)]


def test_f_38_a_failed_load_leaves_its_place_to_the_next_at_once() -> None:
    story = FifoStory(V_star={"b": "a"})
    story.all_arrive("ab")
    assert story.start_fails("a", 1) == [start_failed(1, "boom"), start("b", 2)]


def test_f_46_the_next_swap_goes_to_the_higher_priority() -> None:
    story = FifoStory(V={"b": "a", "c": "a"}, priority={"c": 9})
    assert story.all_arrive("ab") == [start("a", 1)]
    assert story.arrives(3, "c") == []
    assert story.queue == [(3, "c"), (1, "a"), (2, "b")]
    assert story.started("a", 1) == [grant(1, "a", 1)]
    assert story.queue == [(3, "c"), (2, "b")]
    assert story.leaves(1) == [stop("a", 1)]
    assert story.exits("a", 1) == [start("c", 2)]
    assert story.started("c", 2) == [grant(3, "c", 2), start("b", 3)]


def test_f_47_a_blocked_head_blocks_nobody_else() -> None:
    story = FifoStory("a:ready", "x:ready", V_star={"b": "a", "c": "x"}, priority={"b": 9})
    story.all_arrive("axb")
    assert story.arrives(4, "c") == []
    assert story.leaves(2) == [stop("x", 2)]
    assert story.exits("x", 2) == [start("c", 3)]
    assert story.queue == [(3, "b"), (4, "c")]


def test_f_48_without_a_longest_wait_a_steady_stream_keeps_others_out() -> None:
    story = FifoStory("a:ready", V={"b": "a"})
    story.all_arrive("ab")
    for ticket in range(3, 50):
        story.now += 1000.0
        assert story.arrives(ticket, "a") == [grant(ticket, "a", 1)]
        assert story.leaves(1 if ticket == 3 else ticket - 1) == []
    assert story.queue == [(2, "b")]


def test_f_49_who_has_waited_too_long_is_passed_no_more() -> None:
    """D: the reference knows no longest wait."""
    story = FifoStory("a:ready", V={"b": "a"}, max_wait=30.0)
    story.all_arrive("ab")
    story.now = 29.9
    assert story.arrives(3, "a") == [grant(3, "a", 1)]
    story.now = 30.0
    assert story.arrives(4, "a") == []
    assert story.leaves(1) == []
    assert story.leaves(3) == [stop("a", 1)]
    assert story.exits("a", 1) == [start("b", 2)]
    assert story.started("b", 2) == [grant(2, "b", 2), start("a", 3)]


def test_f_49_nothing_is_loaded_that_the_overdue_would_have_to_evict() -> None:
    """Else two models could take turns in keeping a third one out."""
    story = FifoStory("a:ready", V_star={"b": "ac", "c": "b"}, max_wait=30.0, priority={"c": 5})
    story.all_arrive("ab")
    story.now = 30.0
    assert story.arrives(3, "c") == []
    assert story.arrives(4, "d") == [start("d", 2)]
    assert story.leaves(1) == [stop("a", 1)]
    assert story.exits("a", 1) == [start("b", 3)]


def test_f_49_who_has_joined_a_swap_is_served_all_the_same() -> None:
    story = FifoStory("x:ready", V={"b": "ax"}, max_wait=30.0)
    story.all_arrive("xb")
    assert story.arrives(3, "a") == [start("a", 2)]
    story.now = 30.0
    assert story.arrives(4, "a") == []
    assert story.started("a", 2) == [grant(3, "a", 2), grant(4, "a", 2)]
    assert story.arrives(5, "a") == []


def test_f_50_requests_that_become_free_together_share_the_first_ones_load() -> None:
    story = FifoStory("x:ready", V_star={"b": "cx", "c": "bx"})
    story.all_arrive("xbbc")
    assert story.leaves(1) == [stop("x", 1)]
    assert story.exits("x", 1) == [start("b", 2)]
    assert story.started("b", 2) == [grant(2, "b", 2), grant(3, "b", 2)]
    assert story.queue == [(4, "c")]


def test_f_51_those_who_left_a_load_are_not_served() -> None:
    """A caller may leave before its grant, as 2 does, or in the same moment, as 3 does."""
    story = FifoStory(V={"b": "a"})
    story.all_arrive("aaab")
    assert story.leaves(2) == []
    assert story.started("a", 1) == [grant(1, "a", 1), grant(3, "a", 1)]
    assert story.leaves(3) == []
    assert story.leaves(1) == [stop("a", 1)]


def test_f_57_a_life_that_ends_before_it_could_serve_has_failed() -> None:
    """D: the reference grants, and then answers 503."""
    story = FifoStory()
    story.arrives(1, "a")
    reason = "upstream exited before it could serve: exit code 0"
    assert story.exits("a", 1, "exit code 0") == [start_failed(1, reason)]


def test_f_60_a_stopping_model_starts_again_when_it_is_gone() -> None:
    story = FifoStory("a:stopping")
    assert story.arrives(1, "a") == []
    assert story.exits("a", 1) == [start("a", 2)]
    assert story.started("a", 2) == [grant(1, "a", 2)]


def test_f_69_a_swap_waits_for_loads_and_answers_of_all_its_victims() -> None:
    story = FifoStory(V={"c": "ab"})
    assert story.all_arrive("abc") == [start("a", 1), start("b", 2)]
    assert story.started("a", 1) == [grant(1, "a", 1)]
    assert story.leaves(1) == []
    assert story.started("b", 2) == [grant(2, "b", 2)]
    assert story.leaves(2) == [stop("a", 1), stop("b", 2)]
    assert story.exits("b", 2) == []
    assert story.exits("a", 1) == [start("c", 3)]


def test_a_changed_model_is_loaded_anew_when_its_answers_are_done() -> None:
    story = FifoStory("a:ready")
    story.arrives(1, "a")
    models = {"a": ModelRules(), "b": ModelRules()}
    assert story.reconfigure(models, "a") == []
    assert story.arrives(2, "a") == []
    assert story.leaves(1) == [stop("a", 1)]
    assert story.exits("a", 1) == [start("a", 2)]
