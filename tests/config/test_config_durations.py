"""Durations are those of Go, and whoever writes another one is told what to write."""

import pytest

from llamaswap.config.reading.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5s", 5.0),
        ("1h30m", 5400.0),
        ("1m30s", 90.0),
        (".5m", 30.0),
        ("1.5h", 5400.0),
        ("5.s", 5.0),
        ("-1s", -1.0),
        ("+2ms", 0.002),
        ("0", 0.0),
        ("-0", 0.0),
        ("+0", 0.0),
        ("0s", 0.0),
        ("1us", 1e-6),
        ("1µs", 1e-6),
        ("1\u03bcs", 1e-6),
        ("7ns", 7e-9),
        ("0.9ns", 0.0),
        ("1s1s", 2.0),
        ("1ms1h", 3600.001),
        ("000000000000000000000000000001s", 1.0),
        ("0.000000000000000000000000000000001s", 0.0),
        ("2562047h47m16.854775807s", 2**63 / 10**9),
        ("-9223372036854775808ns", -(2**63) / 10**9),
    ],
)
def test_what_is_a_duration(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "a duration is missing"),
        ("-", "a duration is missing"),
        ("20", "write 20s for seconds"),
        ("1h30", "write 30s for seconds"),
        ("00", "write 00s"),
        ("1.5", "write 1.5s"),
        ("1d", "24h for a day"),
        ("1h 30m", "'h ' is no unit of time"),
        (" 5s", "this is no duration"),
        ("5s ", "'s ' is no unit"),
        ("5S", "'S' is no unit"),
        ("5 min", "' min' is no unit"),
        ("s", "this is no duration"),
        (".s", "this is no duration"),
        ("1..5s", "a unit: write 1.s"),
        ("--1s", "this is no duration"),
        ("1e3s", "'e' is no unit"),
        ("١s", "this is no duration"),
        ("9223372036854775808ns", "292 years"),
        ("2562047h47m16.854775808s", "292 years"),
        ("-9223372036854775809ns", "292 years"),
        ("9" * 5000 + "s", "292 years"),
    ],
)
def test_what_is_none_and_why(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        parse_duration(text)
    assert says in str(refused.value)
    assert len(str(refused.value)) < 200


def test_a_long_text_takes_time_in_proportion_to_its_length() -> None:
    assert parse_duration("1ns" * 100_000) == 1e-4
