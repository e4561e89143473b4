"""A journal played again: the machine it tells of, told the same facts, and whether it decides the same. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from llamaswap.schedule.commands import Command
from llamaswap.schedule.events import Event
from llamaswap.schedule.journal import Header, JournalError, is_header, orders_text, read_header, read_line, state_text
from llamaswap.schedule.rebuild import machine_of
from llamaswap.schedule.scheduler import Scheduler


class Place(NamedTuple):
    """Where a line stands; lines are counted from 1."""

    source: str
    line: int

    def __str__(self) -> str:
        return f"{self.source}:{self.line}"


@dataclass(frozen=True, slots=True)
class Difference:
    """A line that does not come out as it was recorded: what it says, and what came out."""

    place: Place
    recorded: str
    came_out: str


@dataclass(frozen=True, slots=True)
class Step:
    """One pass of the recorded machine. *commands* are those that came out now."""

    place: Place
    now: float
    wall: float
    event: Event
    commands: list[Command]
    difference: Difference | None = None


class Replay:
    """Plays lines as they are fed. The attributes tell of the machine after the last of them.

    Attributes:
        header: That of the segment in hand; None before the first line.
        machine: The machine; None before the first line.
        begins: Whether the last line was a header that does not continue what was played before it.
        differences: How many lines did not come out as recorded.
    """

    def __init__(self) -> None:
        self.header: Header | None = None
        self.machine: Scheduler | None = None
        self.begins = False
        self.differences = 0

    def feed(self, line: bytes, place: Place) -> Step | Difference | None:
        """Play *line*: a pass gives its step, a header None, or the difference to the machine that it continues.

        Raises:
            JournalError: the line cannot be read, or no header came first.
        """
        try:
            if self.header is None or is_header(line):
                return self._head(line, place)
            return self._pass(line, place)
        except JournalError as error:
            raise JournalError(f"{place}: {error}") from error

    def time_of(self, line: bytes, place: Place) -> float:
        """When the pass or segment of *line*, which is next, took place: seconds since 1970. Raises `JournalError`."""
        try:
            if self.header is None or is_header(line):
                return read_header(line).wall
            return self.header.wall + read_line(line).t - self.header.now
        except JournalError as error:
            raise JournalError(f"{place}: {error}") from error

    def _head(self, line: bytes, place: Place) -> Difference | None:
        before, before_machine = self.header, self.machine
        self.header = read_header(line)
        self.begins = before is None or not continues(self.header, before)
        self.machine = machine_of(self.header)
        if self.begins or before_machine is None:
            return None
        expected, recorded = state_text(before_machine), state_text(self.machine)
        if expected == recorded:
            return None
        self.differences += 1
        return Difference(place, recorded.decode(), expected.decode())

    def _pass(self, text: bytes, place: Place) -> Step:
        assert self.header is not None
        assert self.machine is not None
        line = read_line(text)
        event = line.fact()
        commands = self.machine.handle(event, line.t)
        came_out, recorded = orders_text(commands), bytes(line.orders)
        difference = None
        if came_out != recorded:
            self.differences += 1
            difference = Difference(place, recorded.decode(errors="replace"), came_out.decode())
        wall = self.header.wall + line.t - self.header.now
        return Step(place, line.t, wall, event, commands, difference)


def continues(header: Header, before: Header) -> bool:
    """Whether a segment goes on where the one with the header *before* ended, with nothing missing."""
    return header.run == before.run and header.segment == before.segment + 1 and not header.dropped


def replay(lines: Iterable[str]) -> Iterator[str]:
    """The journal of a machine that is told the facts of *lines*: the same lines, if it decides as the first one did.

    Raises `JournalError` at the first line that cannot be read.
    """
    player = Replay()
    for number, line in enumerate(lines, 1):
        text = line.encode(errors="replace")
        step = player.feed(text, Place("line", number))
        if isinstance(step, Step) and step.difference is not None:
            text = (
                text.removesuffix(step.difference.recorded.encode() + b"}") + step.difference.came_out.encode() + b"}"
            )
        yield text.decode()
    if player.header is None:
        raise JournalError("line:1: an empty journal: its first line is missing")
