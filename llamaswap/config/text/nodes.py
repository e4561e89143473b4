"""The tree that a configuration file stands for: scalars have their types, and everything knows its place."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from llamaswap.config.text.place import Mark, looks_secret, shortened

_SECRET_KEYS = frozenset({"apiKey", "apiKeys", "env"})

ScalarValue = str | bool | int | float | datetime | None


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value.

    Attributes:
        text: As written, after unquoting; the value was made from it.
        from_env: An environment variable is part of it, so no message may show it.
        from_macro: A macro is part of it, so `text` is not what the user wrote.
    """

    mark: Mark
    value: ScalarValue
    text: str
    from_env: bool = False
    from_macro: bool = False

    def shown(self) -> str:
        """The value as a message shows it; empty if it must not be shown."""
        if self.from_env or looks_secret(self.text):
            return ""
        if isinstance(self.value, str):
            return f'"{shortened(self.value)}"'
        return shortened(self.text) if self.text else "null"


@dataclass(frozen=True, slots=True)
class List:
    """A sequence."""

    mark: Mark
    items: tuple["Node", ...]


class Entry(NamedTuple):
    """One key of a mapping: where the key stands, and its value."""

    key: Mark
    value: "Node"


@dataclass(frozen=True, slots=True)
class Map:
    """A mapping in document order. `anchored` names the keys below which something is anchored for use elsewhere."""

    mark: Mark
    entries: dict[str, Entry] = field(default_factory=dict)
    anchored: frozenset[str] = frozenset()

    def get(self, key: str) -> "Node | None":
        """The value of *key*, or None if there is none."""
        entry = self.entries.get(key)
        return entry.value if entry else None


Node = Scalar | List | Map


def is_null(node: Node | None) -> bool:
    """Whether there is nothing, or a null."""
    return node is None or (isinstance(node, Scalar) and node.value is None)


def kind_of(node: Node) -> str:
    """What a message calls it."""
    if not isinstance(node, Scalar):
        return "a mapping" if isinstance(node, Map) else "a list"
    value = node.value
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, str):
        return "text"
    if value is None:
        return "nothing"
    return "a date" if isinstance(value, datetime) else "a number"


def shown(node: Node, path: tuple[str | int, ...]) -> str:
    """The value as a message shows it; empty for what is not a scalar, and for keys that hold secrets."""
    return node.shown() if isinstance(node, Scalar) and not _SECRET_KEYS.intersection(path) else ""


def walk_scalars(node: Node, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Scalar]]:
    """Every scalar below *node* with its path, in document order; keys are not values."""
    match node:
        case Scalar():
            yield path, node
        case List(items=items):
            for n, item in enumerate(items):
                yield from walk_scalars(item, (*path, n))
        case Map(entries=entries):
            for key, entry in entries.items():
                yield from walk_scalars(entry.value, (*path, key))
