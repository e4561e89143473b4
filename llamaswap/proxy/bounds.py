"""JSON bodies that no client of a model would send, and that would stop everybody while they are read. Pure.

A thread does not help against a single call into the parser that takes long, as nobody else runs before it returns.
What it takes depends on the number of keys and values: measured, 0.5 µs for a key and up to 9 ns for any other value.
"""

import re

from llamaswap.errors import BadRequestError

#: Smaller bodies cannot have so many of either.
SMALL_BYTES = 1 << 19
#: Each under a tenth of a second. A chat of ten thousand messages has some fifty thousand keys.
MOST_KEYS = 100_000
#: So many commas separate at most so many values and one; a text of ten megabytes has a hundred thousand.
MOST_COMMAS = 10_000_000

#: How much is looked at in one go.
_SLICE = 1 << 18
_END_OF_KEY = re.compile(rb'"[ \t\r\n]*+:')


def refuse_monsters(body: bytes | bytearray) -> None:
    """Say no to a *body* with more keys or values than anything sensible has. Text in strings does not count as keys.

    Raises:
        BadRequestError: it is one.
    """
    if len(body) <= SMALL_BYTES:
        return
    if len(body) > 2 * MOST_COMMAS and _count(body, b",") > MOST_COMMAS:
        raise BadRequestError(f"the body has more than {MOST_COMMAS} commas, and so too many values to be read")
    if _may_have_too_many_keys(body) and _has_too_many_keys(body):
        raise BadRequestError(f"the body has more than {MOST_KEYS} keys, which are too many to be read")


def _count(body: bytes | bytearray, text: bytes) -> int:
    """Slice by slice. Those without any, as in a picture, are found to be so ten times faster than by counting."""
    slices = (start for start in range(0, len(body), _SLICE) if body.find(text, start, start + _SLICE) >= 0)
    return sum(body.count(text, start, start + _SLICE) for start in slices)


def _may_have_too_many_keys(body: bytes | bytearray) -> bool:
    """By what can be counted quickly: a key needs a colon, but not one behind a quote with a single backslash."""
    colons = _count(body, b":")
    return colons > MOST_KEYS and colons - _count(body, b'\\":') + _count(body, b'\\\\":') > MOST_KEYS


def _has_too_many_keys(body: bytes | bytearray) -> bool:
    """Counted are quotes that a colon follows and no backslash escapes: JSON in a string has none of those."""
    found = 0
    for start in range(0, len(body), _SLICE):
        for match in _END_OF_KEY.finditer(body, start, start + _SLICE):
            found += not _is_escaped(body, match.start())
        if found > MOST_KEYS:
            return True
    return False


def _is_escaped(body: bytes | bytearray, place: int) -> bool:
    """Whether an odd number of backslashes stands before *place*."""
    first = place
    while first and body[first - 1] == 0x5C:
        first -= 1
    return (place - first) % 2 == 1
