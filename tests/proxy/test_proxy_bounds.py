"""What is too odd to be read is refused, and nothing that anybody would send is."""

import json
import time

import pytest

from llamaswap.errors import BadRequestError
from llamaswap.proxy import bounds
from llamaswap.proxy.bounds import MOST_COMMAS, MOST_KEYS, SMALL_BYTES, refuse_monsters
from llamaswap.proxy.request import Request
from llamaswap.proxy.resolve import named

MANY = MOST_KEYS + 1


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"{" + b'"abcdef":1,' * MANY + b'"model":"m"}', id="keys of the body"),
        pytest.param(b'{"x":{' + b'"abcdef":1,' * MANY + b'"y":1},"model":"m"}', id="keys of a value"),
        pytest.param(b"{" + b'"ab" \n:1,' * MANY + b'"model":"m"}', id="keys with blanks behind them"),
        pytest.param(b"{" + b'"ab\\\\":1,' * MANY + b'"model":"m"}', id="keys that end in a backslash"),
        pytest.param(b'{"x":[' + b"1," * (MOST_COMMAS + 1) + b'1],"model":"m"}', id="values"),
    ],
)
def test_monsters_are_refused(body: bytes) -> None:
    assert len(body) > SMALL_BYTES
    request = Request()
    request.method, request.known = b"POST", {b"content-type": b"application/json"}
    with pytest.raises(BadRequestError, match="too many"):
        named(request, body)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("a picture" * 1_000_000, id="a long string"),
        pytest.param(json.dumps([{"a": 1, "b\\": "c"}] * MOST_KEYS), id="JSON in a string"),
        pytest.param(json.dumps(json.dumps([{"a": 1}] * MANY)), id="JSON in a string in a string"),
        pytest.param("at 12:30: yes\n" * MANY, id="colons"),
        pytest.param("well, you see, " * (MOST_COMMAS // 4), id="commas"),
    ],
)
def test_what_stands_in_strings_does_not_count(content: str) -> None:
    body = json.dumps({"messages": [{"role": "user", "content": content}], "model": "m"}).encode()
    assert len(body) > SMALL_BYTES
    refuse_monsters(body)


def test_small_bodies_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MOST_KEYS", 0)
    refuse_monsters(b'{"a":1}')


def test_looking_costs_little() -> None:
    """Processor time. Of a body of pictures next to none."""
    body = b'{"x":"' + b"a" * 10_000_000 + b'"}'
    before = time.thread_time()
    refuse_monsters(body)
    assert time.thread_time() - before < 0.05
