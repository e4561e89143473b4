"""F-cases: limits, priorities, unloads, idleness, shutdown, and what cannot be stopped."""

import re
from pathlib import Path

import pytest

from llamaswap.config.names import ModelId
from llamaswap.config.routing import GroupConfig
from llamaswap.schedule.commands import Refusal, Reject
from llamaswap.schedule.events import ModelRules, Ticket
from llamaswap.schedule.eviction import GroupEviction
from llamaswap.schedule.fifo import FifoScheduler
from tests.schedule.story import closing, grant, start, start_failed, stop, taken_away, too_many, unknown, unloaded
from tests.schedule.tables import FifoStory


def cannot_stop(ticket: int, model: str, trouble: str = "unkillable") -> Reject:
    return Reject(Ticket(ticket), Refusal.CANNOT_STOP, f"{model} cannot be stopped: {trouble}")


def groups(**members: str) -> GroupEviction:
    """Groups by their flags: `s`wap, `e`xclusive, `p`ersistent, then `_` and a number; members are letters."""
    return GroupEviction(
        [
            GroupConfig(name, "s" in name, "e" in name, "p" in name, tuple(map(ModelId, models)))
            for name, models in members.items()
        ]
    )


def test_f_13_shutdown_refuses_everybody_who_waits() -> None:
    story = FifoStory(V={"c": "ab"})
    story.all_arrive("aabbc")
    assert story.shutdown() == [*map(closing, range(1, 6)), stop("a", 1), stop("b", 2)]
    assert story.exits("a", 1) == []
    assert story.is_quiet()


def test_f_14_unloading_a_loading_model_answers_all_who_wait_for_it() -> None:
    story = FifoStory()
    story.all_arrive("aa")
    assert story.unload(1, "a", 1.0) == [taken_away(1), taken_away(2), stop("a", 1, 1.0)]
    assert story.exits("a", 1) == [unloaded(1)]
    assert story.is_quiet()


def test_f_15_unloading_a_model_that_only_waits_leaves_the_running_swap_alone() -> None:
    story = FifoStory(V={"b": "a"})
    story.all_arrive("ab")
    assert story.unload(1, "b") == [taken_away(2), unloaded(1)]
    assert story.started("a", 1) == [grant(1, "a", 1)]
    assert story.leaves(1) == []


def test_f_16_the_queue_is_in_order_of_priority_and_then_of_arrival() -> None:
    story = FifoStory(V={"z": "abcd"}, priority={"a": 10, "b": 5, "c": 5, "d": 1})
    story.all_arrive("zbdca")
    assert "".join(model for _, model in story.queue) == "abcdz"


def test_f_17_nothing_is_loaded_for_a_client_that_left_the_queue() -> None:
    story = FifoStory(V={"b": "a"})
    story.all_arrive("ab")
    assert story.leaves(2) == []
    assert story.queue == [(1, "a")]
    assert story.started("a", 1) == [grant(1, "a", 1)]
    assert story.leaves(1) == []


def test_f_18_a_client_that_left_a_load_is_not_served() -> None:
    story = FifoStory()
    story.all_arrive("aa")
    assert story.leaves(2) == []
    assert story.started("a", 1) == [grant(1, "a", 1)]


def test_f_19_the_end_of_a_served_request_is_quiet() -> None:
    story = FifoStory("a:ready")
    story.arrives(1, "a")
    assert story.leaves(1) == []
    assert story.leaves(1) == []
    assert story.is_quiet()


def test_f_20_a_limit_refuses_at_arrival_and_is_free_again_after_the_answer() -> None:
    story = FifoStory("a:ready", limits={"a": 1})
    assert story.all_arrive("aa") == [grant(1, "a", 1), too_many(2)]
    story.leaves(1)
    assert story.arrives(3, "a") == [grant(3, "a", 1)]


def test_f_21_without_a_limit_ten_are_served_at_once_and_the_others_wait() -> None:
    """D: the reference refuses the eleventh."""
    story = FifoStory("a:ready")
    assert story.all_arrive("a" * 12) == [grant(ticket, "a", 1) for ticket in range(1, 11)]
    assert story.queue == [(11, "a"), (12, "a")]
    assert story.leaves(5) == [grant(11, "a", 1)]


def test_f_22_a_limit_of_two_serves_two() -> None:
    story = FifoStory("a:ready", limits={"a": 2})
    assert story.all_arrive("aaa") == [grant(1, "a", 1), grant(2, "a", 1), too_many(3)]


def test_f_23_a_limit_counts_those_who_wait_for_a_load() -> None:
    story = FifoStory(limits={"a": 2})
    assert story.all_arrive("aaa") == [start("a", 1), too_many(3)]
    assert story.started("a", 1) == [grant(1, "a", 1), grant(2, "a", 1)]


def test_f_24_a_limit_counts_those_in_the_queue() -> None:
    story = FifoStory(limits={"a": 2}, V={"a": "b"})
    assert story.all_arrive("baaa") == [start("b", 1), too_many(4)]
    assert story.started("b", 1) == [grant(1, "b", 1)]
    assert story.leaves(1) == [stop("b", 1)]
    assert story.exits("b", 1) == [start("a", 2)]
    assert story.started("a", 2) == [grant(2, "a", 2), grant(3, "a", 2)]


def test_f_25_a_client_that_leaves_the_queue_frees_its_place() -> None:
    story = FifoStory(limits={"a": 1}, V={"a": "b"})
    assert story.all_arrive("baa") == [start("b", 1), too_many(3)]
    story.leaves(2)
    assert story.arrives(4, "a") == []
    assert story.queue == [(1, "b"), (4, "a")]


def test_f_26_the_priority_of_a_request_is_known() -> None:
    """The request's metadata, where the reference puts it, is not the scheduler's."""
    story = FifoStory("a:ready", priority={"a": 7})
    assert isinstance(story.machine, FifoScheduler)
    assert story.machine.priority(ModelId("a")) == 7
    assert story.machine.priority(ModelId("b")) == 0


def test_f_27_a_client_gone_at_its_arrival_leaves_nothing_behind() -> None:
    """For the scheduler it arrives and leaves; a caller that knows it is gone does not announce it at all."""
    story = FifoStory("a:ready")
    assert story.arrives(1, "a") == [grant(1, "a", 1)]
    assert story.leaves(1) == []
    assert story.is_quiet()


def test_f_28_releasing_what_was_not_reserved_is_a_bug() -> None:
    story = FifoStory()
    with pytest.raises(KeyError):
        story.machine._requests._release(ModelId("a"))


def test_f_39_a_late_failure_of_an_unloaded_life_is_not_the_next_ones() -> None:
    """D: the reference mistakes the one for the other."""
    story = FifoStory()
    story.arrives(1, "a")
    assert story.unload(1, "a") == [taken_away(1), stop("a", 1)]
    assert story.arrives(2, "a") == []
    assert story.start_fails("a", 1) == [unloaded(1), start("a", 2)]
    assert story.start_fails("a", 1) == []
    assert story.started("a", 2) == [grant(2, "a", 2)]


def test_f_40_a_swap_that_is_unloaded_while_it_makes_room_starts_nothing() -> None:
    """D: the reference starts the model after all."""
    story = FifoStory("x:ready", V={"a": "x"})
    assert story.arrives(1, "a") == [stop("x", 1)]
    assert story.unload(1, "a") == [taken_away(1), unloaded(1)]
    assert story.exits("x", 1) == []
    assert story.is_quiet()


def test_f_41_an_unload_under_way_delays_only_its_own_model() -> None:
    """D: the reference stands still until the process is gone."""
    story = FifoStory("a:ready", "c:ready")
    assert story.unload(1, "a") == [stop("a", 1)]
    assert story.arrives(1, "c") == [grant(1, "c", 2)]
    assert story.arrives(2, "a") == []
    assert story.exits("a", 1) == [unloaded(1), start("a", 3)]


def test_f_42_an_unload_of_a_victim_joins_the_stop_under_way() -> None:
    story = FifoStory("a:ready", V={"b": "a"})
    assert story.arrives(1, "b") == [stop("a", 1)]
    assert story.unload(1, "a") == [stop("a", 1)]
    assert story.exits("a", 1) == [unloaded(1), start("b", 2)]
    assert story.started("b", 2) == [grant(1, "b", 2)]


def test_f_43_an_unload_under_a_served_request_frees_the_place_when_the_process_is_gone() -> None:
    story = FifoStory("a:ready", V_star={"b": "a"})
    story.all_arrive("ab")
    assert story.unload(1, "a") == [stop("a", 1)]
    assert story.exits("a", 1) == [unloaded(1), start("b", 2)]
    assert story.leaves(1) == []


def test_f_44_two_unloads_of_an_idle_model_are_two_stops() -> None:
    story = FifoStory("a:ready")
    assert story.unload(1, "a") == [stop("a", 1)]
    assert story.unload(2, "a") == [stop("a", 1)]
    assert story.exits("a", 1) == [unloaded(1), unloaded(2)]


def test_f_45_an_unload_of_nothing_is_answered() -> None:
    assert FifoStory("a:ready").unload(1, ["nosuch"]) == [unloaded(1)]


def test_f_52_shutdown_lets_the_served_request_finish() -> None:
    story = FifoStory("a:ready")
    story.arrives(1, "a")
    assert story.shutdown() == []
    assert story.leaves(1) == [stop("a", 1)]


def test_f_53_a_load_that_ends_well_after_the_shutdown_serves_nobody() -> None:
    story = FifoStory()
    story.arrives(1, "a")
    assert story.shutdown() == [closing(1), stop("a", 1)]
    assert story.started("a", 1) == []
    assert story.arrives(2, "a") == [closing(2)]


def test_f_54_a_failed_load_frees_the_place_under_the_limit() -> None:
    story = FifoStory(limits={"a": 1})
    story.arrives(1, "a")
    assert story.start_fails("a", 1) == [start_failed(1, "boom")]
    assert story.arrives(2, "a") == [start("a", 2)]


def test_f_55_a_caller_gone_at_its_grant_frees_the_place_under_the_limit() -> None:
    story = FifoStory(limits={"a": 1})
    story.arrives(1, "a")
    assert story.started("a", 1) == [grant(1, "a", 1)]
    story.leaves(1)
    assert story.arrives(2, "a") == [grant(2, "a", 1)]


def test_f_56_a_limit_is_one_models_own() -> None:
    story = FifoStory("a:ready", "b:ready", limits={"a": 1})
    assert story.all_arrive("ab") == [grant(1, "a", 1), grant(2, "b", 2)]


def test_f_58_a_victim_that_cannot_be_stopped_fails_the_swap_and_nobody_else() -> None:
    """D: the reference starts the model on top."""
    story = FifoStory("x:ready", "c:ready", V={"a": "x"})
    story.all_arrive("aa")
    assert story.stop_fails("x", 1) == [cannot_stop(1, "x"), cannot_stop(2, "x")]
    assert story.arrives(3, "a") == [cannot_stop(3, "x")]
    assert story.arrives(4, "c") == [grant(4, "c", 2)]
    assert story.exits("x", 1) == []
    assert story.arrives(5, "a") == [start("a", 3)]


def test_f_58_a_model_that_cannot_be_stopped_is_not_loaded_again_beside_itself() -> None:
    story = FifoStory("a:ready")
    story.unload(1, "a")
    assert story.arrives(1, "a") == []
    assert story.stop_fails("a", 1) == [unloaded(1, "a"), cannot_stop(1, "a")]


def test_f_59_a_model_that_is_wanted_is_not_idle() -> None:
    """D: time runs from the last answer."""
    story = FifoStory("a:ready")
    models = {"a": ModelRules(ttl=10.0), "b": ModelRules()}
    story.reconfigure(models)
    assert story.machine.next_deadline == 10.0
    story.arrives(1, "a")
    assert story.machine.next_deadline is None
    assert story.tick(20.0) == []
    assert story.leaves(1) == []
    assert story.machine.next_deadline == 30.0
    assert story.tick(10.0) == [stop("a", 1)]


def test_f_61_a_group_that_does_not_swap_loads_in_parallel() -> None:
    assert FifoStory(eviction=groups(e="ab")).all_arrive("ab") == [start("a", 1), start("b", 2)]


def test_f_62_a_persistent_group_is_spared() -> None:
    story = FifoStory("p:ready", eviction=groups(sp="p", se="ab"))
    assert story.arrives(1, "b") == [start("b", 2)]


def test_f_63_a_group_that_is_not_exclusive_evicts_no_other() -> None:
    story = FifoStory("e:ready", eviction=groups(se="e", s="n"))
    assert story.arrives(1, "n") == [start("n", 2)]
    assert story.states == ["e:ready", "n:starting"]


def test_f_68_a_vanished_model_is_told_to_those_who_wait_for_it() -> None:
    story = FifoStory("b:ready", V={"a": "b"})
    story.all_arrive("ba")
    assert story.reconfigure({"b": ModelRules()}) == [unknown(2)]
    story.leaves(1)
    assert story.is_quiet()


def test_f_70_positions_are_there_for_the_asking() -> None:
    """D: they are not announced; the latest is the only one there is. Who waits for a swap of its model has place 0."""
    story = FifoStory("a:ready", V_star={"b": "a", "c": "ab"}, priority={"c": 1})
    story.all_arrive("abbcd")
    assert story.positions == {4: 1, 2: 2, 3: 3, 5: 0}
    story.leaves(4)
    assert story.positions == {2: 1, 3: 2, 5: 0}
    story.leaves(1)
    assert story.positions == {2: 0, 3: 0, 5: 0}


def test_every_case_of_the_table_has_a_test() -> None:
    sources = "".join(path.read_text() for path in Path(__file__).parent.glob("test_schedule_fifo_*.py"))
    told = {int(number) for number in re.findall(r"^def test_f_(\d\d)_", sources, re.MULTILINE)}
    assert set(range(1, 71)) - told == set()
