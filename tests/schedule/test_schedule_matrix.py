"""Which combination of a matrix is chosen: the specified cases, and thousands against two other solvers."""

import pytest

from llamaswap.config.matrix import Matrix
from llamaswap.config.matrix_compile import Finding, compile_matrix
from llamaswap.config.names import ModelId
from llamaswap.schedule.matrix import Choice, solve
from tests.schedule.matrices import check_all


def ids(names: str) -> tuple[ModelId, ...]:
    return tuple(ModelId(name) for name in names.split())


def matrix_of(sets: dict[str, str], costs: dict[str, int] | None = None, models: str = "") -> Matrix:
    found: list[Finding] = []
    everyone = ids(models or "a b c d o t u v x z L")
    matrix = compile_matrix({}, costs or {}, sets, everyone, found.append)
    assert not found
    return matrix


@pytest.mark.parametrize(
    ("sets", "target", "running", "costs", "evict", "chosen", "cost"),
    [
        pytest.param({"duo": "t & v", "big": "L"}, "L", "t v", {}, "t v", "big", 2, id="target alone in a set"),
        pytest.param({"duo": "(t | u) & v"}, "u", "t v", {}, "t", "duo", 1, id="subset use"),
        pytest.param({"x": "t & a", "y": "t & b"}, "t", "a b", {"b": 9}, "a", "y", 1, id="cost decides"),
        pytest.param({"x": "t & a", "y": "t & b"}, "t", "a b", {}, "b", "x", 1, id="tie between sets"),
        pytest.param({"x": "t & (b | a)"}, "t", "a b", {}, "a", "x", 1, id="tie inside a set"),
        pytest.param({"p": "+q & c", "q": "t & a"}, "t", "a b", {}, "b", "q", 1, id="reference comes first"),
        pytest.param({"x": "a & b"}, "z", "a b", {}, "a b", None, 2, id="unknown target"),
        pytest.param({"x": "t & a"}, "t", "a o", {}, "o", "x", 1, id="outsider"),
        pytest.param({"x": "t"}, "t", "o t", {}, "", None, 0, id="already running"),
        pytest.param({"x": "t & (a | (a & b))"}, "t", "a b", {}, "", "x", 0, id="superset replaces"),
        pytest.param({"s": "t & (a | x | (a & c)) & c"}, "t", "a c x", {}, "a", "s", 1, id="pruning order"),
        pytest.param({"x": "t & a", "y": "t"}, "t", "", {}, "", "x", 0, id="nothing runs"),
        pytest.param({"x": "t | u & a"}, "t", "a", {}, "a", "x", 1, id="precedence"),
    ],
)
def test_vectors(
    *,
    sets: dict[str, str],
    target: str,
    running: str,
    costs: dict[str, int],
    evict: str,
    chosen: str | None,
    cost: int,
) -> None:
    choice = solve(matrix_of(sets, costs), ModelId(target), ids(running))
    assert (choice.victims, choice.set_name, choice.cost) == (ids(evict), chosen, cost)
    assert choice.expression == (sets[chosen] if chosen else "")


def test_the_state_is_what_runs_afterwards() -> None:
    """Those who stay, then the target; the rest of the combination is not started."""
    choice = solve(matrix_of({"s": "a & t & c & d"}), ModelId("t"), ids("a b c"))
    assert choice == Choice(ids("b"), ids("a c t"), 1, "s", "a & t & c & d")


def test_two_thousand_random_matrices_agree_with_two_other_solvers() -> None:
    assert check_all(range(2_000)) == 2_000
