"""Parameters taken out of and put into a request, by paths; all other bytes stay as they are."""

import copy
import json
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llamaswap.config.parts import Filters
from llamaswap.errors import LlamaSwapError
from llamaswap.proxy import jsontree
from llamaswap.proxy.filters import filtered, steps


def put(body: bytes, **values: Any) -> bytes:
    return bytes(filtered(body, Filters(set_params=values), "a"))


def put_at(body: bytes, key: str, value: Any) -> bytes:
    return bytes(filtered(body, Filters(set_params={key: value}), "a"))


def strip(body: bytes, *keys: str) -> bytes:
    return bytes(filtered(body, Filters(strip_params=keys), "a"))


@pytest.mark.parametrize(
    ("body", "key", "value", "expected"),
    [
        (b'{"a":1}', "a", 2, b'{"a":2}'),
        (b' { "a" : 1.0 , "b" : [1, 2 ] }\n', "a", "x", b' { "a" : "x" , "b" : [1, 2 ] }\n'),
        (b'{"a":1}', "b", {"c": None}, b'{"a":1,"b":{"c":null}}'),
        (b"", "b", True, b'{"b":true}'),
        (b" \n", "b", 1, b'{"b":1}'),
        (b"{ }", "b", 1, b'{"b":1 }'),
        (b'{"a":1\n}', "b", 1, b'{"a":1,"b":1\n}'),
        (b'{"a":1}', "a.b.c", 2, b'{"a":{"b":{"c":2}}}'),
        (b'{"a":{"b": 1, "c":2}}', "a.b", 2, b'{"a":{"b": 2, "c":2}}'),
        (b'{"a":{"x":[ ]}}', "a.b", 2, b'{"a":{"x":[ ],"b":2}}'),
        (b'{"a":{}}', "a\\.b", 2, b'{"a":{},"a.b":2}'),
        (b'{"a":[1, 2]}', "a.1", 3, b'{"a":[1, 3]}'),
        (b'{"a":[1, 2]}', "a.4", 3, b'{"a":[1, 2,null,null,3]}'),
        (b'{"a":[1]}', "a.-1", 3, b'{"a":[1,3]}'),
        (b'{"a":[{"b":1}]}', "a.0.b", 3, b'{"a":[{"b":3}]}'),
        (b'{"a":[{"b":1}]}', "a.1.b", 3, b'{"a":[{"b":1},{"b":3}]}'),
        (b'{"a":{"1":2}}', "a.1", 3, b'{"a":{"1":3}}'),
        (b'{"a":{"-1":2}}', "a.-1", 3, b'{"a":{"-1":3}}'),
        (b"{}", "a.2", 3, b'{"a":[null,null,3]}'),
        (b"{}", "a.-1.b", 3, b'{"a":[{"b":3}]}'),
        (b"{}", "a.:2", 3, b'{"a":{"2":3}}'),
        (b"{}", "1", 3, b'{"1":3}'),
        (b"{}", ":1", 3, b'{"1":3}'),
        (b"{}", ":a", 3, b'{":a":3}'),
        (b"{}", "a\\*", 3, b'{"a*":3}'),
        (b'{"a":1,"a":2}', "a", 3, b'{"a":3,"a":2}'),
        (b'{"a":1,"a":1}', "a", 3, b'{"a":3,"a":1}'),
        (b'{"\\u0061":1}', "a", 3, b'{"\\u0061":3}'),
        (b'{"n":NaN,"a":1}', "a", 3, b'{"n":NaN,"a":3}'),
        ('{"ü":"ß"}'.encode(), "ü", "é", '{"ü":"é"}'.encode()),
    ],
)
def test_set(body: bytes, key: str, value: Any, expected: bytes) -> None:
    assert put_at(body, key, value) == expected
    assert bytes(filtered(bytearray(body), Filters(set_params={key: value}), "a")) == expected


@pytest.mark.parametrize(
    ("body", "key", "expected"),
    [
        (b'{"a":1}', "a", b"{}"),
        (b'{ "a" : 1 , "b" : 2 }', "a", b'{ "b" : 2 }'),
        (b'{ "a" : 1 , "b" : 2 }', "b", b'{ "a" : 1  }'),
        (b'{"a":1,"b":2,"c":3}', "b", b'{"a":1,"c":3}'),
        (b'{"a":1,"b":2,"a":3}', "a", b'{"b":2}'),
        (b'{"a":{"b":1,"c":2}}', "a.b", b'{"a":{"c":2}}'),
        (b'{"a":[1,2,3]}', "a.1", b'{"a":[1,3]}'),
        (b'{"a":[1,2,3]}', "a.-1", b'{"a":[1,2]}'),
        (b'{"a":[1,{"b":1}]}', "a.-1.b", b'{"a":[1,{}]}'),
        (b'{"a":[]}', "a.-1", b'{"a":[]}'),
        (b'{"a":[1]}', "a.x", b'{"a":[1]}'),
        (b'{"a":1}', "a.b", b'{"a":1}'),
        (b'{"a":1}', "b", b'{"a":1}'),
        (b"", "b", b"{}"),
    ],
)
def test_strip(body: bytes, key: str, expected: bytes) -> None:
    assert strip(body, key) == expected


def test_the_order_is_strip_then_set_then_set_for_the_name_and_model_is_protected() -> None:
    wanted = Filters(
        strip_params=("a", "model", "old"),
        set_params={"model": "no", "z": 1, "a": 1, "y": 1},
        set_params_by_id={"big": {"y": 2, "model": "no"}, "other": {"y": 3}},
    )
    assert filtered(b'{"model":"m","old":0}', wanted, "big") == b'{"model":"m","a":1,"y":2,"z":1}'
    assert filtered(b'{"model":"m","old":0}', wanted, "m") == b'{"model":"m","a":1,"y":1,"z":1}'


def test_without_filters_the_very_body_comes_back() -> None:
    body = bytearray(b'{"a": 1')
    assert filtered(body, Filters(), "a") is body
    assert filtered(body, Filters(set_params_by_id={"b": {"x": 1}}), "a") is body


@pytest.mark.parametrize(
    ("body", "wanted", "message"),
    [
        (b'{"a":[1]}', Filters(set_params={"a.b": 1}), 'error setting parameter a.b in request: "b" is no place'),
        (b"{}", Filters(set_params={"a.*": 1}), r'error setting parameter a.\* in request: "\*" would stand'),
        (b"{}", Filters(strip_params=("a.?",)), r"error stripping parameter a.\? from request: .*name one"),
        (b"{}", Filters(set_params={"a.99999": 1}), "error setting parameter a.99999 in request: place 99999"),
        (b"{}", Filters(set_params={"a." + "9" * 5000: 1}), "far beyond the end"),
        (b"[1]x", Filters(strip_params=("a",)), None),
        (b"x", Filters(strip_params=("a",)), "error filtering request: the body is no JSON object"),
        (b'{"a":1', Filters(strip_params=("a",)), "error filtering request: the body is no readable JSON"),
        (b'{"a" 1}', Filters(strip_params=("a",)), "no readable JSON"),
        (b'{"a":1,}', Filters(strip_params=("a",)), "no readable JSON"),
        (b'{"a":1,,"b":2}', Filters(strip_params=("a",)), "no readable JSON"),
        (b'{"a":}', Filters(strip_params=("a",)), "no readable JSON"),
    ],
)
def test_what_does_not_fit_is_told(body: bytes, wanted: Filters, message: str | None) -> None:
    if message is None:
        assert filtered(body, wanted, "a") == body
        return
    with pytest.raises(LlamaSwapError, match=message) as refused:
        filtered(body, wanted, "a")
    assert refused.value.status == 500


def test_steps() -> None:
    assert steps("a.b\\.c.3.-1.:4.-2") == (
        ("a", None), ("b.c", None), ("3", 3), ("-1", -1), ("4", None), ("-2", None),
    )  # fmt: skip


# -- against a plain model ------------------------------------------------------------------------------------------

KEYS = st.sampled_from(["a", "b", "0", "1", "k.l", "ü", "model"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(KEYS, VALUES, max_size=4)
PATHS = st.lists(st.sampled_from(["a", "b", "0", "1", "3", "-1", "k\\.l", ":1", "ü"]), min_size=1, max_size=3)
STYLES = st.sampled_from([{}, {"separators": (",", ":")}, {"indent": 1}, {"ensure_ascii": False, "indent": "\t"}])


class MisfitError(Exception):
    pass


def build(path: list[str], value: Any) -> Any:
    if not path:
        return value
    head, inner = path[0], build(path[1:], value)
    if head.isdecimal():
        return [None] * int(head) + [inner]
    return [inner] if head == "-1" else {plain(head): inner}


def plain(step: str) -> str:
    return step.replace("\\", "").removeprefix(":")


def plainly_set(value: Any, path: list[str], new: Any) -> Any:
    """What setting means for parsed values."""
    if not path:
        return new
    head, rest = path[0], path[1:]
    if isinstance(value, dict):
        key = plain(head)
        value[key] = plainly_set(value[key], rest, new) if key in value else build(rest, new)
        return value
    if isinstance(value, list):
        if head == "-1":
            return [*value, build(rest, new)]
        if not head.isdecimal():
            raise MisfitError
        if int(head) < len(value):
            value[int(head)] = plainly_set(value[int(head)], rest, new)
            return value
        return value + [None] * (int(head) - len(value)) + [build(rest, new)]
    return build(path, new)


def plainly_strip(value: Any, path: list[str]) -> None:
    head, rest = path[0], path[1:]
    place: Any = None
    if isinstance(value, dict):
        place = plain(head) if plain(head) in value else None
    elif isinstance(value, list) and (head.isdecimal() or head == "-1"):
        place = int(head) if -1 <= int(head) < len(value) and value else None
    if place is None:
        return
    if rest:
        plainly_strip(value[place], rest)
    else:
        del value[place]


@given(DOCUMENTS, PATHS, VALUES, STYLES)
@settings(max_examples=400, deadline=None)
def test_setting_agrees_with_a_plain_model(document: Any, path: list[str], value: Any, style: Any) -> None:
    body = json.dumps(document, **style).encode()
    if path == ["model"]:
        return
    try:
        expected = plainly_set(copy.deepcopy(document), path, value)
    except MisfitError:
        with pytest.raises(LlamaSwapError):
            put_at(body, ".".join(path), value)
        return
    assert json.loads(put_at(body, ".".join(path), value)) == expected


@given(DOCUMENTS, PATHS, STYLES)
@settings(max_examples=400, deadline=None)
def test_stripping_agrees_with_a_plain_model(document: Any, path: list[str], style: Any) -> None:
    body = json.dumps(document, **style).encode()
    expected = copy.deepcopy(document)
    plainly_strip(expected, path)
    assert json.loads(strip(body, ".".join(path))) == expected


@given(DOCUMENTS, STYLES, st.booleans())
@settings(max_examples=200, deadline=None)
def test_opening_everything_changes_no_byte(document: Any, style: Any, damaged: bool) -> None:
    body = json.dumps(document, **style).encode()
    if damaged:
        body = body.replace(b"null", b"NaN")  # read token by token

    def open_all(value: Any) -> Any:
        container = jsontree.open_value(value)
        for item in container.items:
            if item.opened() is not None:
                open_all(item.value.render() if isinstance(item.value, jsontree.Container) else item.value)
        return container

    assert open_all(body).render() == body


@pytest.mark.parametrize("piece", [b'{"a":', b"[", b'"x":[],', b'"x":1,"x":1,', b'{"role":"user"},', b" ", b'"', b"{"])
def test_no_body_stalls_us(piece: bytes) -> None:
    """Processor time, for bodies of two megabytes that are whole or broken."""
    body = b'{"model":"a","m":[' + piece * ((2 << 20) // len(piece))
    for ending in (b"]}", b""):
        before = time.thread_time()
        with suppress(LlamaSwapError):
            put_at(body + ending, "m.0.x", 1)
        assert time.thread_time() - before < 2


def test_what_has_too_many_members_is_not_changed() -> None:
    """To look after each of them would take seconds, of which nobody else gets any."""
    body = b"{" + b"".join(b'"k%d":1,' % number for number in range(20_001)) + b'"model":"m"}'
    with pytest.raises(LlamaSwapError, match="more than 20000 members"):
        filtered(body, Filters(strip_params=("a",)), "m")
