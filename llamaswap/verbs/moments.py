"""Points in time as people write them: a clock's time, a date, or so long after the beginning. Pure."""

import re
from datetime import datetime, time, timedelta

_AFTER = re.compile(r"\+(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?")


def moment(text: str, begin: float) -> float:
    """Seconds since 1970 of *text*: ``14:03``, ``14:03:22.5``, ``2026-11-24T14:03:22``, ``+90s``, ``+1h30m``.

    A clock's time is the first one after *begin*, where the recording begins; without a zone it is local time.

    Raises:
        ValueError: it is none of these.
    """
    after = _AFTER.fullmatch(text)
    if after is not None and text != "+":
        hours, minutes, seconds = (float(each or 0) for each in after.groups())
        return begin + 3600 * hours + 60 * minutes + seconds
    try:
        return _on_the_day(time.fromisoformat(text), begin)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text!r} is no time; write 14:03:22, 2026-11-24T14:03:22 or +90s") from error


def _on_the_day(wanted: time, begin: float) -> float:
    first = datetime.fromtimestamp(begin).astimezone(wanted.tzinfo)
    found = datetime.combine(first.date(), wanted, first.tzinfo)
    # To the second, as people read it off: the second in which the recording begins is no day later.
    if found < first.replace(microsecond=0):
        found += timedelta(days=1)
    return found.timestamp()


def clock(at: float, *, day: bool = False) -> str:
    """*at* as local time with milliseconds, and with its date if asked for."""
    shown = datetime.fromtimestamp(round(at, 3))
    return shown.isoformat(" " if day else "T", "milliseconds")[0 if day else 11 :]
