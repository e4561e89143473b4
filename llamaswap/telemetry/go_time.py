"""The time in front of a log line: the layouts that ``logTimeFormat`` may name, which are those of Go's time package.

Names of days and months are English whatever the locale, as in Go.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class _Layout:
    """A pattern in which `~` is the fraction of a second, how many digits that has, and whether zeros are cut."""

    pattern: str
    fraction_digits: int = 0
    cut_zeros: bool = False


_LAYOUTS = {
    "ansic": _Layout("{day} {month} {date:2} {clock} {year}"),
    "unixdate": _Layout("{day} {month} {date:2} {clock} {zone} {year}"),
    "rubydate": _Layout("{day} {month} {date:02} {clock} {offset} {year}"),
    "rfc822": _Layout("{date:02} {month} {year2:02} {hour:02}:{minute:02} {zone}"),
    "rfc822z": _Layout("{date:02} {month} {year2:02} {hour:02}:{minute:02} {offset}"),
    "rfc850": _Layout("{weekday}, {date:02}-{month}-{year2:02} {clock} {zone}"),
    "rfc1123": _Layout("{day}, {date:02} {month} {year} {clock} {zone}"),
    "rfc1123z": _Layout("{day}, {date:02} {month} {year} {clock} {offset}"),
    "rfc3339": _Layout("{year}-{month_number:02}-{date:02}T{clock}{iso_offset}"),
    "rfc3339nano": _Layout("{year}-{month_number:02}-{date:02}T{clock}~{iso_offset}", 9, cut_zeros=True),
    "kitchen": _Layout("{hour12}:{minute:02}{half}"),
    "stamp": _Layout("{month} {date:2} {clock}"),
    "stampmilli": _Layout("{month} {date:2} {clock}~", 3),
    "stampmicro": _Layout("{month} {date:2} {clock}~", 6),
    "stampnano": _Layout("{month} {date:2} {clock}~", 9),
}


def make_clock(name: str, now_ns: Callable[[], int] = time.time_ns) -> Callable[[], str]:
    """Return a function that gives the local time in the layout *name* and a blank, or "" for an unknown name.

    What does not change within a second is rendered once a second.
    """
    layout = _LAYOUTS.get(name.strip().lower())
    if layout is None:
        return lambda: ""
    rendered_second, before, after = -1, "", ""

    def clock() -> str:
        nonlocal rendered_second, before, after
        second, nanoseconds = divmod(now_ns(), 1_000_000_000)
        if second != rendered_second:
            before, _, after = _render(layout.pattern, second).partition("~")
            rendered_second = second
        return f"{before}{_fraction(layout, nanoseconds)}{after} "

    return clock


def _render(pattern: str, second: int) -> str:
    t = time.localtime(second)
    sign, offset = "-" if t.tm_gmtoff < 0 else "+", abs(t.tm_gmtoff) // 60
    hours, minutes = f"{sign}{offset // 60:02}", f"{offset % 60:02}"
    return pattern.format(
        day=_DAYS[t.tm_wday][:3],
        weekday=_DAYS[t.tm_wday],
        month=_MONTHS[t.tm_mon - 1],
        month_number=t.tm_mon,
        date=t.tm_mday,
        year=t.tm_year,
        year2=t.tm_year % 100,
        clock=f"{t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02}",
        hour=t.tm_hour,
        hour12=t.tm_hour % 12 or 12,
        half="PM" if t.tm_hour >= 12 else "AM",
        minute=t.tm_min,
        zone=t.tm_zone,
        offset=hours + minutes,
        iso_offset="Z" if t.tm_gmtoff == 0 else f"{hours}:{minutes}",
    )


def _fraction(layout: _Layout, nanoseconds: int) -> str:
    if not layout.fraction_digits:
        return ""
    digits = f"{nanoseconds:09}"[: layout.fraction_digits]
    if layout.cut_zeros:
        digits = digits.rstrip("0")
    return "." + digits if digits else ""
