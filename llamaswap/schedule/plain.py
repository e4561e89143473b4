"""Frozen values of the configuration as plain JSON values, and back. Driven by the classes: no list of fields here.

Each object carries the name of its class under ``!``; reading makes objects of this package's pure rooms only.
"""

import importlib
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

_PACKAGE = "llamaswap."
_ROOMS = ("config", "schedule")


class PlainError(ValueError):
    """A value cannot be written, or what was read is none of this version."""


def class_name(kind: type) -> str:
    """The name under which `class_of` finds *kind*. Raises `PlainError` for one that is not of these rooms."""
    package, room, *_ = [*kind.__module__.split("."), ""]
    if f"{package}." != _PACKAGE or room not in _ROOMS or kind.__qualname__ != kind.__name__:
        raise PlainError(f"a {kind.__module__}.{kind.__qualname__} cannot be written")
    return f"{kind.__module__.removeprefix(_PACKAGE)}.{kind.__name__}"


def class_of(name: str) -> type:
    """The class that `class_name` has called *name*. Raises `PlainError`."""
    module, _, kind = name.rpartition(".")
    if module.split(".")[0] not in _ROOMS or not all(part.isidentifier() for part in name.split(".")):
        raise PlainError(f"{name!r} is no class of a journal")
    try:
        found = getattr(importlib.import_module(_PACKAGE + module), kind, None)
    except ImportError as error:
        raise PlainError(f"{name!r} is no class of this version") from error
    if not isinstance(found, type) or found.__module__ != _PACKAGE + module:
        raise PlainError(f"{name!r} is no class of this version")
    return found


def clean(text: str) -> str:
    """*text* without what UTF-8 cannot hold: what a process has printed, and a detail quotes, need not be text."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def write(value: Any) -> Any:  # noqa: PLR0911 - one return for each kind of value
    """*value*, a tree of frozen dataclasses, tuples, frozen sets and mappings. Raises `PlainError`."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else {"!": "float", "of": repr(value)}
        case Enum():
            return {"!": class_name(type(value)), "of": value.name}
        case tuple() | list():
            return [write(each) for each in value]
        case frozenset():
            return {"!": "frozenset", "of": [write(each) for each in sorted(value, key=repr)]}
        case Mapping():
            return {"!": "mapping", "of": [[write(key), write(each)] for key, each in value.items()]}
    if not is_dataclass(value):
        raise PlainError(f"a {type(value).__name__} cannot be written")
    return {"!": class_name(type(value))} | {f.name: write(getattr(value, f.name)) for f in fields(value) if f.init}


def read(plain: Any) -> Any:
    """What `write` has made *plain* of; sequences become tuples. Raises `PlainError`."""
    try:
        return _read(plain)
    except (KeyError, TypeError, ValueError) as error:
        raise PlainError(f"{type(error).__name__}: {error}") from error


def _read(plain: Any) -> Any:  # noqa: PLR0911 - as above
    if isinstance(plain, list):
        return tuple([_read(each) for each in plain])
    if not isinstance(plain, dict):
        return plain
    name = plain["!"]
    match name:
        case "float":
            return float(plain["of"])
        case "frozenset":
            return frozenset(_read(each) for each in plain["of"])
        case "mapping":
            return {_read(key): _read(each) for key, each in plain["of"]}
    kind: Any = class_of(name)
    if issubclass(kind, Enum):
        return kind[plain["of"]]
    make: Any = kind if is_dataclass(kind) else None
    if make is None:
        raise PlainError(f"{name!r} is no class of a journal")
    return make(**{key: _read(each) for key, each in plain.items() if key != "!"})
