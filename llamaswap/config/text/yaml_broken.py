"""Where the YAML parser gave up, and what somebody who looks at the file sees around that place. Pure."""

from dataclasses import dataclass
from typing import NamedTuple

import yaml
from yaml.events import Event, ScalarEvent

from llamaswap.config.text.place import Mark, Source


class Explanation(NamedTuple):
    """What is wrong, what to do about it, and where."""

    what: str
    remedy: str
    mark: Mark


@dataclass(frozen=True, slots=True)
class Broken:
    """A complaint.

    Attributes:
        said: The parser's own words.
        mark: Where it complains.
        context: Where the thing starts that it was reading; None if it does not tell.
        last: The last thing it read before.
    """

    source: Source
    said: str
    mark: Mark
    context: Mark | None
    last: Event | None

    @staticmethod
    def of(error: yaml.MarkedYAMLError, source: Source, last: Event | None) -> "Broken":
        """What *error* tells."""
        place = error.problem_mark or error.context_mark
        mark = Mark(source, place.line + 1, place.column + 1) if place else Mark(source, 1, 1)
        start = error.context_mark
        context = Mark(source, start.line + 1, start.column + 1) if start else None
        return Broken(source, error.problem or str(error), mark, context, last)

    def line(self, number: int) -> str:
        """A line of the file, counted from 1; empty beyond its end."""
        return self.source.lines[number - 1] if 1 <= number <= len(self.source.lines) else ""

    @property
    def before(self) -> str:
        """What stands before the place in its line."""
        return self.line(self.mark.line)[: self.mark.column - 1]

    @property
    def after(self) -> str:
        """What stands at the place and behind it in its line."""
        return self.line(self.mark.line)[self.mark.column - 1 :]

    @property
    def at_end(self) -> bool:
        """Whether nothing follows."""
        return not self.after.strip() and not any(line.strip() for line in self.source.lines[self.mark.line :])

    def scalar(self, styles: str) -> ScalarEvent | None:
        """The last thing read, if it is a scalar of one of the *styles*; ``p`` means plain, others are YAML's marks."""
        last = self.last
        return last if isinstance(last, ScalarEvent) and (last.style or "p") in styles else None

    def start_of(self, event: Event) -> Mark:
        """Where *event* starts."""
        assert event.start_mark is not None  # the parser marks all events that it makes from a text
        return Mark(self.source, event.start_mark.line + 1, event.start_mark.column + 1)

    def end_of(self, event: Event) -> Mark:
        """Where *event* ends."""
        assert event.end_mark is not None  # as above
        return Mark(self.source, event.end_mark.line + 1, event.end_mark.column + 1)
