"""Types of plain scalars, and their canonical text."""

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest

from llamaswap.config.text.scalars import resolve, resolve_tagged, text_of

STRINGS = [
    "yes",
    "no",
    "on",
    "off",
    "y",
    "n",
    "12:30",
    "1.2.3",
    "7b",
    "1e400",
    "0x1p4",
    "nUlL",
    "0b2",
    "_1",
    "tRue",
    "-",
    "+",
    ".",
    "..",
    "1e",
    "0x",
    "0o8",
    "--1",
    "1-1",
    ".e1",
    "-.5x",
    "2031-13-01",
    "2031-02-30",
    "2031-05-06T25:00:00Z",
    "2031-05-06T1:2:3",
    "._5",
    ".5_",
    "+0xg",
    "0x10000000000000000",
    "-9223372036854775809x",
]


@pytest.mark.parametrize("text", [*STRINGS, "9" * 5000 + "x", "1 2", " 5"])
def test_these_are_texts(text: str) -> None:
    assert resolve(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("010", 8),
        ("0o17", 15),
        ("0O17", 15),
        ("1_000", 1000),
        ("+5", 5),
        ("-0x10", -16),
        ("0b101", 5),
        ("0", 0),
        ("-0", 0),
        ("18446744073709551615", 2**64 - 1),
        ("-9223372036854775808", -(2**63)),
        ("5.", 5.0),
        ("08", 8.0),
        ("99999999999999999999", 1e20),
        ("+18446744073709551615", 18446744073709551615.0),
        ("-9223372036854775809", -9223372036854775809.0),
        (".5", 0.5),
        (".5_0", 0.5),
        ("1e3", 1000.0),
        ("-1.5E-3", -0.0015),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("true", True),
        ("FALSE", False),
        ("2031-5-6", datetime(2031, 5, 6, tzinfo=UTC)),
        ("2031-05-06 1:02:03.5", datetime(2031, 5, 6, 1, 2, 3, 500000, tzinfo=UTC)),
        ("2031-05-06t01:02:03+02:00", datetime(2031, 5, 6, 1, 2, 3, tzinfo=timezone(timedelta(hours=2)))),
    ],
)
def test_these_have_a_type(text: str, value: object) -> None:
    found = resolve(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", ["", "~", "null", "Null", "NULL"])
def test_these_are_null(text: str) -> None:
    assert resolve(text) is None


def test_not_a_number_is_one() -> None:
    value = resolve(".NaN")
    assert isinstance(value, float)
    assert math.isnan(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.7, "0.7"),
        (3.0, "3"),
        (123456.5, "123456.5"),
        (1234567.5, "1.2345675e+06"),
        (0.00001, "1e-05"),
        (0.0001, "0.0001"),
        (0.00012345, "0.00012345"),
        (100000.0, "100000"),
        (1e6, "1e+06"),
        (1e100, "1e+100"),
        (1.5e-300, "1.5e-300"),
        (-2.5, "-2.5"),
        (0.0, "0"),
        (-0.0, "-0"),
        (12.0, "12"),
        (1e20, "1e+20"),
        (True, "true"),
        (8, "8"),
        ("x", "x"),
        (math.inf, ".inf"),
        (datetime(2031, 5, 6, tzinfo=UTC), "2031-05-06T00:00:00Z"),
        (datetime(2031, 5, 6, 1, 2, 3, 500000, tzinfo=timezone(-timedelta(hours=2))), "2031-05-06T01:02:03.5-02:00"),
    ],
)
def test_canonical_texts(value: float | str | datetime, text: str) -> None:
    assert text_of(value) == text


@pytest.mark.parametrize(
    ("tag", "text", "value"),
    [
        ("str", "5", "5"),
        ("int", "5", 5),
        ("float", "5", 5.0),
        ("bool", "true", True),
        ("null", "", None),
        ("binary", "aGk=", "hi"),
        ("!x", "5", "5"),
        ("timestamp", "2031-05-06", datetime(2031, 5, 6, tzinfo=UTC)),
    ],
)
def test_explicit_tags(tag: str, text: str, value: object) -> None:
    found = resolve_tagged(tag, text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("tag", "text"),
    [("int", "x"), ("int", "1.5"), ("int", "true"), ("float", "x"), ("bool", "yes"), ("null", "x"), ("binary", "%")],
)
def test_a_tag_that_does_not_fit_is_refused(tag: str, text: str) -> None:
    with pytest.raises(ValueError, match="this is no"):
        resolve_tagged(tag, text)
