"""Journals on disk, for the verbs that read them: a file, or a directory of files."""

from collections.abc import Iterator
from pathlib import Path

from llamaswap.schedule.journal import Entry, Header, JournalError, is_header, read_entry, read_header
from llamaswap.schedule.rebuild import machine_of
from llamaswap.schedule.replay import Place, continues
from llamaswap.schedule.simulation.day import Day
from llamaswap.schedule.simulation.ledger import Ledger
from llamaswap.schedule.simulation.recording import Recorder
from llamaswap.verbs.client import VerbError


class Recording:
    """The lines of the journal at *path*, oldest first.

    Attributes:
        torn: The last lines of files that a killed daemon has not finished; they are left out.
    """

    def __init__(self, path: Path) -> None:
        self.torn: list[Place] = []
        self._path = path
        self._files = self._find()

    def lines(self) -> Iterator[tuple[Place, bytes]]:
        """Each whole line with its place.

        Raises:
            VerbError: a file cannot be read, or is no journal.
        """
        empty = True
        for file in self._files:
            name = str(file)
            try:
                with file.open("rb") as stream:
                    for number, line in enumerate(stream, 1):
                        if not line.endswith(b"\n"):
                            self.torn.append(Place(name, number))
                            break
                        if number == 1:
                            _check_first(line, Place(name, 1))
                        empty = False
                        yield Place(name, number), line[:-1]
            except OSError as error:
                raise VerbError(f"cannot read {file}: {error.strerror}") from error
        if empty:
            raise VerbError(f"{self._path} is empty: no journal has been written there yet")

    def header(self) -> Header:
        """The first header. Raises VerbError."""
        place, line = next(self.lines())
        return _header(line, place)

    def _find(self) -> list[Path]:
        if not self._path.exists():
            raise VerbError(f"there is no {self._path}; name a journal's file, or the directory of journal.path")
        if not self._path.is_dir():
            return [self._path]
        files = sorted(self._path.glob("*.jsonl"))
        if not files:
            raise VerbError(f"no journal in {self._path}: it holds no *.jsonl file")
        return files


class _Days:
    """The runs of a recording, one after the other: each as a day, and all of them in one ledger."""

    def __init__(self) -> None:
        self.days: list[Day] = []
        self.ledger = Ledger()
        self._header: Header | None = None
        self._recorder: Recorder | None = None
        self._last = 0.0

    def begin(self, header: Header) -> None:
        """A segment begins: a run of its own, unless it continues the one before."""
        continued = self._header is not None and continues(header, self._header)
        self._header = header
        if continued:
            return
        self.end()
        self._recorder = Recorder(header.settings(), header.models, header.now, header.wall - header.now)
        self._recorder.resume(machine_of(header))
        self._last = header.wall

    def tell(self, entry: Entry) -> None:
        """A pass of the run in hand."""
        assert self._recorder is not None
        now, event, orders = entry
        self._last = now + self._recorder.wall
        self._recorder.on_pass(event, now, orders)
        self.ledger.on_pass(event, self._last, orders)

    def end(self) -> None:
        """The run in hand is over."""
        if self._recorder is not None:
            self.days.append(self._recorder.day())
            self.ledger.end_run(self._last)


def days_of(recording: Recording) -> tuple[list[Day], Ledger]:
    """The runs in *recording* as days, and what was recorded of them.

    Raises:
        VerbError: it cannot be read.
    """
    runs = _Days()
    for place, line in recording.lines():
        try:
            if is_header(line):
                runs.begin(read_header(line))
            else:
                runs.tell(read_entry(line))
        except JournalError as error:
            raise VerbError(f"{place}: {error}") from error
    runs.end()
    return runs.days, runs.ledger


def _header(line: bytes, place: Place) -> Header:
    try:
        return read_header(line)
    except JournalError as error:
        raise VerbError(f"{place}: {error}") from error


def _check_first(line: bytes, place: Place) -> None:
    if not is_header(line):
        _header(line, place)
