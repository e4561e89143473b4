"""What pin, warm and spillover choose, and how many requests spillover believes to be under way."""

import random
from collections import Counter
from contextlib import ExitStack

import pytest

from llamaswap.config.parts import SelectorConfig
from llamaswap.config.schema import ModelId
from llamaswap.errors import ServiceUnavailableError
from llamaswap.proxy.selectors import Selectors, Target, choose

A, B, C = ModelId("a"), ModelId("b"), ModelId("c")
NAMES = {"a": A, "b": B, "c": C, "see": C}
STATES = ("stopped", "starting", "ready", "stopping")


def selector(strategy: str, *targets: str, spillover: int = 1) -> SelectorConfig:
    return SelectorConfig("s", strategy, targets or ("a", "b", "c"), spillover)


def chosen(selectors: Selectors, config: SelectorConfig, **states: str) -> str:
    """What a request gets that is over at once."""
    with selectors.chosen(config, NAMES, {ModelId(m): state for m, state in states.items()}) as name:
        return name


def test_pin_means_the_first_whatever_its_state() -> None:
    for state in STATES:
        assert chosen(Selectors(), selector("pin"), a=state, b="ready") == "a"


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ({"a": "starting", "c": "ready"}, "c"),
        ({"a": "starting"}, "a"),
        ({}, "a"),
        ({"b": "starting", "c": "starting"}, "b"),
        ({"b": "ready", "c": "ready"}, "b"),
        ({"a": "stopping"}, "a"),
    ],
)
def test_warm_prefers_what_is_loaded(states: dict[str, str], expected: str) -> None:
    """R-27."""
    assert chosen(Selectors(), selector("warm"), **states) == expected


def test_spillover_fills_a_target_before_it_starts_the_next() -> None:
    """R-24 and R-25: limit 2 over three cold targets gives a a b; once all are ready, the least busy one."""
    selectors, config = Selectors(), selector("spillover", spillover=2)
    with ExitStack() as held:
        first = ExitStack()
        names = [first.enter_context(selectors.chosen(config, NAMES, {}))]
        names += [held.enter_context(selectors.chosen(config, NAMES, {})) for _ in range(2)]
        assert names == ["a", "a", "b"]
        first.close()
        assert selectors.held == {("s", A): 1, ("s", B): 1}
        assert chosen(selectors, config, a="ready", b="ready", c="ready") == "c"
    assert selectors.held == {}


def test_spillover_passes_over_what_is_stopping() -> None:
    """R-26: and if everything is, it says so, as does one whose targets are all elsewhere."""
    selectors, config = Selectors(), selector("spillover")
    assert chosen(selectors, config, a="stopping") == "b"
    with pytest.raises(ServiceUnavailableError, match=r'^selector "s" has no available spillover targets$') as refused:
        chosen(selectors, config, a="stopping", b="stopping", c="stopping")
    assert refused.value.status == 503
    with pytest.raises(ServiceUnavailableError, match="no available spillover targets"):
        chosen(selectors, selector("spillover", "peer/x"))
    with pytest.raises(ServiceUnavailableError, match=r'^selector "s" has no available target$'):
        chosen(selectors, selector("pin", "peer/x", "a"))
    assert selectors.held == {}


def test_equally_busy_targets_take_turns() -> None:
    selectors, config = Selectors(), selector("spillover")
    ready = {"a": "ready", "b": "ready", "c": "ready"}
    assert [chosen(selectors, config, **ready) for _ in range(7)] == list("abcabca")


def test_full_targets_are_filled_further_when_there_is_no_cold_one() -> None:
    selectors, config = Selectors(), selector("spillover", "a", "b")
    with ExitStack() as held:
        names = [held.enter_context(selectors.chosen(config, NAMES, {})) for _ in range(6)]
    assert Counter(names) == {"a": 3, "b": 3}


def test_an_alias_counts_for_its_model_and_is_what_the_server_sees() -> None:
    selectors, config = Selectors(), selector("spillover", "see")
    with selectors.chosen(config, NAMES, {}) as name:
        assert (name, selectors.held) == ("see", {("s", C): 1})


def test_a_count_is_lowered_however_the_request_ends() -> None:
    selectors = Selectors()
    with pytest.raises(KeyError), selectors.chosen(selector("spillover"), NAMES, {}):
        raise KeyError
    assert selectors.held == {}


@pytest.mark.parametrize("seed", range(200))
def test_spillover_by_its_rules(seed: int) -> None:
    """A choice keeps the four rules in their order, for any states and counts."""
    rng = random.Random(seed)
    for _ in range(50):
        targets = [
            Target(name, ModelId(name), rng.choice(STATES), rng.choice((0, 0, 1, 2, 3)))
            for name in "abcd"[: rng.randint(1, 4)]
        ]
        limit = rng.randint(1, 3)
        choice = choose("spillover", targets, limit, rng.randint(0, 9))
        going = [t for t in targets if t.state != "stopping"]
        active = [t for t in going if t.state in ("starting", "ready") or t.held]
        cold = [t for t in going if t not in active]
        least = min((t.held for t in active), default=None)
        if choice is None:
            assert not going
        elif least is None or (least >= limit and cold):
            assert choice.target == cold[0]
        else:
            assert choice.target in active and choice.target.held == least
