"""The process table as /proc shows it, and signals that cannot hit a stranger.

Used by the guard, so nothing is imported that its start would have to pay for. Without /proc the table is empty.
"""

import _signal  # type: ignore[import-not-found]  # has no stub; the public module's enums cost 4 ms
import os
from _collections_abc import Container  # which os has imported; the public module costs more


class Process:
    """One row. `start` (clock ticks since boot) tells a process from a later one with the same number."""

    __slots__ = ("pid", "ppid", "session", "start", "state")

    def __init__(self, pid: int, ppid: int, session: int, start: int, state: str) -> None:
        self.pid = pid
        self.ppid = ppid
        self.session = session
        self.start = start
        self.state = state

    def __repr__(self) -> str:
        return f"<Process {self.pid} parent={self.ppid} session={self.session} state={self.state}>"


def read_process(pid: int) -> Process | None:
    """The row of *pid*; None when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb", 0) as stat:  # noqa: PTH123 (pathlib costs the guard 10 ms)
            line = stat.read(1024)
        # The name in parentheses may itself contain spaces and parentheses; the last one ends it.
        fields = line[line.rindex(b")") + 2 :].split()
    except (OSError, ValueError):
        return None
    return Process(pid, int(fields[1]), int(fields[3]), int(fields[19]), fields[0].decode())


def process_table(known: Container[int] = ()) -> dict[int, Process]:
    """Every process by its number, but for those *known* already."""
    try:
        names = os.listdir("/proc")  # noqa: PTH208 (as above)
    except OSError:
        return {}
    rows = (read_process(int(name)) for name in names if name.isdigit() and int(name) not in known)
    return {row.pid: row for row in rows if row is not None}


def descendants(table: dict[int, Process], root: int) -> list[Process]:
    """Everything below *root* that can still run, parents before their children."""
    children: dict[int, list[Process]] = {}
    for row in table.values():
        children.setdefault(row.ppid, []).append(row)
    found: list[Process] = []
    level = [root]
    while level:
        rows = [row for parent in level for row in children.get(parent, ())]
        found += rows
        level = [row.pid for row in rows]
    return [row for row in found if row.state not in "ZX"]


def is_alive(process: Process) -> bool:
    """The very process of this row still runs; another one that got its number does not count."""
    now = read_process(process.pid)
    return now is not None and now.start == process.start and now.state not in "ZX"


def signal_process(process: Process, signum: int) -> bool:
    """Send *signum* to this very process; False when it is gone or may not be signalled.

    The handle is taken first and the row compared afterwards, so the number cannot pass to somebody else in between.
    """
    try:
        handle = os.pidfd_open(process.pid)
    except OSError:
        return False
    try:
        if not is_alive(process):
            return False
        _signal.pidfd_send_signal(handle, signum)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True
