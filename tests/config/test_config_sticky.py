"""Ports over reloads: who lives keeps its own, and nobody else gets it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llamaswap.config.load import Loaded, PortsInUse, load_text
from llamaswap.config.plan.plan import Alive
from llamaswap.config.plan.sticky import fits, load_again
from llamaswap.config.schema import Config, ModelId
from llamaswap.errors import ConfigError


def text(names: str, start_port: int = 5800) -> str:
    models = {name: {"cmd": "srv ${PORT}"} for name in names}
    return json.dumps({"startPort": start_port, "models": models})


def loader(content: str) -> Callable[[PortsInUse], Loaded]:
    return lambda in_use: load_text(content, "c.yaml", {}, in_use=in_use)


def ports(config: Config) -> dict[str, int | None]:
    return {name: model.port for name, model in config.models.items()}


def living(config: Config, names: str) -> list[Alive]:
    return [Alive(ModelId(name), config.models[ModelId(name)].port) for name in names]


BCD = loader(text("bcd"))(PortsInUse()).config


@pytest.mark.parametrize(
    ("names", "start_port", "alive", "expected"),
    [
        ("abcd", 5800, "", {"a": 5803, "b": 5800, "c": 5801, "d": 5802}),  # a sorts first and moves nobody
        ("ad", 5800, "", {"a": 5800, "d": 5802}),  # the first free one
        ("ad", 5800, "b", {"a": 5801, "d": 5802}),  # b is removed, but lives still
        ("bcd", 5900, "c", {"b": 5900, "c": 5801, "d": 5901}),  # startPort moves all but c, which lives
        ("abcd", 5801, "c", {"a": 5802, "b": 5803, "c": 5801, "d": 5804}),
    ],
)
def test_ports_are_sticky(names: str, start_port: int, alive: str, expected: dict[str, int]) -> None:
    new = load_again(loader(text(names, start_port)), BCD, living(BCD, alive)).config
    assert ports(new) == expected
    assert fits(new, living(BCD, alive))


@pytest.mark.parametrize("content", ["", "# nothing\n", "---\n", "{}"])
def test_files_that_have_become_empty_remove_nobody(content: str) -> None:
    with pytest.raises(ConfigError, match=r"has become empty; nothing was changed; .* write models: \{\}"):
        load_again(loader(content), BCD, [])
    assert load_again(loader("models: {}"), BCD, []).config.models == {}
    assert load_again(loader(content), Config(), []).config.models == {}


def test_a_model_that_comes_back_while_its_process_drains_gets_its_port_back() -> None:
    draining = [Alive(ModelId("a"), 5803, requests=1, outdated=True)]
    new = load_again(loader(text("abcd")), BCD, draining).config
    assert ports(new)["a"] == 5803


def test_what_has_been_started_meanwhile_makes_the_result_unfit_unless_care_is_taken() -> None:
    """B, which is to be removed, is started while the new configuration loads: its port has been given away."""
    load, started = loader(text("acd")), living(BCD, "b")
    assert not fits(load_again(load, BCD, []).config, started)
    careful = load_again(load, BCD, [], careful=True).config
    assert fits(careful, started)
    assert ports(careful) == {"a": 5803, "c": 5801, "d": 5802}
    moved = load_again(loader(text("bcd", 5801)), BCD, []).config  # startPort moves b, c, d to 5801, 5802, 5803
    assert not fits(moved, living(BCD, "c"))
    assert not fits(moved, living(BCD, "d"))


_names = st.sets(st.sampled_from("abcdefg")).map(lambda names: "".join(sorted(names)))
_step = st.tuples(_names, st.sampled_from([5800, 5800, 5801, 5803]), st.booleans())


@given(st.lists(_step, min_size=1, max_size=6), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_over_many_reloads_no_two_that_live_have_the_same_port(steps: list[tuple[str, int, bool]], dice: Any) -> None:
    """Some models start, some end, between and during reloads; whoever is not named any more drains for a while."""
    current, alive = BCD, list[Alive]()
    for names, start_port, careful in steps:
        alive = [each for each in alive if dice.random() < 0.7]
        before = list(alive)
        started = [
            Alive(model.id, model.port)
            for model in current.models.values()
            if dice.random() < 0.4 and model.id not in {each.model for each in alive}
        ]
        load = loader(text(names, start_port))
        new = load_again(load, current, before if careful else before + started, careful=careful).config
        alive = before + started
        owners = {model.port: name for name, model in new.models.items()}
        assert len(owners) == len(new.models)
        assert all(owners.get(each.port, each.model) == each.model for each in alive)
        if not careful:
            assert fits(new, alive)
            assert all(new.models[each.model].port == each.port for each in alive if each.model in new.models)
        if start_port == current.start_port:
            both = current.models.keys() & new.models.keys()
            kept = {each.model: each.port for each in alive}
            assert all(new.models[n].port == kept.get(n, current.models[n].port) for n in both)
        current = new
