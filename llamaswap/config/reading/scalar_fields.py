"""Reading one scalar as a given type. A wrong one is reported, and None is the answer, as it is for a null."""

import contextlib
import math
from collections.abc import Iterable

from llamaswap.config.commands.argv import BLANKS
from llamaswap.config.reading.durations import parse_duration
from llamaswap.config.table.shapes import Text
from llamaswap.config.text.nodes import List, Node, Scalar, is_null, kind_of, shown
from llamaswap.config.text.problems import KeyPath, Problems
from llamaswap.config.text.scalars import resolve, text_of
from llamaswap.config.text.suggest import closest

_TRUE = frozenset(["y", "Y", "yes", "Yes", "YES", "on", "On", "ON"])
_FALSE = frozenset(["n", "N", "no", "No", "NO", "off", "Off", "OFF"])
_MOST = 2**63 - 1


def text(node: Node, path: KeyPath, problems: Problems) -> str | None:
    """A text. Numbers and the like are taken in their canonical form, with a warning if that is not as written."""
    if not isinstance(node, Scalar):
        remedy = _joined(node, path) or "write one text; long ones go on several lines after key: |"
        _refuse(node, path, "a text", remedy, problems)
        return None
    found = text_of(node.value)
    if found != node.text and not isinstance(node.value, str) and not node.from_macro and not node.from_env:
        what, remedy = f'this unquoted value becomes the text "{found}"', "put it in quotes to keep it as it is"
        problems.warn("canonical", path, node.mark, what, value=shown(node, path), remedy=remedy)
    return found


def chosen(found: str, shape: Text, node: Node, path: KeyPath, problems: Problems) -> str:
    """*found*, if the shape allows it; else it is reported, and the default is the answer."""
    word = found.strip(BLANKS).lower() if shape.fold else found
    if not shape.choices or word in shape.choices or problems.broken(path):
        return word if shape.choices else found
    remedy = suggestion(word, shape.choices)
    if shape.lenient:
        what = f"there is no such choice, {shape.default or 'none'} is used"
        problems.warn("choice", path, node.mark, what, value=shown(node, path), remedy=remedy)
    else:
        problems.error("choice", path, node.mark, "there is no such choice", value=shown(node, path), remedy=remedy)
    return shape.default


def suggestion(word: str, choices: Iterable[str]) -> str:
    """What to write instead of *word*."""
    known = [choice for choice in choices if choice]
    near = closest(word, known)
    if near:
        return f"did you mean {near}?"
    return f"use {', '.join(known[:-1])} or {known[-1]}" if len(known) > 1 else f"use {known[0]}"


def whole(node: Node | None, least: int | None, path: KeyPath, problems: Problems) -> int | None:
    """A whole number; fractions are cut off. Below *least* it is refused."""
    if node is None or is_null(node) or problems.broken(path):
        return None
    value = _whole(node)
    if value is None:
        _refuse(node, path, "a whole number", _number_remedy(node, path), problems)
    elif least is not None and value < least:
        what, remedy = f"this must be {least} or more", f"write {least} or more"
        problems.error("range", path, node.mark, what, value=shown(node, path), remedy=remedy)
        return None
    return value


def switch(node: Node | None, path: KeyPath, problems: Problems) -> bool | None:
    """True or false, also as the words that YAML 1.1 has for them."""
    if node is None or is_null(node) or problems.broken(path):
        return None
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value in _TRUE | _FALSE:
        return value in _TRUE
    _refuse(node, path, "true or false", "write true or false, without quotes", problems)
    return None


def seconds(node: Node | None, least: float, path: KeyPath, problems: Problems) -> float | None:
    """A length of time with its unit. 0 stands for the default, and is not compared with *least*."""
    if node is None or is_null(node) or problems.broken(path):
        return None
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        _refuse(node, path, "a length of time", "write a number with its unit, such as 5s or 1m30s", problems)
        return None
    try:
        value = parse_duration(node.value)
    except ValueError as error:
        remedy = "write a number with its unit, such as 5s or 1m30s"
        problems.error("duration", path, node.mark, str(error), value=shown(node, path), remedy=remedy)
        return None
    if value and value < least:
        what, remedy = f"this must be {least:g}s or more", f"write {least:g}s or more"
        problems.error("range", path, node.mark, what, value=shown(node, path), remedy=remedy)
        return None
    return value


def _joined(node: Node, path: KeyPath) -> str:
    """How a list is written as the one text that ``stripParams`` takes; empty for anything else."""
    items = node.items if isinstance(node, List) and path[-1:] == ("stripParams",) else ()
    names = [item.text for item in items if isinstance(item, Scalar) and not item.from_env]
    return f"write stripParams: {', '.join(names)}" if names else ""


def _whole(node: Node) -> int | None:
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return int(value) if -_MOST - 1 <= int(value) <= _MOST else None


def _number_remedy(node: Node, path: KeyPath) -> str:
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(node, Scalar) and isinstance(value, str) and not node.from_env and _is_time(path):
        with contextlib.suppress(ValueError):
            return f"write {parse_duration(value):.0f}: it is in seconds, without a unit"
    if isinstance(value, str) and not isinstance(resolve(value), str):
        return "remove the quotes"
    return "write a number up to 2^63-1" if isinstance(value, int | float) else "write a number, without a unit"


def _is_time(path: KeyPath) -> bool:
    key = str(path[-1]).lower()
    return key.endswith(("timeout", "ttl", "deadline", "maxwait")) or "timeouts" in path


def _refuse(node: Node, path: KeyPath, wanted: str, remedy: str, problems: Problems) -> None:
    if not problems.broken(path):
        what = f"this must be {wanted}, not {kind_of(node)}"
        problems.error("type", path, node.mark, what, value=shown(node, path), remedy=remedy)
