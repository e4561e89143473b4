"""Typed reading of one mapping: what each type of field takes, what it refuses, and what a null means to it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from llamaswap.config.nodes import Entry, List, Map, Node, Scalar, is_null, kind_of, shown
from llamaswap.config.place import Mark
from llamaswap.config.problems import KeyPath, Problems
from llamaswap.config.scalars import resolve, text_of

_TRUE = frozenset(["y", "Y", "yes", "Yes", "YES", "on", "On", "ON"])
_FALSE = frozenset(["n", "N", "no", "No", "NO", "off", "Off", "OFF"])
_MOST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Item:
    """A text of a list, with its place."""

    text: str
    path: KeyPath
    mark: Mark


class Fields:
    """The keys of one section. Reading a wrong value reports it and gives the default, so that reading goes on."""

    def __init__(self, node: Map, path: KeyPath, mark: Mark, problems: Problems) -> None:
        self.path = path
        self.mark = mark
        self._node = node
        self._problems = problems

    def mark_of(self, key: str) -> Mark:
        """Where the value of *key* stands; the section's own place if there is none."""
        node = self._node.get(key)
        return node.mark if node else self.mark

    def value_of(self, key: str) -> str:
        """The value of *key* as a message shows it."""
        node = self._node.get(key)
        return shown(node, (*self.path, key)) if node else ""

    def section(self, key: str) -> "Fields":
        """The section below *key*; an empty one if there is none."""
        node = self._node.get(key)
        path = (*self.path, key)
        if node is not None and not isinstance(node, Map) and not is_null(node):
            self._refuse(path, node, "a mapping", "write its keys below it, indented")
        inner = node if isinstance(node, Map) else Map(self.mark_of(key))
        return Fields(inner, path, self.mark_of(key), self._problems)

    def entries(self, key: str) -> Iterator[tuple[str, "Fields", Entry]]:
        """Each named section below *key*. The entry tells whether it is a null."""
        node = self._node.get(key)
        if not isinstance(node, Map):
            if node is not None and not is_null(node):
                self._refuse((*self.path, key), node, "a mapping", "write name: and the entry's keys below it")
            return
        for name, entry in node.entries.items():
            path = (*self.path, key, name)
            if not isinstance(entry.value, Map) and not is_null(entry.value):
                self._refuse(path, entry.value, "a mapping", "write its keys below it, indented")
                continue
            inner = entry.value if isinstance(entry.value, Map) else Map(entry.key)
            yield name, Fields(inner, path, entry.key, self._problems), entry

    def string(self, key: str, default: str = "") -> str:
        """A text; other scalars are taken in their canonical form."""
        node = self._node.get(key)
        if node is None or is_null(node):
            return default
        return self._text(node, (*self.path, key), "a text") or "" if isinstance(node, Scalar) else self._no_text(key)

    def integer(self, key: str, default: int, least: int | None = None) -> int:
        """A whole number; fractions are cut off. Below *least* it is refused."""
        node = self._node.get(key)
        path = (*self.path, key)
        if node is None or is_null(node) or self._problems.broken(path):
            return default
        value = _whole(node)
        if value is None:
            quoted = (
                isinstance(node, Scalar) and isinstance(node.value, str) and not isinstance(resolve(node.value), str)
            )
            number = isinstance(node, Scalar) and isinstance(node.value, int | float)
            limit = "write a number up to 2^63-1" if number else "write a number, without a unit"
            remedy = "remove the quotes" if quoted else limit
            self._refuse(path, node, "a whole number", remedy)
            return default
        if least is not None and value < least:
            self._problems.error(
                "range",
                path,
                node.mark,
                f"this must be {least} or more",
                value=shown(node, path),
                remedy=f"write {least} or more",
            )
            return default
        return value

    def boolean(self, key: str, default: bool) -> bool:
        """True or false, also as the words that YAML 1.1 has for them."""
        node = self._node.get(key)
        path = (*self.path, key)
        if node is None or is_null(node) or self._problems.broken(path):
            return default
        value = node.value if isinstance(node, Scalar) else None
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value in _TRUE | _FALSE:
            return value in _TRUE
        self._refuse(path, node, "true or false", "write true or false, without quotes")
        return default

    def strings(self, key: str) -> list[Item]:
        """A list of texts. Nulls in it are left out, with a warning."""
        node = self._node.get(key)
        path = (*self.path, key)
        if node is None or is_null(node) or self._problems.broken(path):
            return []
        if not isinstance(node, List):
            self._refuse(path, node, "a list", f"write {key}: [...], or one line with a dash for each")
            return []
        items = []
        for n, item in enumerate(node.items):
            if isinstance(item, Scalar) and item.value is None:
                self._problems.warn("null-item", (*path, n), item.mark, "an empty item is left out", remedy="remove it")
                continue
            text = self._text(item, (*path, n), "a text")
            if text is not None:
                items.append(Item(text, (*path, n), item.mark))
        return items

    def nulls(self, key: str) -> list[tuple[KeyPath, Mark]]:
        """The places of nulls that *key* is or holds, for the fields where they are a danger."""
        node = self._node.get(key)
        path = (*self.path, key)
        if isinstance(node, Scalar):
            return [(path, node.mark)] if node.value is None and node.from_env else []
        items = node.items if isinstance(node, List) else ()
        return [((*path, n), item.mark) for n, item in enumerate(items) if is_null(item)]

    def _no_text(self, key: str) -> str:
        node = self._node.get(key)
        assert node is not None
        self._refuse((*self.path, key), node, "a text", "write one text; long ones go on several lines after key: |")
        return ""

    def _text(self, node: Node, path: KeyPath, wanted: str) -> str | None:
        if not isinstance(node, Scalar):
            self._refuse(path, node, wanted, "write one text; a list or mapping cannot stand here")
            return None
        text = text_of(node.value)
        if text != node.text and not isinstance(node.value, str) and not node.from_macro and not node.from_env:
            what = f'this unquoted value becomes the text "{text}"'
            self._problems.warn(
                "canonical",
                path,
                node.mark,
                what,
                value=shown(node, path),
                remedy="put it in quotes to keep it as it is",
            )
        return text

    def _refuse(self, path: KeyPath, node: Node, wanted: str, remedy: str) -> None:
        if not self._problems.broken(path):
            what = f"this must be {wanted}, not {kind_of(node)}"
            self._problems.error("type", path, node.mark, what, value=shown(node, path), remedy=remedy)


def _whole(node: Node) -> int | None:
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return int(value) if -_MOST - 1 <= int(value) <= _MOST else None
