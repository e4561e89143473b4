"""Processes that got away from an earlier daemon: found by their markers, and ended.

The guards leave nothing behind, so this is for the case that a guard itself was killed together with the daemon.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from signal import SIGCONT, SIGKILL, SIGTERM

from llamaswap.models.markers import LIFE, OWNER, find_marked, owner_is_dead
from llamaswap.models.proctable import Process, is_alive, process_table, signal_process

logger = logging.getLogger(__name__)

TERM_GRACE_S = 1.0
KILL_LIMIT_S = 5.0


@dataclass(frozen=True, slots=True)
class Reclaimed:
    """A leftover that was found. `ended`: it is gone; otherwise it survives even SIGKILL."""

    pid: int
    model: str
    owner: str
    ended: bool


def reclaim_orphans() -> list[Reclaimed]:
    """End every process of our user whose daemon is dead, and tell which they were.

    Blocks for up to 6 s (normally some milliseconds): run it in a thread, before the first model is started. Processes
    without the marker, of another user, or of a living daemon are not touched.
    """

    def orphaned(marks: dict[str, str]) -> bool:
        return OWNER in marks and owner_is_dead(marks[OWNER])

    found = {process.pid: marks for process, marks in find_marked(orphaned)}
    if not found:
        return []
    left = set(_sweep(orphaned, TERM_GRACE_S))
    reclaimed = [
        Reclaimed(pid, marks.get(LIFE, "").partition(":")[2], marks[OWNER], pid not in left)
        for pid, marks in found.items()
    ]
    for each in reclaimed:
        logger.warning("leftover of an earlier daemon pid=%d model=%s ended=%s", each.pid, each.model, each.ended)
    return reclaimed


def sweep_life(mark: str, leader: int | None = None) -> list[int]:
    """Kill every process of one life at once; blocks for up to 5 s. Returns those that survive it.

    Args:
        mark: The life's marker, which also processes in other sessions carry.
        leader: Its leader, if that lived a moment ago: its session is searched too, for those that dropped the marker.
    """
    unmarked = [process for process in process_table().values() if leader and process.session == leader]
    return _sweep(lambda marks: marks.get(LIFE) == mark, 0.0, unmarked)


def _sweep(wanted: Callable[[dict[str, str]], bool], term_grace: float, unmarked: Sequence[Process] = ()) -> list[int]:
    """TERM, *term_grace* seconds, then KILL until nothing wanted is left, or for `KILL_LIMIT_S`."""
    kill_at = time.monotonic() + term_grace
    asked: set[int] = set()
    while True:
        alive = [process for process, _ in find_marked(wanted)] + [each for each in unmarked if is_alive(each)]
        now = time.monotonic()
        if not alive or now > kill_at + KILL_LIMIT_S:
            return [process.pid for process in alive]
        for process in alive:
            if now >= kill_at:
                signal_process(process, SIGKILL)
            elif process.pid not in asked:
                asked.add(process.pid)
                signal_process(process, SIGTERM)
                signal_process(process, SIGCONT)
        time.sleep(0.02)
