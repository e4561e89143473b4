"""The two environment variables by which a process of ours is known, and the search for them.

``LLAMASWAP_OWNER`` names the daemon (number, start time and process-number namespace, so that neither a reused number
nor a daemon in a container is mistaken for it); ``LLAMASWAP_LIFE`` names one run of one model. Children inherit both.
"""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from llamaswap.models.proctable import Process, process_table, read_process

OWNER = "LLAMASWAP_OWNER"
LIFE = "LLAMASWAP_LIFE"


def own_mark() -> str:
    """The value of `OWNER` for processes this daemon starts."""
    me = read_process(os.getpid())
    return f"{os.getpid()}:{me.start if me else 0}:{_namespace()}"


def new_life_mark(model: str) -> str:
    """A value of `LIFE` that no other run of any daemon has."""
    return f"{secrets.token_hex(8)}:{model}"


def owner_is_dead(mark: str) -> bool:
    """The daemon that *mark* names has ended. False when that cannot be known: unreadable, or another namespace."""
    try:
        pid, start, namespace = mark.split(":")
        owner = read_process(int(pid))
        return namespace == _namespace() and (owner is None or owner.start != int(start) or owner.state in "ZX")
    except ValueError:
        return False


def find_marked(wanted: Callable[[dict[str, str]], bool]) -> list[tuple[Process, dict[str, str]]]:
    """Processes of our user, other than ourselves and our ancestors, whose markers *wanted* accepts.

    When none is found, none was there: whoever forks and ends between the listing and its turn leaves a child that was
    not listed, so it is listed again until there is nobody new. Reads the environment of every process: tens of
    milliseconds on a busy machine, so not for the event loop.
    """
    new = table = process_table()
    spared = _self_and_ancestors(table)
    found = []
    while new:
        for process in new.values():
            marks = {} if process.pid in spared or process.state in "ZX" else read_marks(process.pid)
            if marks and wanted(marks):
                found.append((process, marks))
        new = process_table(table)
        table = table | new
    return found


def read_marks(pid: int) -> dict[str, str]:
    """The markers *pid* was started with; empty when it has none, is not ours to read, or is gone."""
    directory = Path(f"/proc/{pid}")
    try:
        if directory.stat().st_uid != os.geteuid():
            return {}
        entries = (directory / "environ").read_bytes().split(b"\0")
    except OSError:
        return {}
    pairs = (os.fsdecode(entry).partition("=") for entry in entries if entry.startswith(b"LLAMASWAP_"))
    return {name: value for name, _, value in pairs if name in (OWNER, LIFE)}


def _self_and_ancestors(table: dict[int, Process]) -> set[int]:
    spared: set[int] = set()
    pid = os.getpid()
    while pid in table and pid not in spared:
        spared.add(pid)
        pid = table[pid].ppid
    return spared


def _namespace() -> str:
    try:
        # Reads "pid:[4026531836]"; the colon would split the mark.
        return os.readlink("/proc/self/ns/pid").partition(":")[2]  # noqa: PTH115 (the target is no path)
    except OSError:
        return "none"
