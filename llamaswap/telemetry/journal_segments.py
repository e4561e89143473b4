"""The files of a journal: one after the other, each from a header on, bounded in size and all together.

Everything here may block; it is for the writer's thread alone, but for the flags that the loop reads.
"""

import fcntl
import os
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from llamaswap.config.journal import JournalSettings
from llamaswap.config.routing import RoutingConfig
from llamaswap.config.schema import ModelId
from llamaswap.schedule.commands import Command
from llamaswap.schedule.events import Event, ModelRules
from llamaswap.schedule.journal import entries_text, header_text
from llamaswap.schedule.scheduler import Scheduler

#: Files of ours: the run, in UTC, and the number of the segment. Sorted by name they are sorted by time.
NAME = re.compile(r"\d{8}T\d{6}\.\d{3}Z-\d{6}\.jsonl")

#: A file counts as such a part of a full one at least, which bounds how many there are.
SHORT = 64
#: After a failure, how long until the next try.
RETRY_S = 10.0

Pass = tuple[float, Event, list[Command]]


@dataclass(frozen=True, slots=True)
class Begin:
    """A new segment is to begin, with this state. `missing` passes before it never came into the queue."""

    machine: Scheduler
    routing: RoutingConfig
    models: Mapping[ModelId, ModelRules]
    now: float
    wall: float
    missing: int


class Segments:
    """The files, for the thread. The loop reads and clears the flags.

    Attributes:
        wanted: A new segment should begin.
        trouble: Why nothing can be written; empty if all is well.
        attention: One of the two has changed.
        lost: Passes that could not be written.
    """

    def __init__(self, settings: JournalSettings) -> None:
        self._settings = settings
        self._directory = Path(settings.path)
        self._run = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")[:-3] + "Z"
        self._segment = 0
        self._told_lost = 0
        self._fd = -1
        self._lock = -1
        self._room = 0
        self._failed_at = 0.0
        self.wanted = False
        self.trouble = ""
        self.attention = False
        self.lost = 0

    def begin(self, begin: Begin) -> None:
        """End the file in hand and begin the next one."""
        self._close_file()
        try:
            self._open(begin)
            self._told_lost = begin.missing + self.lost
            self._set_trouble("")
        except (OSError, ValueError, TypeError) as error:
            self._fail(error)

    def write(self, passes: list[Pass]) -> None:
        """Append *passes*, or count them as lost."""
        if self._fd < 0:
            self.lost += len(passes)
            if passes and not self.wanted and time.monotonic() - self._failed_at >= RETRY_S:
                self._want()
            return
        try:
            if passes and not os.fstat(self._fd).st_nlink:
                raise OSError(f"the file in {self._directory} has been removed")
            text = entries_text(passes)
            self._write(text)
        except (OSError, ValueError, TypeError) as error:
            self.lost += len(passes)
            self._fail(error)
            return
        had_room = self._room > 0
        self._room -= len(text)
        if had_room and self._room <= 0:
            self._want()

    def close(self) -> None:
        """Give everything back."""
        self._close_file()
        self._give_up_lock()

    def _give_up_lock(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _open(self, begin: Begin) -> None:
        if self._lock >= 0 and not os.fstat(self._lock).st_nlink:
            self._give_up_lock()  # the directory has been removed, and its lock with it
        if self._lock < 0:
            self._own()
        self._prune()  # before there is one more: where nothing can be deleted nothing is added
        self._segment += 1
        dropped = begin.missing + self.lost - self._told_lost
        header = header_text(
            begin.machine,
            begin.routing,
            begin.models,
            run=self._run,
            segment=self._segment,
            wall=begin.wall,
            now=begin.now,
            dropped=dropped,
        )
        path = self._directory / f"{self._run}-{self._segment:06}.jsonl"
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        try:
            self._write(header + b"\n")
        except OSError:
            path.unlink(missing_ok=True)  # a file that lacks its header is of no use to anybody
            raise
        self._room = self._settings.max_bytes

    def _own(self) -> None:
        """Make sure that the directory is there, and that no other daemon writes into it."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(lock)
            raise OSError(f"another daemon keeps its journal in {self._directory}") from error
        self._lock = lock

    def _write(self, text: bytes) -> None:
        rest = memoryview(text)
        while rest:
            rest = rest[os.write(self._fd, rest) :]

    def _prune(self) -> None:
        """Delete the oldest files, as far as newer ones hold as much as may be kept beside the file to come."""
        ours = sorted((path for path in self._directory.iterdir() if NAME.fullmatch(path.name)), reverse=True)
        keep = (self._settings.files - 1) * self._settings.max_bytes
        for path in ours:
            if keep <= 0:
                path.unlink(missing_ok=True)
            else:
                keep -= self._weight(path)

    def _weight(self, path: Path) -> int:
        """Its size, or a small part of a full file's: short ones would else be too many to look through."""
        with suppress(FileNotFoundError):
            return max(path.stat().st_size, self._settings.max_bytes // SHORT)
        return 0

    def _fail(self, error: Exception) -> None:
        self._close_file()
        self._failed_at = time.monotonic()
        self._set_trouble(str(error))

    def _set_trouble(self, trouble: str) -> None:
        self.trouble = trouble
        self.attention = True

    def _want(self) -> None:
        self.wanted = True
        self.attention = True

    def _close_file(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
