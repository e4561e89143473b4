"""Which type a plain scalar has, and the text of a typed one. Other programs' users rely on these very rules."""

import base64
import binascii
import math
import re
from datetime import UTC, datetime

from llamaswap.config.text.nodes import ScalarValue

_CONSTANTS: dict[str, ScalarValue] = {
    **dict.fromkeys(["", "~", "null", "Null", "NULL"]),
    **dict.fromkeys(["true", "True", "TRUE"], True),
    **dict.fromkeys(["false", "False", "FALSE"], False),
    **dict.fromkeys([".nan", ".NaN", ".NAN"], math.nan),
    **dict.fromkeys([sign + name for sign in ("", "+") for name in (".inf", ".Inf", ".INF")], math.inf),
    **dict.fromkeys(["-.inf", "-.Inf", "-.INF"], -math.inf),
}
_INT = re.compile(
    r"[-+]?(?:0[xX](?P<x>[0-9a-fA-F]+)|0[oO](?P<o>[0-7]+)|0[bB](?P<b>[01]+)|(?P<z>0[0-7]*)|(?P<d>[1-9][0-9]*))"
)
_BASES = {"x": 16, "o": 8, "b": 2, "z": 8, "d": 10}
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_DOT_FLOAT = re.compile(r"\.[0-9](?:_?[0-9])*(?:[eE][-+]?[0-9](?:_?[0-9])*)?")
_TIMESTAMP = re.compile(
    r"(\d{4})-(\d\d?)-(\d\d?)"
    r"(?:(?:[Tt](\d\d?):(\d\d?):(\d\d?)(\.\d+)?(Z|[-+]\d\d:\d\d))|(?: (\d\d?):(\d\d?):(\d\d?)(\.\d+)?))?",
    re.ASCII,
)
_TAGS: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "null": (type(None),),
    "timestamp": (datetime,),
}
#: More digits than any 64-bit number has; longer texts are not worth converting.
_MOST_DIGITS = 80


def resolve(text: str) -> ScalarValue:
    """The value of a plain scalar without a tag."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] in "0123456789+-":
        return _timestamp(text) or _number(text.replace("_", ""), text)
    if text[0] == "." and _DOT_FLOAT.fullmatch(text):
        return _finite(text.replace("_", ""), text)
    return text


def resolve_tagged(tag: str, text: str) -> ScalarValue:
    """The value of a scalar with an explicit tag (``!!int`` is ``int`` here).

    Raises:
        ValueError: the text does not fit the tag.
    """
    if tag == "binary":
        return _binary(text)
    types = _TAGS.get(tag)
    if types is None:
        return text
    value = resolve(text)
    if not isinstance(value, types) or (isinstance(value, bool) and tag != "bool"):
        raise ValueError(f"this is no value of the type !!{tag}")
    return float(value) if tag == "float" and isinstance(value, int) else value


def text_of(value: ScalarValue) -> str:
    """The canonical text of a value: what a macro inserts, and what a text field receives."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float():
            return _float_text(value)
        case datetime():
            return _timestamp_text(value)
        case _:
            return str(value)


def _number(digits: str, text: str) -> ScalarValue:
    found = _INT.fullmatch(digits) if len(digits) <= _MOST_DIGITS else None
    if found and found.lastgroup:
        signed = digits[0] in "+-"
        value = int(found[found.lastgroup], _BASES[found.lastgroup]) * (-1 if digits[0] == "-" else 1)
        if -(2**63) <= value < (2**63 if signed else 2**64):
            return value
    return _finite(digits, text) if _FLOAT.fullmatch(digits) else text


def _finite(digits: str, text: str) -> float | str:
    value = float(digits)
    return value if math.isfinite(value) else text


def _timestamp(text: str) -> datetime | None:
    found = _TIMESTAMP.fullmatch(text)
    if not found:
        return None
    year, month, day = map(int, found.group(1, 2, 3))
    clock = found.group(4, 5, 6, 7) if found[4] else found.group(9, 10, 11, 12)
    hour, minute, second = (int(part or 0) for part in clock[:3])
    zone = found[8] if found[8] and found[8] != "Z" else "+00:00"
    micros = int((clock[3] or ".0")[1:7].ljust(6, "0"))
    try:
        naive = datetime(year, month, day, hour, minute, second, micros, UTC)
        return naive if zone == "+00:00" else naive.replace(tzinfo=datetime.strptime(zone, "%z").tzinfo)
    except ValueError:
        return None


def _timestamp_text(value: datetime) -> str:
    text = value.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    fraction = f".{value.microsecond:06d}".rstrip("0") if value.microsecond else ""
    offset = value.strftime("%z")
    return text + fraction + ("Z" if offset in ("", "+0000") else f"{offset[:3]}:{offset[3:5]}")


def _binary(text: str) -> str:
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        raise ValueError("this is no base64, which !!binary asks for") from None


def _float_text(value: float) -> str:
    """The shortest digits that read back as *value*; an exponent below 1e-4 and from 1e6 on."""
    if not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    sign, digits, point = _shortest(value)
    exponent = point - 1
    if not -4 <= exponent <= 5:
        mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
        return f"{sign}{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    return sign + digits[:point].ljust(point, "0") + ("." + digits[point:] if len(digits) > point else "")


def _shortest(value: float) -> tuple[str, str, int]:
    """Sign, significant digits, and how many of them stand before the decimal point."""
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    all_digits = whole + ("" if fraction == "0" else fraction)
    digits = all_digits.lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(all_digits) - len(digits))
    sign = "-" if math.copysign(1, value) < 0 else ""
    return (sign, digits.rstrip("0") or "0", point) if digits else (sign, "0", 1)
