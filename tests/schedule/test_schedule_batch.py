"""Batch: requests for one model together, within bounds."""

from llamaswap.schedule.commands import Grant, Start
from llamaswap.schedule.events import ModelRules
from llamaswap.schedule.eviction import MatrixEviction
from tests.schedule.story import grant, start, start_failed, stop
from tests.schedule.tables import BatchStory, Table, matrix_of


def test_requests_for_the_ready_model_pass_the_one_that_needs_its_place() -> None:
    story = BatchStory("a:ready")
    assert story.all_arrive("abaa") == [grant(1, "a", 1)]
    assert story.leaves(1) == [grant(3, "a", 1)]
    assert story.leaves(3) == [grant(4, "a", 1)]
    assert story.leaves(4) == [stop("a", 1)]
    assert story.exits("a", 1) == [start("b", 2)]


def test_a_b_a_b_loads_each_model_once() -> None:
    story = BatchStory()
    orders = story.all_arrive("ababab")
    for life, model in ((1, "a"), (2, "b")):
        orders += story.started(model, life)
        while served := [order for order in orders if isinstance(order, Grant) and order.life == life]:
            orders.remove(served[0])
            orders += story.leaves(served[0].ticket)
        orders += story.exits(model, life) if life == 1 else []
    assert [order for order in orders if isinstance(order, Start)] == [start("a", 1), start("b", 2)]
    assert story.is_quiet()


def test_nobody_is_passed_by_more_than_allowed() -> None:
    story = BatchStory("a:ready", max_overtakes=2)
    story.all_arrive("abaaa")
    assert story.leaves(1) == [grant(3, "a", 1)]
    assert story.leaves(3) == [grant(4, "a", 1)]
    assert story.leaves(4) == [stop("a", 1)]


def test_nobody_is_passed_after_the_longest_wait() -> None:
    story = BatchStory("a:ready", max_wait=60.0)
    story.all_arrive("abaa")
    story.now = 59.9
    assert story.leaves(1) == [grant(3, "a", 1)]
    story.now = 60.0
    assert story.leaves(3) == [stop("a", 1)]


def test_who_is_first_next_has_been_passed_too() -> None:
    """2 and 4 wait; 3 passes 2 only, 5 passes both. When 2 has left, 4 has been passed once, not twice."""
    story = BatchStory("a:ready", max_overtakes=2)
    story.all_arrive("ababa")
    assert story.leaves(1) == [grant(3, "a", 1)]
    assert story.leaves(3) == [grant(5, "a", 1)]
    assert story.arrives(6, "a") == []
    assert story.arrives(7, "a") == []
    assert story.leaves(2) == []
    assert story.leaves(5) == [grant(6, "a", 1)]
    assert story.leaves(6) == [stop("a", 1)]


def test_as_many_are_served_at_once_as_the_model_allows() -> None:
    story = BatchStory("a:ready", parallel={"a": 2})
    assert story.all_arrive("aaa") == [grant(1, "a", 1), grant(2, "a", 1)]
    assert story.leaves(2) == [grant(3, "a", 1)]


def test_models_that_may_be_there_together_load_and_serve_together() -> None:
    story = BatchStory(eviction=MatrixEviction(matrix_of({"both": "a & b"})))
    assert story.all_arrive("abc") == [start("a", 1), start("b", 2)]
    assert story.started("b", 2) == [grant(2, "b", 2)]
    assert story.started("a", 1) == [grant(1, "a", 1)]
    assert story.leaves(1) == []
    assert story.leaves(2) == [stop("a", 1), stop("b", 2)]


def test_the_bound_holds_across_models_that_do_not_touch() -> None:
    """It is a promise about arrivals; that another model could have gone on is its price."""
    story = BatchStory("c:ready", eviction=Table({}), max_overtakes=1)
    assert story.arrives(1, "a") == [start("a", 2)]
    assert story.arrives(2, "c") == [grant(2, "c", 1)]
    story.leaves(2)
    assert story.arrives(3, "c") == []
    assert story.started("a", 2) == [grant(1, "a", 2), grant(3, "c", 1)]


def test_a_later_claim_never_makes_an_earlier_one_wait_longer() -> None:
    """c could load beside a, but b, which waits for a's place, would have to evict it again."""
    story = BatchStory("a:ready", eviction=Table({"b": "ac", "c": ""}))
    assert story.all_arrive("ab") == [grant(1, "a", 1)]
    assert story.arrives(3, "c") == []
    assert story.arrives(4, "d") == [start("d", 2)]
    assert story.leaves(1) == [stop("a", 1)]


def test_a_load_that_nobody_waits_for_gives_way_at_once() -> None:
    story = BatchStory()
    story.all_arrive("ab")
    assert story.leaves(1) == [stop("a", 1)]
    assert story.exits("a", 1) == [start("b", 2)]


def test_a_load_is_kept_for_a_later_request_if_that_may_pass() -> None:
    story = BatchStory()
    story.all_arrive("aba")
    assert story.leaves(1) == []
    assert story.started("a", 1) == [grant(3, "a", 1)]


def test_a_load_is_not_kept_for_a_later_request_that_may_not_pass() -> None:
    story = BatchStory(max_overtakes=0)
    story.all_arrive("aba")
    assert story.leaves(1) == [stop("a", 1)]


def test_a_failed_load_fails_the_one_it_was_for() -> None:
    story = BatchStory()
    story.all_arrive("aa")
    assert story.start_fails("a", 1) == [start_failed(1, "boom"), start("a", 2)]


def test_a_changed_model_takes_no_one_on_beside_the_request_it_finishes() -> None:
    story = BatchStory("a:ready", parallel={"a": 4})
    story.arrives(1, "a")
    story.reconfigure({"a": ModelRules(parallel=4)}, "a")
    assert story.arrives(2, "a") == []
    assert story.leaves(1) == [stop("a", 1)]
    assert story.exits("a", 1) == [start("a", 2)]


def test_positions_tell_who_waits_for_a_load_and_who_in_line() -> None:
    story = BatchStory()
    story.all_arrive("aba")
    assert story.positions == {1: 0, 2: 1, 3: 0}
