"""Typed reading of one section by its shape: what each type of key takes, what it refuses, what a null means to it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from llamaswap.config.reading import remedies, scalar_fields
from llamaswap.config.table.shapes import (
    Anything,
    Duration,
    Each,
    NamedAnything,
    Names,
    Section,
    Shape,
    Switch,
    Text,
    Texts,
    Whole,
)
from llamaswap.config.text.nodes import List, Map, Node, Scalar, is_null, kind_of, shown
from llamaswap.config.text.place import Mark
from llamaswap.config.text.problems import KeyPath, Problems

_S = TypeVar("_S", bound=Shape)


class Item(NamedTuple):
    """A text of a list or mapping, with its place. *name* is its key in a mapping."""

    text: str
    path: KeyPath
    mark: Mark
    name: str = ""
    is_null: bool = False


@dataclass(frozen=True, slots=True)
class NamedWhole:
    """A number of a mapping, with its place."""

    name: str
    value: int
    path: KeyPath
    mark: Mark


class Fields:
    """The keys of one section. Reading a wrong value reports it and gives the default, so that reading goes on.

    With *zero*, the section was left empty where it has a name of its own (``a: ~``): every key is then empty or 0,
    and no default is taken.
    """

    def __init__(
        self, node: Map, shape: Section, path: KeyPath, mark: Mark, problems: Problems, *, zero: bool = False
    ) -> None:
        self.path = path
        self.mark = mark
        self.zero = zero
        self.problems = problems
        self._node = node
        self.shape = shape

    # Places, for those who have something to say about a value

    def given(self, key: str) -> bool:
        """Whether *key* is there and not null."""
        return not is_null(self._node.get(key))

    def written(self, key: str) -> bool:
        """Whether *key* is there, be it null."""
        return self._node.get(key) is not None

    def mark_of(self, key: str) -> Mark:
        """Where the value of *key* stands; the section's own place if there is none."""
        node = self._node.get(key)
        return node.mark if node else self.mark

    def path_of(self, key: str) -> KeyPath:
        """The path of *key*; of the section itself if it is empty."""
        return (*self.path, key) if key else self.path

    def value_of(self, key: str) -> str:
        """The value of *key* as a message shows it."""
        node = self._node.get(key)
        return shown(node, (*self.path, key)) if node else ""

    def warn(self, key: str, what: str, remedy: str, *, code: str) -> None:
        """Say what *key* (or, if empty, the whole section) probably was not meant to do."""
        value, mark = (self.value_of(key), self.mark_of(key)) if key else ("", self.mark)
        self.problems.warn(code, self.path_of(key), mark, what, value=value, remedy=remedy)

    def error(self, key: str, what: str, remedy: str, *, code: str) -> None:
        """Refuse *key*, or, if empty, the whole section; once, and not if it was refused already."""
        if not self.problems.broken(self.path_of(key)):
            value, mark = (self.value_of(key), self.mark_of(key)) if key else ("", self.mark)
            self.problems.error(code, self.path_of(key), mark, what, value=value, remedy=remedy)

    # Values

    def text(self, key: str) -> str:
        """A text; other scalars are taken in their canonical form."""
        shape = self._expect(key, Text)
        node = self._node.get(key)
        if is_null(node):
            if shape.required and not self.zero:
                remedy = f"add {key}: {shape.example or ' | '.join(shape.choices) or '...'}"
                self.error(key, f"{key} is missing", remedy, code="missing")
            return "" if self.zero else shape.default
        assert node is not None
        path = self.path_of(key)
        text = scalar_fields.text(node, path, self.problems)
        return shape.default if text is None else scalar_fields.chosen(text, shape, node, path, self.problems)

    def whole(self, key: str) -> int:
        """A whole number; fractions are cut off."""
        shape = self._expect(key, Whole)
        default = 0 if self.zero else shape.default
        value = scalar_fields.whole(self._node.get(key), shape.least, self.path_of(key), self.problems)
        return default if value is None else value

    def switch(self, key: str) -> bool:
        """True or false."""
        return bool(self.optional_switch(key))

    def optional_switch(self, key: str) -> bool | None:
        """True or false, or None if it is left open."""
        shape = self._expect(key, Switch)
        value = scalar_fields.switch(self._node.get(key), self.path_of(key), self.problems)
        return value if value is not None else False if self.zero and shape.default else shape.default

    def seconds(self, key: str) -> float:
        """A length of time, in seconds."""
        shape = self._expect(key, Duration)
        value = scalar_fields.seconds(self._node.get(key), shape.least, self.path_of(key), self.problems)
        return value or shape.default

    def texts(self, key: str) -> list[Item]:
        """A list of texts. Nulls in it are left out, with a warning; a null instead of it is an empty list."""
        shape = self._expect(key, Texts)
        node, path = self._node.get(key), self.path_of(key)
        if node is None and not self.zero and not shape.required:
            return [Item(text, path, self.mark) for text in shape.default]
        items = self._list(key, node, path) if node is not None and not is_null(node) else []
        if shape.required and not items and not self.zero:
            what = f"{key} is missing" if node is None else f"{key} is empty"
            self.error(key, what, f"write {key}: [name, ...]", code="missing")
        return [item for item in items if self._is_choice(item, shape)]

    def nulls(self, key: str) -> list[tuple[KeyPath, Mark]]:
        """The places of nulls that *key* holds, or is because a variable is empty: where that is a danger."""
        node = self._node.get(key)
        path = self.path_of(key)
        if isinstance(node, Scalar):
            return [(path, node.mark)] if node.value is None and node.from_env else []
        items = node.items if isinstance(node, List) else ()
        return [((*path, n), item.mark) for n, item in enumerate(items) if is_null(item)]

    def named_texts(self, key: str) -> list[Item]:
        """A mapping from names to texts."""
        self._expect(key, Names)
        items = []
        for name, entry in self._mapping(key).entries.items():
            path = (*self.path_of(key), name)
            text = "" if is_null(entry.value) else scalar_fields.text(entry.value, path, self.problems)
            if text is not None:
                items.append(Item(text, path, entry.value.mark, name, is_null(entry.value)))
        return items

    def named_wholes(self, key: str) -> list[NamedWhole]:
        """A mapping from names to numbers."""
        self._expect(key, Names)
        items = []
        for name, entry in self._mapping(key).entries.items():
            path = (*self.path_of(key), name)
            value = scalar_fields.whole(entry.value, None, path, self.problems)
            if not self.problems.broken(path):
                items.append(NamedWhole(name, value or 0, path, entry.value.mark))
        return items

    def anything(self, key: str) -> Map:
        """A mapping with any content, as it is."""
        self._expect(key, Anything)
        return self._mapping(key)

    def named_anything(self, key: str) -> Map:
        """A mapping from names to mappings with any content, as it is."""
        self._expect(key, NamedAnything)
        return self._mapping(key)

    # Sections

    def section(self, key: str) -> "Fields":
        """The section below *key*; an empty one if there is none."""
        shape = self._expect(key, Section)
        return Fields(self._mapping(key), shape, self.path_of(key), self.mark_of(key), self.problems, zero=self.zero)

    def entries(self, key: str) -> Iterator[tuple[str, "Fields"]]:
        """Each named section below *key*."""
        shape = self._expect(key, Each)
        node = self._mapping(key, f"write {shape.noun}-name: for each, without a dash, and its keys below it, indented")
        for name, entry in node.entries.items():
            path = (*self.path_of(key), name)
            if not isinstance(entry.value, Map) and not is_null(entry.value):
                belongs = f"{name} belongs to a {shape.noun}: indent it deeper than the {shape.noun}'s name"
                remedy = belongs if name in shape.of.keys else remedies.for_section(shape.of, entry.value, name)
                self._refuse(path, entry.value, "a mapping", remedy)
                continue
            inner = entry.value if isinstance(entry.value, Map) else Map(entry.key)
            yield name, Fields(inner, shape.of, path, entry.key, self.problems, zero=is_null(entry.value))

    # Parts

    def _expect(self, key: str, kind: type[_S]) -> _S:
        shape = self.shape.keys[key].shape
        assert isinstance(shape, kind), f"{key} is {shape}"
        return shape

    def _mapping(self, key: str, for_a_list: str = "") -> Map:
        node = self._node.get(key)
        if node is not None and not isinstance(node, Map) and not is_null(node):
            shape = self.shape.keys[key].shape
            below = remedies.for_section(shape, node, key) if isinstance(shape, Section) else remedies.BELOW
            remedy = for_a_list if for_a_list and isinstance(node, List) else below
            self._refuse(self.path_of(key), node, "a mapping", remedy)
        return node if isinstance(node, Map) else Map(self.mark_of(key))

    def _list(self, key: str, node: Node, path: KeyPath) -> list[Item]:
        if not isinstance(node, List):
            example = "- NAME=value" if key == "env" else "- value"
            self._refuse(path, node, "a list", f"write {key}: and below it one line for each, as in {example}")
            return []
        items = []
        for n, item in enumerate(node.items):
            if is_null(item):
                what = "an empty item is left out"
                self.problems.warn("null-item", (*path, n), item.mark, what, remedy="remove it")
                continue
            if key == "env" and isinstance(item, Map):
                name = next(iter(item.entries), "NAME")
                self._refuse((*path, n), item, "a text", f"write - {name}=value, with an equals sign and no blank")
                continue
            text = scalar_fields.text(item, (*path, n), self.problems)
            if text is not None:
                items.append(Item(text, (*path, n), item.mark))
        return items

    def _is_choice(self, item: Item, shape: Texts) -> bool:
        if not shape.choices or item.text in shape.choices:
            return True
        remedy = scalar_fields.suggestion(item.text, shape.choices)
        self.problems.error(
            "choice", item.path, item.mark, "there is no such choice", value=f'"{item.text}"', remedy=remedy
        )
        return False

    def _refuse(self, path: KeyPath, node: Node, wanted: str, remedy: str) -> None:
        if not self.problems.broken(path):
            what = f"this must be {wanted}, not {kind_of(node)}"
            self.problems.error("type", path, node.mark, what, value=shown(node, path), remedy=remedy)
