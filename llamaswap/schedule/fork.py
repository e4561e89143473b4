"""An independent copy of a machine, to ask it what would happen. Cheap: what cannot change is shared, also in bulk."""

from collections import OrderedDict, deque
from collections.abc import Iterable
from enum import Enum
from itertools import chain
from types import MethodType
from typing import Any, TypeVar

from llamaswap.schedule.scheduler import Scheduler
from llamaswap.schedule.snapshot import is_frozen, is_setting, slots_of

M = TypeVar("M", bound=Scheduler)

_VALUES = frozenset((type(None), bool, int, float, str, bytes, frozenset))
_DICTS = (dict, OrderedDict)
_LISTS = (list, set, deque)


def fork(machine: M) -> M:
    """A machine in the same state; neither sees what the other is told. Settings are shared."""
    copied: M = _Copier().copy(machine)
    return copied


class _Copier:
    def __init__(self) -> None:
        self._made: dict[int, Any] = {}

    def copy(self, value: Any) -> Any:  # noqa: PLR0911 - one return for each kind of value
        kind = type(value)
        if kind in _VALUES:
            return value
        if id(value) in self._made:
            return self._made[id(value)]
        if kind is tuple:
            return tuple([self.copy(each) for each in value])
        if kind in _DICTS or kind in _LISTS:
            return self._container(kind, value)
        if kind is MethodType:
            return MethodType(value.__func__, self.copy(value.__self__))
        if isinstance(value, tuple):  # a named one
            return kind(*[self.copy(each) for each in value])
        if is_frozen(kind) or is_setting(value) or isinstance(value, Enum):
            return value
        return self._object(kind, value)

    def _container(self, kind: Any, value: Any) -> Any:
        contents = chain(value, value.values()) if kind in _DICTS else value
        if _cannot_change(contents):
            made = self._made[id(value)] = value.copy()
            return made
        made = self._made[id(value)] = kind()
        if kind in _DICTS:
            for key, each in value.items():
                made[key] = self.copy(each)
        elif kind is set:
            made.update(self.copy(each) for each in value)
        else:
            made.extend([self.copy(each) for each in value])
        return made

    def _object(self, kind: Any, value: Any) -> Any:
        made = self._made[id(value)] = kind.__new__(kind)
        for name in slots_of(value):
            object.__setattr__(made, name, self.copy(getattr(value, name)))
        return made


def _cannot_change(values: Iterable[Any]) -> bool:
    """Whether all of *values* may be shared. Fast for many: it asks for types, not for values."""
    values = list(values)
    kinds = set(map(type, values)) - _VALUES
    tuples = [kind for kind in kinds if issubclass(kind, tuple)]
    if not all(is_frozen(kind) or issubclass(kind, Enum) or kind is tuple for kind in kinds):
        return False
    return not tuples or _cannot_change(chain.from_iterable(each for each in values if isinstance(each, tuple)))
