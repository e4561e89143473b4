"""F-cases over a matrix."""

from llamaswap.schedule.eviction import MatrixEviction
from tests.schedule.story import grant, start, stop
from tests.schedule.tables import FifoStory, matrix_of


def test_f_64_a_ready_model_serves_even_if_no_set_allows_what_runs() -> None:
    story = FifoStory("a:ready", "b:ready", eviction=MatrixEviction(matrix_of({"one": "a", "two": "b"})))
    assert story.arrives(1, "a") == [grant(1, "a", 1)]


def test_f_65_the_combination_that_costs_least_is_chosen() -> None:
    matrix = matrix_of({"first": "a & c", "second": "a & b"}, {"b": 10, "c": 1})
    story = FifoStory("b:ready", "c:ready", eviction=MatrixEviction(matrix))
    assert story.arrives(1, "a") == [stop("c", 2)]
    assert story.exits("c", 2) == [start("a", 3)]
    assert story.states == ["b:ready", "a:starting"]


def test_f_66_nobody_is_evicted_when_nothing_runs() -> None:
    story = FifoStory(eviction=MatrixEviction(matrix_of({"first": "a & c", "second": "a & b"})))
    assert story.arrives(1, "a") == [start("a", 1)]


def test_f_67_a_model_in_no_set_stays_with_nobody() -> None:
    story = FifoStory("a:ready", "b:ready", eviction=MatrixEviction(matrix_of({"both": "a & b"})))
    assert story.arrives(1, "z") == [stop("a", 1), stop("b", 2)]
    story.exits("a", 1)
    assert story.exits("b", 2) == [start("z", 3)]
    assert story.started("z", 3) == [grant(1, "z", 3)]
    story.leaves(1)
    assert story.arrives(2, "a") == [stop("z", 3)]


def test_a_model_that_is_on_its_way_out_gives_itself_no_right_to_stay() -> None:
    """The matrix evicts nobody for a model that runs; one that has to start afresh makes room like any other."""
    story = FifoStory("a:stopping", "b:ready", eviction=MatrixEviction(matrix_of({"one": "a", "two": "b"})))
    assert story.arrives(1, "a") == [stop("b", 2)]
    assert story.exits("a", 1) == []
    assert story.exits("b", 2) == [start("a", 3)]
