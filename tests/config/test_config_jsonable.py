"""What a client sees of values without a fixed form: JSON's numbers, dates as texts, nothing that JSON cannot hold."""

import json

import pytest

from llamaswap.config.text.environment import Variables
from llamaswap.config.text.jsonable import JsonValue, jsonable
from llamaswap.config.text.nodes import Map, Node, Scalar
from llamaswap.config.text.place import Source
from llamaswap.config.text.problems import KeyPath, Problems
from llamaswap.config.text.tree import TreeBuilder
from llamaswap.config.text.yaml import compose


def read(text: str) -> Node:
    source, problems = Source("c.yaml", text), Problems()
    raw = compose(source, text, problems)
    assert raw is not None
    return TreeBuilder(Variables(source, {}, problems), problems).build(raw)


def value_of(text: str) -> JsonValue:
    def refuse(path: KeyPath, node: Scalar) -> None:
        raise AssertionError(path)

    return jsonable(read(text), (), refuse)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2.0", "2"),
        ("1e5", "100000"),
        ("1e6", "1000000"),
        ("1.50", "1.5"),
        ("0x1F", "31"),
        ("007", "7"),
        ("-0.0", "0"),
        ("08", "8"),
        ("0.7", "0.7"),
        ("1e-7", "1e-07"),
        ("1e20", "100000000000000000000"),
        ("1e21", "1e+21"),
        ("123456789012345678901", "123456789012345680000"),
        ("18446744073709551615", "18446744073709551615"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("TRUE", "true"),
        ("~", "null"),
        ("on", '"on"'),
        ("12:30", '"12:30"'),
        ('"2.0"', '"2.0"'),
        ("2031-05-06", '"2031-05-06T00:00:00Z"'),
        ("2031-05-06T07:08:09.50+02:00", '"2031-05-06T07:08:09.5+02:00"'),
        ("[1.0, {a: [2.5, ~]}]", '[1, {"a": [2.5, null]}]'),
        ("{1: a, true: b, ~: c, 2024-01-01: d}", '{"1": "a", "true": "b", "~": "c", "2024-01-01": "d"}'),
    ],
)
def test_values_as_json_has_them(text: str, written: str) -> None:
    assert json.dumps(value_of(text), allow_nan=False) == written


def test_what_is_no_number_becomes_null_and_is_told() -> None:
    told: list[tuple[KeyPath, int]] = []
    node = read("a: [1, .inf]\nb: {c: -.INF, d: .nan}\n")
    found = jsonable(node, ("models", "m", "metadata"), lambda path, scalar: told.append((path, scalar.mark.line)))
    assert found == {"a": [1, None], "b": {"c": None, "d": None}}
    start = ("models", "m", "metadata")
    assert told == [((*start, "a", 1), 1), ((*start, "b", "c"), 2), ((*start, "b", "d"), 2)]


def test_the_tree_is_left_as_it_is() -> None:
    node = read("a: 2.0")
    jsonable(node, (), lambda path, scalar: None)
    assert isinstance(node, Map)
    inner = node.get("a")
    assert isinstance(inner, Scalar)
    assert isinstance(inner.value, float)
