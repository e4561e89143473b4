"""Processes that got away from an earlier daemon: found by their markers, and ended.

The guards leave nothing behind, so this is for the case that a guard itself was killed together with the daemon.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGTERM

from llamaswap.models.markers import LIFE, OWNER, find_marked, owner_is_dead
from llamaswap.models.proctable import Process, is_alive, process_table, signal_process

logger = logging.getLogger(__name__)

TERM_GRACE_S = 1.0
#: A guard outlives its daemon by a second and a little, and alone knows which unmarked processes belong to its tree.
GUARD_GRACE_S = 3.0
GUARD_NAME = "llamaswap-guard"  # as the guard names itself
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

    Blocks for up to 9 s (normally some milliseconds): run it in a thread, before the first model is started. Processes
    without the marker, of another user, or of a living daemon are not touched.
    """

    def orphaned(marks: dict[str, str]) -> bool:
        return OWNER in marks and owner_is_dead(marks[OWNER])

    found = {process.pid: marks for process, marks in find_marked(orphaned)}
    if not found:
        return []
    left = set(_sweep(orphaned, TERM_GRACE_S, guard_grace=GUARD_GRACE_S))
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
    return _sweep(lambda marks: marks.get(LIFE) == mark, 0.0, unmarked=unmarked)


def _sweep(
    wanted: Callable[[dict[str, str]], bool],
    term_grace: float,
    *,
    guard_grace: float = 0.0,
    unmarked: Sequence[Process] = (),
) -> list[int]:
    """TERM, and *term_grace* seconds after that KILL, to each, until nothing wanted is left; gives up after a while.

    Guards are given *guard_grace* more. What a daemon that dies meanwhile leaves has its own full grace.
    """
    give_up_at = time.monotonic() + term_grace + guard_grace + KILL_LIMIT_S
    kill_at: dict[tuple[int, int], float] = {}
    while True:
        alive = [process for process, _ in find_marked(wanted)] + [each for each in unmarked if is_alive(each)]
        now = time.monotonic()
        if not alive or now > give_up_at:
            return [process.pid for process in alive]
        for process in alive:
            key = (process.pid, process.start)
            if key not in kill_at:
                kill_at[key] = now + term_grace + (guard_grace if _is_guard(process) else 0.0)
                signal_process(process, SIGTERM)
                signal_process(process, SIGCONT)
            if now >= kill_at[key]:
                signal_process(process, SIGKILL)
        time.sleep(0.02)


def _is_guard(process: Process) -> bool:
    try:
        return Path(f"/proc/{process.pid}/comm").read_text().strip() == GUARD_NAME
    except OSError:
        return False
