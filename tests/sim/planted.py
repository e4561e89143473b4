"""Known defects for the simulator to find, one at a time, planted in copies of our own modules.

A rig that lets one of these live is broken. The copies are whole: every module of the daemon and of the simulator is
loaded anew with one wrong line, and forgotten afterwards, so that nothing is left of a defect.
"""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any

OURS = ("llamaswap", "tests.sim")
#: Worlds in which a defect is looked for: of an hour, then tiny ones with a few faults each.
MOST_SEEDS, MOST_SWEEPS = 60, 12


@dataclass(frozen=True)
class Defect:
    """*right* becomes *wrong* in *module* of ``llamaswap``, where it stands exactly once."""

    name: str
    module: str
    right: str
    wrong: str


DEFECTS: tuple[Defect, ...] = ()


class _Planter(MetaPathFinder):
    def __init__(self, defect: Defect) -> None:
        self._defect = defect

    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != f"llamaswap.{self._defect.module}":
            return None
        spec = PathFinder.find_spec(name, path)
        assert spec is not None
        assert spec.origin is not None
        spec.loader = _Loader(name, spec.origin, self._defect)
        return spec


class _Loader(SourceFileLoader):
    def __init__(self, name: str, path: str, defect: Defect) -> None:
        super().__init__(name, path)
        self._defect = defect

    def get_code(self, fullname: str) -> Any:
        source = self.get_data(self.path).decode()
        if source.count(self._defect.right) != 1:
            raise LookupError(f"{self._defect.name}: its line is there {source.count(self._defect.right)} times")
        return compile(source.replace(self._defect.right, self._defect.wrong), self.path, "exec")


@contextmanager
def planted(defect: Defect) -> Iterator[Any]:
    """The module `tests.sim.run` of a world of its own, with *defect* in it."""
    before = {name: module for name, module in sys.modules.items() if name.startswith(OURS)}
    planter = _Planter(defect)
    for name in before:
        del sys.modules[name]
    sys.meta_path.insert(0, planter)
    try:
        yield importlib.import_module("tests.sim.run")
    finally:
        sys.meta_path.remove(planter)
        for name in [name for name in sys.modules if name.startswith(OURS)]:
            del sys.modules[name]
        sys.modules.update(before)


def caught(defect: Defect, seeds: int = MOST_SEEDS, sweeps: int = MOST_SWEEPS) -> tuple[str, str] | None:
    """The first world that finds something wrong, and what."""
    with planted(defect) as run:
        for seed in range(seeds):
            if breaches := run.play_all([run.World(seed)]).breaches:
                return _told(breaches[0])
        for seed in range(sweeps):
            if breaches := run.sweep(seed, 3).breaches:
                return _told(breaches[0])
    return None


def _told(breach: str) -> tuple[str, str]:
    world, _, wrong = breach.partition(": ")
    return world, wrong.partition(" ")[2]
