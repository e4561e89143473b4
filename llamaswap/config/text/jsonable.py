"""A tree without fixed keys -> plain values that JSON can hold: for ``metadata``, ``setParams`` and the like. Pure."""

import math
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from llamaswap.config.text.nodes import List, Map, Node, Scalar, ScalarValue
from llamaswap.config.text.problems import KeyPath
from llamaswap.config.text.scalars import text_of

JsonValue = None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]
#: Told of each number that JSON cannot hold (``.inf``, ``.nan``), with its path; it becomes a null.
Report = Callable[[KeyPath, Scalar], None]

#: Where numbers are written with an exponent.
_FROM_EXPONENT = 1e21


def jsonable(node: Node, path: KeyPath, report: Report) -> JsonValue:
    """The value of *node*, which stands at *path*. Dates become RFC 3339 texts, and whole floats integers."""
    match node:
        case Scalar(value=value):
            if isinstance(value, float) and not math.isfinite(value):
                report(path, node)
            return json_value(value)
        case List(items=items):
            return [jsonable(item, (*path, n), report) for n, item in enumerate(items)]
        case Map(entries=entries):
            return {key: jsonable(entry.value, (*path, key), report) for key, entry in entries.items()}


def json_value(value: ScalarValue) -> JsonValue:
    """One value as JSON has it: ``2.0`` is 2 there, and what is no number is null."""
    if isinstance(value, datetime):
        return text_of(value)
    if not isinstance(value, float):
        return value
    if not math.isfinite(value):
        return None
    if value.is_integer() and abs(value) < _FROM_EXPONENT:
        return int(Decimal(repr(value)))  # the digits as written: a double of this size has noise in its last ones
    return value
