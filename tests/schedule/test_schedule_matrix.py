"""Which combination of a matrix is chosen: the specified cases, and thousands against two other solvers."""

import time
from dataclasses import replace
from itertools import combinations

import pytest

from llamaswap.config.matrix.compile import Finding, compile_matrix
from llamaswap.config.matrix.sets import Matrix
from llamaswap.config.names import ModelId
from llamaswap.config.routing import GroupConfig, RoutingConfig, SchedulerConfig, SchedulerName
from llamaswap.schedule.eviction import (
    MOST_KEPT,
    Decision,
    Evicted,
    Eviction,
    GroupEviction,
    MatrixEviction,
    OneAtATime,
    eviction_for,
)
from llamaswap.schedule.matrix import Choice, solve
from tests.schedule.matrices import check_all, check_hurried


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


# The policy over it.

MATRIX = matrix_of({"duo": "(t | u) & v", "big": "L"})


def test_the_policy_says_by_which_set() -> None:
    policy = MatrixEviction(MATRIX)
    assert policy.explain(ModelId("u"), ids("t v")) == Decision(
        ModelId("u"),
        (Evicted(ModelId("t"), "set duo = (t | u) & v, cost 1"),),
        Choice(ids("t"), ids("v u"), 1, "duo", "(t | u) & v"),
    )
    decision = policy.explain(ModelId("z"), ids("a t"))
    assert decision.evicted == tuple(Evicted(model, "no set holds z") for model in ids("a t"))
    assert policy.explain(ModelId("t"), ids("a t")).evicted == ()


def test_the_policy_answers_twice_alike_and_keeps_little() -> None:
    policy = MatrixEviction(MATRIX)
    everyone = [ModelId(f"m{n:02}") for n in range(12)]
    several = [running for size in range(4) for running in combinations(everyone, size)]
    assert len(several) * 5 > MOST_KEPT
    for target in everyone[:5]:
        for running in several:
            expected = solve(MATRIX, target, running).victims
            assert policy.victims(target, running) == policy.victims(target, running) == expected
    assert len(policy._kept) <= MOST_KEPT


def test_what_loads_can_reach_is_what_the_matrix_allows() -> None:
    """Every set of models alive after any loads and unloads; and each model can always be alone."""
    policy = MatrixEviction(matrix_of({"s": "a & (b | c & d)", "t": "+s & u | x"}))
    models = ids("a b c d t u x")
    found: set[frozenset[ModelId]] = set()
    ahead = {frozenset[ModelId]()}
    while ahead:
        alive = ahead.pop()
        found.add(alive)
        loads = {alive.difference(policy.victims(model, sorted(alive))) | {model} for model in models}
        ahead |= (loads | {alive - {model} for model in alive}) - found
    subsets = [subset for size in range(len(models) + 1) for subset in combinations(models, size)]
    assert found == {frozenset(subset) for subset in subsets if policy.allowed(subset)}


@pytest.mark.parametrize(
    ("use", "routing", "kind"),
    [
        ("serial", RoutingConfig("matrix", matrix=MATRIX), OneAtATime),
        ("serial", RoutingConfig("group"), OneAtATime),
        ("fifo", RoutingConfig("matrix", matrix=MATRIX), MatrixEviction),
        ("fifo", RoutingConfig("group", groups=(GroupConfig("g", members=ids("a")),)), GroupEviction),
        ("batch", RoutingConfig("matrix", matrix=MATRIX), MatrixEviction),
        ("batch", RoutingConfig("group"), GroupEviction),
    ],
)
def test_the_policy_that_is_configured(use: SchedulerName, routing: RoutingConfig, kind: type[Eviction]) -> None:
    assert isinstance(eviction_for(replace(routing, scheduler=SchedulerConfig(use))), kind)


# Hostile matrices. A few seconds are generous: the machine may be busy.


def solved_quickly(matrix: Matrix, running: list[ModelId], target: str = "t") -> Choice:
    begun = time.process_time()
    choice = solve(matrix, ModelId(target), running)
    assert time.process_time() - begun < 8
    return choice


def numbered(count: int) -> list[ModelId]:
    return [ModelId(f"m{n:03}") for n in range(count)]


def test_a_billion_combinations_are_not_expanded() -> None:
    """`|` in `&`: 2^30 of them."""
    models = numbered(60)
    text = "t & " + " & ".join(f"({one} | {other})" for one, other in zip(models[::2], models[1::2], strict=True))
    choice = solved_quickly(matrix_of({"s": text}, models=" ".join(["t", *models])), models[::2])
    assert (choice.victims, choice.cost) == ((), 0)


def test_any_three_of_thirty_beside_the_target() -> None:
    """4060 states, none of which contains another: still exact."""
    models = numbered(30)
    anyone = "(" + " | ".join(models) + ")"
    costs = {"m007": 5, "m020": 6, "m029": 4}
    choice = solved_quickly(
        matrix_of({"s": f"t & {anyone} & {anyone} & {anyone}"}, costs, " ".join(["t", *models])), models
    )
    assert (choice.state, choice.cost) == ((models[7], models[20], models[29], ModelId("t")), 27)


@pytest.mark.parametrize("running", [24, 60])
def test_beyond_the_bound_the_answer_is_still_safe(running: int) -> None:
    """Any half of many running models: more states than there is time for."""
    models = numbered(running)
    anyone = "(" + " | ".join([*models, "t"]) + ")"
    matrix = matrix_of({"s": " & ".join([anyone] * (running // 2 + 1))}, models=" ".join(["t", *models]))
    choice = solved_quickly(matrix, models)
    assert choice.set_name == "s"
    assert 2 <= len(choice.state) <= running // 2 + 1
    assert ModelId("t") in choice.state


def test_without_any_time_random_answers_are_still_safe() -> None:
    """What is kept is allowed, and a target that some set mentions is never said to be in none."""
    assert sum(check_hurried(seed) for seed in range(1_000)) > 200


def test_a_thousand_sets_of_a_thousand_models() -> None:
    models = numbered(1_000)
    sets = {f"s{n}": f"{models[n]} & {models[-n]} | +s{n - 1}" if n else models[0] for n in range(1_000)}
    matrix = matrix_of(sets, models=" ".join(models))
    assert solved_quickly(matrix, [models[2], models[999]], models[1]).victims == (models[2],)
