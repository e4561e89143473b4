"""Planted defects: one wrong line each in the scheduler's own source. Every one must be caught by a rig.

`docs/planted-defects.md` lists them, with who catches each; `scripts/rigs/core --defects` prints its table.
"""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from types import ModuleType
from typing import Any

import llamaswap.schedule
from tests.schedule.crowd import ViolationError
from tests.schedule.random_world import History
from tests.schedule.small_plans import PLANS, Plan
from tests.schedule.small_world import explore

#: Each after those it imports.
PARTS = (
    *("backoff", "requests", "lines", "residents", "unloads", "books", "scheduler", "serial"),
    *("needs", "sharing", "fifo", "batch"),
)
ROOM = Path(llamaswap.schedule.__file__).parent


@dataclass(frozen=True)
class Defect:
    """Replace the only occurrence of *right* in *part* by *wrong*."""

    name: str
    part: str
    right: str
    wrong: str


DEFECTS = (
    # Exclusion
    Defect("starts beside a life that is stopping", "serial", "and not self._residents and", "and"),
    Defect(
        "starts while a request is being served",
        "serial",
        "self._residents and not self._requests.active:",
        "self._residents:",
    ),
    Defect(
        "serves beside a left-over",
        "serial",
        "if len(self._residents) != 1:\n            return None\n        (resident,) = self._residents\n",
        "resident = next((r for r in self._residents if r.model == model), None)\n"
        "        if resident is None:\n            return None\n",
    ),
    Defect(
        "serves from a life that is stopping",
        "serial",
        'resident.state == "ready" and not resident.obsolete',
        "not resident.obsolete",
    ),
    Defect(
        "never stops a load that another model waits behind",
        "serial",
        "return resident.model != self._requests.head().model",
        'return resident.state == "ready" and resident.model != self._requests.head().model',
    ),
    Defect(
        "stops the model whose turn it is",
        "serial",
        "return resident.model != self._requests.head().model",
        "return True",
    ),
    Defect("takes a stuck life for gone", "books", 'resident.state = "stuck"\n', "self._residents.remove(life)\n"),
    Defect(
        "tells a stopping life to stop again and again",
        "residents",
        'return self.state in ("starting", "ready")',
        'return self.state != "stuck"',
    ),
    # Order
    Defect(
        "serves the last instead of the first",
        "requests",
        "next(iter(self.queue.values()))",
        "next(reversed(self.queue.values()))",
    ),
    Defect(
        "lets requests for the ready model overtake",
        "serial",
        "self._decide(self._requests.head(), now)",
        "self._decide(\n                next((w for w in self._requests.queue.values() if self._serving(w.model)),"
        " self._requests.head()), now)",
    ),
    Defect(
        "serves one more together than allowed",
        "serial",
        "len(self._requests.active) < self._parallel",
        "len(self._requests.active) <= self._parallel",
    ),
    Defect(
        "grants one request a pass",
        "serial",
        "            decided.append(decision)\n",
        "            decided.append(decision)\n            break\n",
    ),
    # Late facts
    Defect(
        "believes a late success",
        "books",
        'resident is not None and resident.state == "starting":',
        "resident is not None:",
    ),
    Defect(
        "mistakes an earlier life for the present one",
        "books",
        "resident = self._residents.find(life)\n"
        "        return resident if resident is not None and resident.model == model else None",
        "return next((r for r in self._residents if r.model == model), None)",
    ),
    Defect("numbers every life the same", "residents", "self._begun += 1", "self._begun = 1"),
    Defect(
        "fails the caller of a load that was told to stop",
        "books",
        'if resident.state == "starting" else []',
        'if resident.state in ("starting", "stopping") else []',
    ),
    # Counts and outcomes
    Defect(
        "keeps the count of a client that left the queue",
        "requests",
        "        self._release(waiting.model)\n        return True",
        "        return True",
    ),
    Defect(
        "keeps the count of a served request",
        "requests",
        "        self._release(model)\n        return life",
        "        return life",
    ),
    Defect("keeps a served request in flight", "scheduler", "resident.in_flight -= 1", "resident.in_flight -= 0"),
    Defect(
        "keeps the caller of a failed load in the queue",
        "books",
        "            self._requests.drop(ticket)\n        return [Reject(ticket, Refusal.START",
        "            pass\n        return [Reject(ticket, Refusal.START",
    ),
    Defect(
        "says nothing to the caller of a failed load",
        "books",
        "return [Reject(ticket, Refusal.START_FAILED, reason) for ticket in callers]",
        "return []",
    ),
    Defect(
        "fails everybody for one failed load",
        "serial",
        "return [head.ticket] if head.model == resident.model else []",
        "return [w.ticket for w in self._requests.queue.values() if w.model == resident.model]",
    ),
    Defect(
        "takes an exit during a load for a stop",
        "books",
        'self._fail_start(resident, reason, now) if resident.state == "starting" else []',
        "[]",
    ),
    Defect(
        "lets a dying life serve",
        "books",
        '        resident.state = "stopping"\n        return self._fail_start',
        "        return self._fail_start",
    ),
    Defect(
        "says nothing when a load is dying",
        "books",
        "return self._fail_start(resident, reason, now) if was_loading else []",
        "return []",
    ),
    Defect("takes what cannot be stopped for dying", "books", "not resident.running:", "False:"),
    Defect("admits one request too many", "scheduler", ">= rules.limit", "> rules.limit"),
    Defect("lets everybody wait for what cannot be stopped", "serial", 'if resident.state == "stuck":', "if False:"),
    # Unload
    Defect("unloads without emptying the queue", "scheduler", "self._requests.drop_all(named.__contains__)", "()"),
    Defect(
        "unloads no model that is serving",
        "scheduler",
        "if r.model in named)",
        "if r.model in named and not r.in_flight)",
    ),
    Defect(
        "answers an unload before the process is gone",
        "unloads",
        'if all(resident.state == "stuck" for resident in left):',
        "if True:",
    ),
    Defect(
        "waits with an unload for what cannot be stopped",
        "unloads",
        'if all(resident.state == "stuck" for resident in left):',
        "if not left:",
    ),
    Defect(
        "forgets the grace an unload asks for",
        "scheduler",
        "self._residents.stop(resident, now, grace)",
        "self._residents.stop(resident, now)",
    ),
    # Idleness
    Defect(
        "counts idleness from before the load",
        "books",
        '            resident.state = "ready"\n            resident.idle_since = now\n',
        '            resident.state = "ready"\n',
    ),
    Defect(
        "counts idleness from the start of the last request",
        "scheduler",
        "            resident.in_flight -= 1\n            resident.idle_since = now\n",
        "            resident.in_flight -= 1\n",
    ),
    Defect("sleeps through its own deadline", "serial", "now >= resident.expires_at", "now > resident.expires_at"),
    Defect(
        "plans the end of a model in use",
        "books",
        "resident.rules.ttl > 0 and not self._is_wanted(resident)",
        "resident.rules.ttl > 0",
    ),
    Defect("keeps an orphan although told not to", "serial", "return self._abort_orphan_loads and", "return False and"),
    # Shutdown
    Defect(
        "admits after the shutdown",
        "scheduler",
        "        if self._closed:\n            return _shutting_down(ticket)\n",
        "",
    ),
    Defect(
        "keeps the queue over the shutdown",
        "scheduler",
        "map(_shutting_down, self._requests.drop_all(lambda _: True))",
        "()",
    ),
    Defect("cuts answers while it drains", "serial", "if self._closed and not self._draining:", "if self._closed:"),
    Defect(
        "forgets the last model after the drain",
        "serial",
        "if self._closed or resident.obsolete:",
        "if resident.obsolete:",
    ),
    Defect(
        "drains although told not to", "scheduler", "self._draining = self._draining and drain", "self._draining = True"
    ),
    Defect("lets a slow stop outlast the shutdown", "scheduler", "[*doomed, *self._residents.hurry(now)]", "[*doomed]"),
    # Rests after failed starts
    Defect(
        "never forgives",
        "books",
        "            resident.idle_since = now\n            self._backoff.forget(model)\n",
        "            resident.idle_since = now\n",
    ),
    Defect("rests after the second failure", "backoff", "FAILURES = 3", "FAILURES = 2"),
    Defect("doubles the rest without end", "backoff", "min(2 * old.rest, LONGEST_REST_S)", "2 * old.rest"),
    Defect(
        "tries a resting model for those who wait",
        "serial",
        "return self._rest(head.ticket, head.model, now)",
        "return None",
    ),
    Defect("counts failures of long ago", "backoff", "if now - t <= WINDOW_S)", "if True)"),
    Defect(
        "unloads without forgiving",
        "scheduler",
        "        for model in named:\n            self._backoff.forget(model)\n",
        "",
    ),
    # Reload
    Defect("keeps a changed model's old process", "scheduler", "resident.obsolete = True", "pass"),
    Defect(
        "lets an obsolete life take on more",
        "serial",
        'resident.state == "ready" and not resident.obsolete',
        'resident.state == "ready"',
    ),
    Defect(
        "keeps waiting for a vanished model",
        "scheduler",
        "self._requests.drop_all(lambda model: model not in models)",
        "()",
    ),
    Defect("keeps the old ttl", "scheduler", "resident.rules = models[resident.model]", "pass"),
)


def plant(defect: Defect, part: str = "serial") -> Callable[..., Any]:
    """The scheduler of *part* of a copy of the room with *defect* in it. The real modules are left as they are."""
    names = [f"llamaswap.schedule.{part}" for part in PARTS]
    real = {name: sys.modules[name] for name in names}
    try:
        for name, each in zip(names, PARTS, strict=True):
            sys.modules[name] = _module(name, each, defect)
        made: Callable[..., Any] = getattr(sys.modules[f"llamaswap.schedule.{part}"], f"{part.title()}Scheduler")
        return made
    finally:
        sys.modules.update(real)


def _module(name: str, part: str, defect: Defect) -> ModuleType:
    path = ROOM / f"{part}.py"
    source = path.read_text()
    if part == defect.part:
        if source.count(defect.right) != 1:
            raise LookupError(f"{defect.name}: {defect.right!r} is there {source.count(defect.right)} times")
        source = source.replace(defect.right, defect.wrong)
    spec = util.spec_from_file_location(name, path)
    assert spec is not None
    module = util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up while it is being made
    exec(compile(source, str(path), "exec"), module.__dict__)
    return module


def caught_by_small_worlds(make: Callable[..., Any], most: int, plans: Iterable[Plan] = PLANS) -> str | None:
    """The name of the first plan that finds something wrong within *most* situations."""
    for plan in plans:
        try:
            explore(make, plan, most)
        except ViolationError as error:
            _be_judged(error)
            return plan.name
    return None


def caught_by_random_worlds(
    make: Callable[..., Any], seeds: range, begin: Callable[..., History] = History
) -> int | None:
    """The first seed that finds something wrong."""
    for seed in seeds:
        try:
            begin(make, seed).run()
        except ViolationError as error:
            _be_judged(error)
            return seed
    return None


def _be_judged(error: ViolationError) -> None:
    """A defect that does not even run proves nothing."""
    if isinstance(error.__cause__, (NameError, AttributeError, TypeError)):
        raise error.__cause__
