"""A machine's state as plain JSON values, and back. Driven by the objects themselves: no list of their fields here.

What may be in a state: numbers, texts, enums; lists, dicts, sets, deques, tuples; objects of this room. Each thing that
can change is written once, however often it is referred to. Settings (values of the configuration, functions) are no
state: they are left out, and the machine that the state is put into has its own.

Restoring makes objects of this room's classes only, and calls nothing but constructors of frozen values.
"""

import math
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any

from llamaswap.schedule.plain import PlainError, class_name, class_of, clean
from llamaswap.schedule.scheduler import Scheduler

_SETTINGS = "llamaswap.config."
_ATOMS = (type(None), bool, int)
_LISTS: dict[str, type] = {"list": list, "set": set, "deque": deque}
_DICTS: dict[str, type] = {"dict": dict, "OrderedDict": OrderedDict}
_NAMES = {kind: name for name, kind in (_LISTS | _DICTS).items()}
#: Stands for what the other machine has itself.
_KEPT = {"!": "kept"}


class SnapshotError(ValueError):
    """The state holds something that cannot be written, or the text does not fit the machine."""


def snapshot(machine: Scheduler) -> Any:
    """The state of *machine*. Raises `SnapshotError`."""
    try:
        return _Writer().write(machine)
    except PlainError as error:
        raise SnapshotError(f"in a scheduler's state: {error}") from error


def restore(machine: Scheduler, state: Any) -> None:
    """Put *state* into *machine*, which must have been made with the same settings. Raises `SnapshotError`."""
    try:
        restored = _Reader().read(state, machine)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise SnapshotError(f"{type(error).__name__}: {error}") from error
    if restored is not machine:
        raise SnapshotError(f"it is the state of another scheduler than {type(machine).__name__}")


def slots_of(value: Any) -> list[str]:
    """The names of the attributes *value* has, however its class declares them."""
    declared = [
        name
        for kind in type(value).__mro__
        for name in _as_names(getattr(kind, "__slots__", ()))
        if name not in ("__dict__", "__weakref__")
    ]
    return [name for name in (*declared, *getattr(value, "__dict__", {})) if hasattr(value, name)]


def is_frozen(kind: type) -> bool:
    """Whether values of *kind* are compared by content and never change: frozen dataclasses and named tuples."""
    parameters = getattr(kind, "__dataclass_params__", None)
    return hasattr(kind, "_fields") or (parameters is not None and parameters.frozen)


def is_setting(value: Any) -> bool:
    """Whether *value* belongs to the configuration, or decides without remembering."""
    return type(value).__module__.startswith(_SETTINGS) or callable(value) or isinstance(value, MappingProxyType)


def _as_names(slots: str | Iterable[str]) -> tuple[str, ...]:
    return (slots,) if isinstance(slots, str) else tuple(slots)


class _Writer:
    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}

    def write(self, value: Any) -> Any:  # noqa: PLR0911 - one return for each kind of value
        kind = type(value)
        if kind is str:
            return clean(value)
        if kind in _ATOMS:
            return value
        if kind is float:
            return value if math.isfinite(value) else {"!": "float", "of": repr(value)}
        if isinstance(value, Enum):
            return {"!": class_name(kind), "of": value.name}
        if kind is tuple:
            return {"!": "tuple", "of": [self.write(each) for each in value]}
        if kind is frozenset:
            return {"!": "frozenset", "of": [self.write(each) for each in sorted(value, key=repr)]}
        if is_setting(value):
            return _KEPT
        if is_frozen(kind):
            return {"!": class_name(kind), "of": [self.write(each) for each in _contents(value)]}
        return self._once(value)

    def _once(self, value: Any) -> Any:
        """Something that can change; the second time a reference to the first."""
        if id(value) in self._numbers:
            return {"!": "again", "of": self._numbers[id(value)]}
        self._numbers[id(value)] = len(self._numbers)
        kind = type(value)
        if kind is set:
            return {"!": "set", "of": [self.write(each) for each in sorted(value, key=repr)]}
        if kind in _LISTS.values():
            return {"!": _NAMES[kind], "of": [self.write(each) for each in value]}
        if kind in _DICTS.values():
            return {"!": _NAMES[kind], "of": [[self.write(key), self.write(each)] for key, each in value.items()]}
        names = sorted(slots_of(value))  # as JSON is written, so that the reader counts as we do
        return {"!": class_name(kind), "of": {name: self.write(getattr(value, name)) for name in names}}


def _contents(value: Any) -> Sequence[Any]:
    contents: Sequence[Any] = [getattr(value, f.name) for f in fields(value)] if is_dataclass(value) else value
    return contents


class _Reader:
    def __init__(self) -> None:
        self._known: list[Any] = []

    def read(self, plain: Any, existing: Any = None) -> Any:  # noqa: PLR0911 - as above
        if not isinstance(plain, dict):
            return plain
        name: str = plain["!"]
        of: Any = plain.get("of")
        match name:
            case "kept":
                return self._kept(existing)
            case "again":
                return self._known[of]
            case "float":
                return float(of)
            case "tuple":
                return tuple(self._each(of, existing))
            case "frozenset":
                return frozenset(self.read(each) for each in of)
        if name in _LISTS or name in _DICTS:
            return self._fill(_LISTS.get(name) or _DICTS[name], of, existing)
        return self._object(class_of(name), of, existing)

    def _fill(self, kind: Any, of: list[Any], existing: Any) -> Any:
        """A container; the machine's own is filled, since others in it may refer to it."""
        made: Any = existing if type(existing) is kind else kind()
        self._known.append(made)
        before = made.copy()
        made.clear()
        if kind in _DICTS.values():
            for plain_key, plain in of:
                key = self.read(plain_key)
                made[key] = self.read(plain, before.get(key))
        elif kind is set:
            made.update(self.read(each) for each in of)
        else:
            made.extend(self._each(of, before))
        return made

    def _each(self, of: list[Any], existing: Any) -> list[Any]:
        """The items of a sequence; where the machine has one of the same length, its settings stay in their place."""
        own = existing if isinstance(existing, (list, tuple, deque)) and len(existing) == len(of) else [None] * len(of)
        return [self.read(each, mine) for each, mine in zip(of, own, strict=True)]

    @staticmethod
    def _kept(existing: Any) -> Any:
        if existing is None:
            raise SnapshotError("the machine lacks a setting that the state refers to")
        return existing

    def _object(self, kind: Any, of: Any, existing: Any) -> Any:
        if issubclass(kind, Enum):
            return kind[of]
        if is_frozen(kind):
            return kind(*self._each(of, _contents(existing) if type(existing) is kind else None))
        made = existing if type(existing) is kind else kind.__new__(kind)
        self._known.append(made)
        for name, each in of.items():
            setattr(made, name, self.read(each, getattr(made, name, None)))
        return made
