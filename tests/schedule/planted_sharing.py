"""Planted defects in the schedulers that share. See `planted`."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from llamaswap.config.routing import BatchSettings, FifoSettings
from tests.schedule.planted import Defect, caught_by_random_worlds, caught_by_small_worlds
from tests.schedule.random_world import History
from tests.schedule.sharing_plans import BATCH_PLANS, FIFO_PLANS, SharingHistory
from tests.schedule.small_plans import Plan
from tests.schedule.twins import Twins


@dataclass(frozen=True)
class Rigs:
    """The rigs of one scheduler: its small worlds and its random ones."""

    plans: tuple[Plan, ...]
    begin: Callable[..., History]

    def small(self, make: Callable[..., Any], most: int) -> str | None:
        return caught_by_small_worlds(make, most, self.plans)

    def random(self, make: Callable[..., Any], seeds: range) -> int | None:
        return caught_by_random_worlds(make, seeds, self.begin)


class TwinHistory(History):
    """A random history of a batch that must do as serial does."""

    def __init__(self, make: Callable[..., Any], seed: int) -> None:
        super().__init__(partial(Twins, batch=make), seed)

    def _aborts_orphan_loads(self) -> bool:
        return False  # batch has no such setting


RIGS = {
    "fifo": Rigs(FIFO_PLANS, partial(SharingHistory, kind=FifoSettings)),
    "batch": Rigs(BATCH_PLANS, partial(SharingHistory, kind=BatchSettings)),
    "twins": Rigs((), TwinHistory),
}

#: Each with the rig that has to catch it.
SHARING_DEFECTS = (
    (
        "batch",
        Defect(
            "serves beside a broken answer that holds its place",
            "batch",
            "self._claim(first.model, self._requests.serving)",
            "self._claim(first.model, ())",
        ),
    ),
    (
        "fifo",
        Defect(
            "starts beside a victim that is stopping",
            "sharing",
            " and not self._in_the_way(claim)",
            "",
        ),
    ),
    (
        "batch",
        Defect(
            "takes a stopping victim for gone",
            "sharing",
            "{*self._residents.models(), *others, model}",
            "{*(each.model for each in self._residents if each.running), *others, model}",
        ),
    ),
    (
        "fifo",
        Defect(
            "forgets who is about to be loaded",
            "sharing",
            "{*self._residents.models(), *others, model}",
            "{*self._residents.models(), model}",
        ),
    ),
    (
        "batch",
        Defect(
            "makes room by stopping who serves",
            "sharing",
            "        if resident.in_flight:\n            return False\n",
            "",
        ),
    ),
    (
        "fifo",
        Defect(
            "serves the last of a line",
            "lines",
            "next(iter(line.values()))\n\n    def firsts",
            "next(reversed(line.values()))\n\n    def firsts",
        ),
    ),
    (
        "batch",
        Defect(
            "keeps the place of a request that left",
            "lines",
            "self.serving[model] -= 1",
            "self.serving[model] -= 0",
        ),
    ),
    (
        "fifo",
        Defect(
            "swaps for two who want the same place",
            "fifo",
            "if any(swap.collides(claim) for swap in self._swaps.values()):",
            "if False:",
        ),
    ),
    (
        "fifo",
        Defect(
            "serves a model that has somebody to evict",
            "fifo",
            "own.serves and not claim.victims",
            "own.serves",
        ),
    ),
    (
        "fifo",
        Defect(
            "ends a swap before its victims are gone",
            "fifo",
            "own.serves and not self._in_the_way(swap)",
            "own.serves",
        ),
    ),
    (
        "fifo",
        Defect(
            "loads for nobody",
            "fifo",
            "if swap.target not in self._requests.lines and not",
            "if False and not",
        ),
    ),
    (
        "fifo",
        Defect(
            "serves one more together than there are places",
            "fifo",
            "resident.in_flight < places",
            "resident.in_flight <= places",
        ),
    ),
    (
        "fifo",
        Defect(
            "lets the others wait for a failed load",
            "fifo",
            "return list(self._requests.lines.get(resident.model, ()))",
            "return list(self._requests.lines.get(resident.model, ()))[:1]",
        ),
    ),
    (
        "fifo",
        Defect(
            "waits with a swap for what cannot be stopped",
            "fifo",
            "        if stuck is not None:\n            del",
            "        if False:\n            del",
        ),
    ),
    (
        "fifo",
        Defect(
            "lets all pass one who has waited too long",
            "fifo",
            "if overdue is not None and self._hinders(claim, overdue):",
            "if False:",
        ),
    ),
    (
        "fifo",
        Defect(
            "loads what an overdue request would have to evict",
            "fifo",
            "return not frozenset(later.victims) <= frozenset(overdue.victims)",
            "return False",
        ),
    ),
    (
        "fifo",
        Defect(
            "shows the lowest priority first",
            "fifo",
            "sorted(lines, reverse=True)",
            "sorted(lines)",
        ),
    ),
    (
        "batch",
        Defect(
            "lets one more pass than allowed",
            "batch",
            "len(self._passed_by) < self",
            "len(self._passed_by) <= self",
        ),
    ),
    (
        "batch",
        Defect(
            "lets others pass however long one has waited",
            "batch",
            "return patient and len",
            "return len",
        ),
    ),
    (
        "batch",
        Defect(
            "counts anew when the oldest has gone",
            "batch",
            "del self._passed_by[: bisect(self._passed_by, oldest.ticket)]",
            "if bisect(self._passed_by, oldest.ticket):\n            self._passed_by.clear()",
        ),
    ),
    (
        "batch",
        Defect(
            "does not count who passes",
            "batch",
            "self._requests.head().ticket < first.ticket",
            "False",
        ),
    ),
    (
        "batch",
        Defect(
            "serves more of a model than it takes",
            "batch",
            "< self._rules[model].parallel",
            "<= self._rules[model].parallel",
        ),
    ),
    (
        "batch",
        Defect(
            "makes room while a victim serves",
            "batch",
            "if self._serves_still(claim):",
            "if False:",
        ),
    ),
    (
        "batch",
        Defect(
            "lets a later claim hinder an earlier one",
            "batch",
            "not any(self._hinders(claim, earlier, claims) for earlier in claims)",
            "True",
        ),
    ),
    (
        "twins",
        Defect(
            "forgets who is served by a life that has ended",
            "batch",
            "[*self._requests.serving, *(claim.target for claim in claims)]",
            "[claim.target for claim in claims]",
        ),
    ),
    (
        "twins",
        Defect(
            "claims for all, though only the oldest counts",
            "batch",
            "if self._may_be_passed(oldest, now) else [oldest]",
            "or [oldest]",
        ),
    ),
    (
        "batch",
        Defect(
            "tries a resting model for those who wait in line",
            "batch",
            "return self._rest(first.ticket, first.model, now)",
            "return None",
        ),
    ),
    (
        "batch",
        Defect(
            "fails all for the failed load of one",
            "batch",
            "return [] if first is None else [first.ticket]",
            "return list(self._requests.lines.get(resident.model, ()))",
        ),
    ),
    (
        "batch",
        Defect(
            "serves the last model first",
            "batch",
            "return self._requests.firsts(models) if",
            "return self._requests.firsts(models)[::-1] if",
        ),
    ),
)
