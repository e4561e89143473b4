"""Each layout of Go's time package, at a moment with one-digit fields, in three zones."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from llamaswap.telemetry.go_time import make_clock

AT_NS = 1_754_190_245_120_000_000  # 2025-08-03 03:04:05.12 UTC, a Sunday


@contextmanager
def zone(name: str) -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = name
    time.tzset()
    try:
        yield
    finally:
        os.environ.pop("TZ") if before is None else os.environ.update(TZ=before)
        time.tzset()


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("ansic", "Sun Aug  3 15:04:05 2025"),
        ("unixdate", "Sun Aug  3 15:04:05 NZST 2025"),
        ("rubydate", "Sun Aug 03 15:04:05 +1200 2025"),
        ("rfc822", "03 Aug 25 15:04 NZST"),
        ("rfc822z", "03 Aug 25 15:04 +1200"),
        ("rfc850", "Sunday, 03-Aug-25 15:04:05 NZST"),
        ("rfc1123", "Sun, 03 Aug 2025 15:04:05 NZST"),
        ("rfc1123z", "Sun, 03 Aug 2025 15:04:05 +1200"),
        ("rfc3339", "2025-08-03T15:04:05+12:00"),
        ("rfc3339nano", "2025-08-03T15:04:05.12+12:00"),
        ("kitchen", "3:04PM"),
        ("stamp", "Aug  3 15:04:05"),
        ("stampmilli", "Aug  3 15:04:05.120"),
        ("stampmicro", "Aug  3 15:04:05.120000"),
        ("stampnano", "Aug  3 15:04:05.120000000"),
        (" RFC3339 ", "2025-08-03T15:04:05+12:00"),
    ],
)
def test_layouts(name: str, shape: str) -> None:
    with zone("NZST-12"):
        assert make_clock(name, lambda: AT_NS)() == shape + " "


@pytest.mark.parametrize(
    ("tz", "shape"),
    [
        ("UTC0", "2025-08-03T03:04:05Z "),
        ("NST3:30", "2025-08-02T23:34:05-03:30 "),
        ("NPT-5:45", "2025-08-03T08:49:05+05:45 "),
    ],
)
def test_offsets(tz: str, shape: str) -> None:
    with zone(tz):
        assert make_clock("rfc3339", lambda: AT_NS)() == shape


def test_midnight_and_noon_in_kitchen_time() -> None:
    with zone("UTC0"):
        assert make_clock("kitchen", lambda: 60_000_000_000)() == "12:01AM "
        assert make_clock("kitchen", lambda: 43_200_000_000_000)() == "12:00PM "


def test_a_whole_second_has_no_fraction_in_rfc3339nano() -> None:
    with zone("UTC0"):
        assert make_clock("rfc3339nano", lambda: 5_000_000_000)() == "1970-01-01T00:00:05Z "


def test_a_clock_moves_on() -> None:
    moments = iter([1_000_000_000, 1_500_000_000, 2_000_000_000])
    with zone("UTC0"):
        clock = make_clock("rfc3339nano", lambda: next(moments))
        assert [clock(), clock(), clock()] == [
            "1970-01-01T00:00:01Z ",
            "1970-01-01T00:00:01.5Z ",
            "1970-01-01T00:00:02Z ",
        ]


def test_unknown_names_act_as_none() -> None:
    assert make_clock("iso")() == "" == make_clock("")()
