"""Durations as Go writes them, ``1h30m``, ``.5m``, ``-1s``: existing files have them in this form. Pure."""

import re
from typing import NoReturn

_UNITS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,  # the micro sign, and below the Greek letter that looks like it
    "\u03bcs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_PART = re.compile(r"([0-9]*)(?:(\.)([0-9]*))?([^0-9.]*)")
#: Nanoseconds are counted in 64 bits: 292 years.
_MOST_NS = 2**63 - 1
#: Longer numbers overflow whatever their unit is, and finer fractions are below a nanosecond.
_MOST_DIGITS = 20
_FORM = "write numbers, each with a unit (h, m, s, ms, us, ns) and without blanks, such as 1h30m or 5s"


def parse_duration(text: str) -> float:
    """The seconds that *text* stands for; a single 0 needs no unit.

    Raises:
        ValueError: *text* is no duration, or one of more than 292 years. The error says what to write.
    """
    negative = text.startswith("-")
    body = text[1:] if text.startswith(("-", "+")) else text
    if body == "0":
        return 0.0
    if not body:
        raise ValueError(f"a duration is missing: {_FORM}")
    total, end = 0, 0
    while end < len(body):
        part = _PART.match(body, end)
        assert part  # every piece of it is optional
        total += _nanoseconds(part)
        if total > _MOST_NS + negative:
            raise ValueError("a duration cannot be longer than 292 years: write less")
        end = part.end()
    return (-total if negative else total) / 10**9


def _nanoseconds(part: re.Match[str]) -> int:
    whole, fraction, unit = part[1], part[3] or "", part[4]
    if not whole and not fraction:
        raise ValueError(f"this is no duration: {_FORM}")
    if unit not in _UNITS:
        _refuse_unit(part[0], unit)
    scale = _UNITS[unit]
    whole, fraction = whole.lstrip("0"), fraction[:_MOST_DIGITS]
    if len(whole) > _MOST_DIGITS:
        return 2 * _MOST_NS
    below_one: int = int(fraction or 0) * scale // 10 ** len(fraction)
    return int(whole or 0) * scale + below_one


def _refuse_unit(written: str, unit: str) -> NoReturn:
    number = written[: len(written) - len(unit)]
    if not unit:
        raise ValueError(f"a duration needs a unit: write {number[:20]}s for seconds")
    if unit == "d":
        raise ValueError("a duration has no days: write hours, 24h for a day")
    raise ValueError(f"{unit[:20]!r} is no unit of time: {_FORM}")
