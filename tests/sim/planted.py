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
    """*right* becomes *wrong* in *module* of ``llamaswap``, where it stands exactly once.

    Attributes:
        seed: A world that is known to find it, looked at first.
    """

    name: str
    module: str
    right: str
    wrong: str
    seed: int = 0


DEFECTS = (
    # A request's place
    Defect(
        "keeps the place of a request that was cancelled",
        "proxy.handler",
        "        finally:\n            self._dispatcher.leave(lease)",
        "        except Exception:\n            self._dispatcher.leave(lease)\n            raise\n"
        "        else:\n            self._dispatcher.leave(lease)",
    ),
    Defect(
        "does not tell the scheduler of who leaves the queue",
        "dispatcher.dispatcher",
        "        self._turns.post(Left(lease.ticket))",
        "        if lease.upstream is not None:\n            self._turns.post(Left(lease.ticket))",
    ),
    Defect(
        "does not notice a client's leaving",
        "gateway.reader",
        'way_out.go_through()\n                connection.cancel("the client hung up")\n',
        "way_out.go_through()\n",
    ),
    Defect(
        "leaves the client of a broken answer waiting",
        "gateway.routes",
        "        except BrokenAnswerError:\n            client.cut()",
        "        except BrokenAnswerError:\n            pass",
    ),
    # Connections to the models
    Defect(
        "keeps connections to a process that is gone",
        "dispatcher.lives",
        "                run.upstream.close()\n",
        "",
    ),
    Defect(
        "sends on a kept connection that has ended", "models.upstream", " and not readable(connection.sock):", ":", 6
    ),
    # Lives
    Defect(
        "says that a life is over while a child lives",
        "models.supervisor",
        "        self._ending = how\n        if self._leaving():\n",
        "        self._ending = how\n        if self._leaving():\n"
        "            self._post(Exited(self._spec.id, self._life, how))\n",
        3,
    ),
    Defect("never kills", "models.process", 'f"{grace:.3f}", *self._stop_command', '"86400", *self._stop_command', 22),
    Defect(
        "trusts a guard that does not act",
        "models.process",
        "            self._guard.kill()\n        await self._hurried",
        "        await self._hurried",
        6,
    ),
    Defect(
        "leaves the tree of a dead guard alone",
        "models.process",
        "if self._guard and self._guard.returncode != 0:",
        "if False:",
    ),
    Defect(
        "waits for a load without end",
        "models.supervisor",
        "            self._starting.deadline = trio.current_time() + timeout\n",
        "            self._starting.deadline = float('inf')\n",
        1,
    ),
    Defect(
        "spawns what was stopped before it began",
        "models.supervisor",
        "        if self._stop_asked:\n            return\n        async",
        "        async",
        42,
    ),
    Defect(
        "does not stop a load",
        "dispatcher.lives",
        "            run.process.stop(grace)\n",
        "            run.process.stop(grace) if run.ready else None\n",
        7,
    ),
    # The whole
    Defect(
        "loads with the settings of before the reload",
        "dispatcher.core",
        "        self._config = config\n        self._lives",
        "        self._lives",
        2,
    ),
    Defect(
        "counts idleness from the start of the last request",
        "schedule.scheduler",
        "            resident.in_flight -= 1\n            resident.idle_since = now\n",
        "            resident.in_flight -= 1\n",
    ),
    Defect(
        "does not notice that all are gone",
        "dispatcher.lives",
        "                if not self._runs:\n                    self._quiet.set()\n",
        "",
        2,
    ),
    Defect(
        "lets the served take as long as they like",
        "shutdown",
        "with trio.move_on_after(DRAIN_S):",
        "with trio.move_on_after(1000.0):",
    ),
)


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
        return compile(source.replace(self._defect.right, self._defect.wrong, 2), self.path, "exec")


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
        for seed in (defect.seed, *range(seeds)):
            if breaches := run.play_all([run.World(seed)]).breaches:
                return _told(breaches[0])
        for seed in range(sweeps):
            if breaches := run.sweep(seed, 3).breaches:
                return _told(breaches[0])
    return None


def _told(breach: str) -> tuple[str, str]:
    world, _, wrong = breach.partition(": ")
    return world, wrong.partition(" ")[2]
