"""Where something stands in a configuration file, and what of that file a message may show."""

import re
from dataclasses import dataclass, field
from functools import cached_property

#: Lines that hold one of these are never quoted in a message: messages end up in logs and on screens.
_SECRET_WORDS = ("token", "secret", "passw", "bearer", "authorization")
#: As these: what a line must hold, and, because a line can be long, what is looked for only then.
_SECRET_PATTERNS = {
    "key": re.compile(r"api.?key"),
    "://": re.compile(r"://[^/\s]*@"),
    "env": re.compile(r"(?<![\w{.$])env[\"']?\s*:(?:\s|$)"),
}
#: Line breaks to YAML, other than the usual one.
_RARE_BREAKS = "\r\x85\u2028\u2029"
_LIST_ITEM = re.compile(r"\s*(-|#|$)")
_WIDTH = 120


@dataclass(eq=False)
class Source:
    """The text of one file, or of whatever stands in its place.

    Attributes:
        name: How messages call it.
        secret: No line of it may be shown.
    """

    name: str
    text: str = field(repr=False)
    secret: bool = False
    _shown: dict[int, bool] = field(default_factory=dict, repr=False)

    @cached_property
    def lines(self) -> list[str]:
        """The lines as YAML counts them."""
        if not any(each in self.text for each in _RARE_BREAKS):
            return self.text.split("\n")
        return re.split(r"\r\n|[\n\r\x85\u2028\u2029]", self.text)

    def may_show(self, line: int) -> bool:
        """Whether this line (counted from 1) may be quoted: not if it looks as if it holds a secret."""
        if self.secret:
            return False
        if line not in self._shown:
            self._shown[line] = self._is_harmless(line)
        return self._shown[line]

    def _is_harmless(self, line: int) -> bool:
        lines = self.lines
        if looks_secret(lines[line - 1]):
            return False
        header = line - 1
        while header > 0 and line - header < 200 and _LIST_ITEM.match(lines[header]):
            header -= 1
        return not looks_secret(lines[header])


@dataclass(frozen=True, slots=True)
class Mark:
    """A place: line and column count from 1, column in characters. `last_line` is where the marked thing ends."""

    source: Source
    line: int
    column: int
    last_line: int = 0

    def __str__(self) -> str:
        return f"{printable(self.source.name)}:{self.line}:{self.column}"

    def find(self, text: str) -> "Mark":
        """The first place of *text* inside the marked thing, or this place if it is not there as written."""
        lines = self.source.lines
        start = self.column - 1
        for number in range(self.line, min(max(self.line, self.last_line), len(lines)) + 1):
            column = lines[number - 1].find(text, start)
            if column >= 0:
                return Mark(self.source, number, column + 1, number)
            start = 0
        return self

    def excerpt(self) -> list[str]:
        """The source line and a line with a caret below the place; empty if it may not be shown."""
        if not 1 <= self.line <= len(self.source.lines) or not self.source.may_show(self.line):
            return []
        line = self.source.lines[self.line - 1]
        column = min(self.column - 1, len(line))
        start = max(0, column - _WIDTH // 2) if len(line) > _WIDTH else 0
        before, after = printable(line[start:column]), printable(line[column : start + _WIDTH])
        return [f"    {before}{after}", f"    {' ' * len(before)}^"]


def looks_secret(text: str) -> bool:
    """Whether *text* may hold what should not be repeated."""
    lower = text.lower()
    return any(word in lower for word in _SECRET_WORDS) or any(
        part in lower and pattern.search(lower) for part, pattern in _SECRET_PATTERNS.items()
    )


def printable(text: str) -> str:
    """*text* with everything that a terminal might act on made visible."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else "→" if c == "\t" else ascii(c)[1:-1] for c in text)


def shortened(text: str, limit: int = 60) -> str:
    """*text*, printable and cut to about *limit* characters."""
    return printable(text) if len(text) <= limit else printable(text[: limit - 1]) + "…"
