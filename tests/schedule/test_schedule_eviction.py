"""Who must go before a model is loaded: groups, and one at a time. For the matrix see test_schedule_matrix.py."""

import random
from collections.abc import Sequence
from itertools import combinations

import pytest

from llamaswap.config.names import ModelId
from llamaswap.config.routing import IMPLICIT_GROUP, GroupConfig
from llamaswap.schedule.eviction import Evicted, Eviction, GroupEviction, OneAtATime


def ids(names: str) -> tuple[ModelId, ...]:
    return tuple(ModelId(name) for name in names.split())


def group(name: str, members: str, flags: str = "swap exclusive") -> GroupConfig:
    return GroupConfig(name, "swap" in flags, "exclusive" in flags, "persistent" in flags, ids(members))


#: Two that swap, two that run together, one that nobody else may evict, one that leaves others alone.
GROUPS = (
    group("swapping", "a b"),
    group("together", "c d", "exclusive"),
    group("kept", "k", "swap exclusive persistent"),
    group("guest", "g h", "swap"),
    group(IMPLICIT_GROUP, "z"),
)


@pytest.mark.parametrize(
    ("target", "running", "victims"),
    [
        pytest.param("a", "", "", id="nothing runs"),
        pytest.param("a", "a", "", id="never the target"),
        pytest.param("a", "b", "b", id="a group that swaps"),
        pytest.param("c", "d", "", id="a group that runs together"),
        pytest.param("a", "c d", "c d", id="an exclusive group"),
        pytest.param("c", "a d z", "a z", id="an exclusive group keeps its own"),
        pytest.param("a", "c k", "c", id="persistent protects against other groups"),
        pytest.param("g", "a c k", "", id="not exclusive: the others stay"),
        pytest.param("g", "h", "h", id="not exclusive, but it swaps"),
        pytest.param("a", "a g", "g", id="not symmetric: an exclusive model, though ready, evicts the guest"),
        pytest.param("k", "a c", "a c", id="persistent does not stop it from evicting"),
        pytest.param("z", "a", "a", id="the implicit group swaps and is exclusive"),
        pytest.param("a", "x z", "x z", id="a model that is configured no more goes"),
        pytest.param("x", "a k", "a k", id="beside a model that is configured no more nobody stays"),
        pytest.param("c", "z a", "z a", id="in the order of the running"),
    ],
)
def test_groups(target: str, running: str, victims: str) -> None:
    assert GroupEviction(GROUPS).victims(ModelId(target), ids(running)) == ids(victims)


def test_one_at_a_time() -> None:
    policy = OneAtATime()
    assert policy.victims(ModelId("b"), ids("a b c")) == ids("a c")
    assert policy.explain(ModelId("b"), ids("a b")).evicted == (Evicted(ModelId("a"), "one model at a time"),)
    assert [policy.allowed(ids(running)) for running in ("", "a", "a b")] == [True, True, False]


def test_groups_say_by_which_rule() -> None:
    decision = GroupEviction(GROUPS).explain(ModelId("a"), ids("b c k x"))
    assert decision.evicted == (
        Evicted(ModelId("b"), "group swapping swaps"),
        Evicted(ModelId("c"), "group swapping is exclusive"),
        Evicted(ModelId("x"), "no group holds x"),
    )
    assert decision.victims == ids("b c x")


def reachable(policy: Eviction, models: Sequence[ModelId]) -> set[frozenset[ModelId]]:
    """Every set of models that can be alive, by loading and unloading in every order."""
    found: set[frozenset[ModelId]] = set()
    ahead = {frozenset[ModelId]()}
    while ahead:
        alive = ahead.pop()
        found.add(alive)
        loads = {alive.difference(policy.victims(model, sorted(alive))) | {model} for model in models}
        ahead |= (loads | {alive - {model} for model in alive}) - found
    return found


def test_allowed_is_what_loads_and_unloads_can_reach() -> None:
    models = ids("a b c d e")
    subsets = [subset for size in range(6) for subset in combinations(models, size)]
    for seed in range(60):
        rng = random.Random(seed)
        homes = {model: rng.choice("ghi") for model in models}
        flags = {name: (rng.random() < 0.5, rng.random() < 0.5, rng.random() < 0.5) for name in "ghi"}
        policy = GroupEviction([GroupConfig(n, *flags[n], tuple(m for m in models if homes[m] == n)) for n in "ghi"])
        alive = reachable(policy, models)
        assert {frozenset(subset) for subset in subsets if policy.allowed(subset)} == alive, (homes, flags)
