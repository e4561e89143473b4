"""Which model a path below /upstream/ means, and what is left of the path."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llamaswap.proxy.request import Request
from llamaswap.proxy.resolve import is_json, named, replaced, split_upstream

NAMES = {"a": 0, "org": 0, "org/model": 0, "org/model/v2": 0, "größe": 0, "x y": 0}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"a/", ("a", b"/")),
        (b"a", ("a", b"")),
        (b"a/b/c", ("a", b"/b/c")),
        (b"//a//b", ("a", b"//b")),
        (b"org/model/x", ("org/model", b"/x")),
        (b"org/model", ("org/model", b"")),
        (b"org/model/v2/x", ("org/model/v2", b"/x")),
        (b"org/other/x", ("org", b"/other/x")),
        (b"org//model/x", ("org/model", b"/x")),
        (b"org%2Fmodel/x%2Fy", ("org/model", b"/x%2Fy")),
        (b"org%2fmodel/x", ("org/model", b"/x")),
        (b"gr%C3%B6%C3%9Fe/x", ("größe", b"/x")),
        (b"x%20y/%252F", ("x y", b"/%252F")),
        (b"a/../b", ("a", b"/../b")),
        (b"%61/x", ("a", b"/x")),
        (b"../a/x", None),
        (b"b/a", None),
        (b"", None),
        (b"/", None),
        (b"a%00/x", None),
        (b"A/x", None),
    ],
)
def test_the_longest_name_wins_and_the_rest_stays_as_it_is(path: bytes, expected: tuple[str, bytes] | None) -> None:
    assert split_upstream(b"/upstream/" + path, NAMES) == expected


@given(st.text(alphabet="a/.%2Forgmdel", max_size=30))
def test_the_rest_is_always_a_suffix_of_what_was_asked(path: str) -> None:
    found = split_upstream(b"/upstream/" + path.encode(), NAMES)
    if found is not None and found.path:
        assert found.name in NAMES
        assert path.encode().endswith(found.path[1:])
        assert found.path.startswith(b"/")


@pytest.mark.parametrize("segment", [b"a/", b"/", b"%2F", b"org/model/"])
def test_no_path_stalls_us(segment: bytes) -> None:
    """Processor time; a megabyte is what a head may hold."""
    before = time.thread_time()
    split_upstream(b"/upstream/" + segment * ((1 << 20) // len(segment)), NAMES)
    assert time.thread_time() - before < 0.5


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        (b"application/json", b"", True),
        (b"Application/JSON; charset=utf-8", b"x", True),
        (b"application/x-www-form-urlencoded", b' \r\n{"model":"a"}', True),
        (b"application/x-www-form-urlencoded", b"model=a", False),
        (b"text/plain", b"{", True),
        (b"", b"{", True),
        (b"", b"x", False),
        (b"application/octet-stream", b"{", False),
        (b"multipart/form-data; boundary=x", b"{", False),
    ],
)
def test_what_is_read_as_json(content_type: bytes, body: bytes, expected: bool) -> None:
    made = Request()
    made.known = {b"content-type": content_type} if content_type else {}
    assert is_json(made, body) is expected


FORM = b"multipart/form-data; boundary=X"
URL = b"application/x-www-form-urlencoded"


def part(name: bytes, value: bytes) -> bytes:
    return b'--X\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (name, value)


@pytest.mark.parametrize(
    ("method", "query", "content_type", "body", "meant"),
    [
        (
            b"POST",
            b"model=x",
            b"application/json",
            b'{"b": 1.0, "model" : "old", "a":2}',
            ("body", b'"old"', b'"n w/1"'),
        ),
        (b"POST", b"q=1", FORM, part(b"file", b"old") + part(b"model", b"old") + b"--X--", ("body", b"model", b"")),
        (b"POST", b"a=1&model=old&b", FORM, part(b"model", b"x") + b"--X--", ("query", b"old", b"n+w%2F1")),
        (b"POST", b"model=x", URL, b"a=%20&model=old&model=old", ("body", b"old", b"n+w%2F1")),
        (b"POST", b"model=old", URL, b"a=%20", ("query", b"old", b"n+w%2F1")),
        (b"POST", b"x&model=old", b"image/png", b"model=old", ("query", b"old", b"n+w%2F1")),
        (b"GET", b"model=old&stream=true", b"", b"", ("query", b"old", b"n+w%2F1")),
    ],
)
def test_a_name_is_replaced_where_it_came_from(
    method: bytes, query: bytes, content_type: bytes, body: bytes, meant: tuple[str, bytes, bytes]
) -> None:
    """And nowhere else: the other bytes are as they were."""
    request = Request()
    request.method, request.query = method, query
    request.known = {b"content-type": content_type} if content_type else {}
    assert named(request, body).model == "old"
    place, old, new = meant
    if content_type == FORM and place == "body":
        expected = part(b"file", b"old") + part(b"model", b"n w/1") + b"--X--", query
    elif place == "body":
        expected = body.replace(old, new, 1), query
    else:
        expected = body, query.replace(old, new, 1)
    assert replaced(request, body, "n w/1") == expected
