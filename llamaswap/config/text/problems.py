"""What is wrong with a configuration: everything is collected, so that one report is enough to repair the file."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from llamaswap.config.text.place import Mark, shortened
from llamaswap.config.text.secrets import SHORTEST_SECRET, without
from llamaswap.errors import ConfigError

Severity = Literal["error", "warning"]
KeyPath = tuple[str | int, ...]

#: A hostile file may hold a problem on each line; nobody reads more than this.
MOST_PROBLEMS = 200

#: Characters of a message's parts: a value may be a file of its own.
_LONGEST, _LONGEST_VALUE = 500, 80

_PLAIN_KEY = re.compile(r"[^\s.\[\]\"]+")


def dotted(path: KeyPath) -> str:
    """`path` as people write it: ``models.qwen.aliases[1]``; keys that would be misread stand in quotes."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            key = shortened(step) if _PLAIN_KEY.fullmatch(step) else f'"{shortened(step)}"'
            text += f".{key}" if text else key
    return text


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, or that somebody should look at.

    Attributes:
        severity: An ``error`` prevents the load; a ``warning`` does not.
        code: A short name for programs.
        path: The key it is about; empty if it is about a file as a whole.
        mark: Its place; None if there is none (a file that cannot be read).
        what: What is wrong, with the value.
        remedy: What to do about it; may be empty.
    """

    severity: Severity
    code: str
    path: KeyPath
    mark: Mark | None
    what: str
    remedy: str = ""

    @property
    def headline(self) -> str:
        """One line: ``file:line:column: dotted.path: what is wrong (value)``."""
        return ": ".join(part for part in (str(self.mark or ""), dotted(self.path), self.what) if part)

    def __str__(self) -> str:
        excerpt = self.mark.excerpt() if self.mark else []
        return "\n".join([self.headline, *excerpt, *([f"    {self.remedy}"] if self.remedy else [])])


class Problems:
    """Collects problems while a configuration is loaded. `strict` makes unknown keys errors.

    What is `concealed` stands in no problem.
    """

    def __init__(self, *, strict: bool = False, concealed: Iterable[str] = ()) -> None:
        self.concealed = set(concealed)
        self._strict = strict
        self._found: list[Problem] = []
        self._broken: set[KeyPath] = set()
        self._count: dict[Severity, int] = {"error": 0, "warning": 0}

    def error(
        self, code: str, path: KeyPath, mark: Mark | None, what: str, *, value: str = "", remedy: str = ""
    ) -> None:
        """Add what makes the configuration unusable."""
        self._broken.add(path)
        self._add(Problem("error", code, path, mark, what, remedy), value)

    def warn(
        self, code: str, path: KeyPath, mark: Mark | None, what: str, *, value: str = "", remedy: str = ""
    ) -> None:
        """Add what works, but probably not as meant."""
        self._add(Problem("warning", code, path, mark, what, remedy), value)

    def unknown(self, path: KeyPath, mark: Mark | None, what: str, *, remedy: str) -> None:
        """Add a key that nobody knows."""
        (self.error if self._strict else self.warn)("unknown-key", path, mark, what, remedy=remedy)

    def conceal(self, secret: str) -> None:
        """Show *secret* in no problem from now on."""
        secret = secret.strip()
        if len(secret) >= SHORTEST_SECRET:
            self.concealed.add(secret)

    def spoil(self, path: KeyPath) -> None:
        """Note that the value of *path* is no use, for a reason told elsewhere."""
        self._broken.add(path)

    def overflows(self) -> bool:
        """Whether so many problems were found that nobody will read the next one: no need to think about its remedy."""
        return max(self._count.values()) >= MOST_PROBLEMS

    def broken(self, path: KeyPath) -> bool:
        """Whether an error was reported for exactly this key: what follows from it is not worth a second one."""
        return path in self._broken

    def broken_below(self, path: KeyPath) -> bool:
        """Whether an error was reported for something below *path*."""
        return any(len(each) > len(path) and each[: len(path)] == path for each in self._broken)

    def warnings(self) -> tuple[Problem, ...]:
        """The warnings, in document order."""
        return tuple(_in_order(p for p in self._found if p.severity == "warning"))

    def raise_errors(self) -> None:
        """Raise `ConfigError` with all errors so far, if there are any."""
        errors = tuple(_in_order(p for p in self._found if p.severity == "error"))
        if errors:
            total = self._count["error"]
            count = "1 problem" if total == 1 else f"{total} problems"
            more = [f"(and {total - MOST_PROBLEMS} more problems)"] if total > MOST_PROBLEMS else []
            heading = f"the configuration cannot be used: {count}"
            raise ConfigError("\n".join([heading, *map(str, errors), *more, *self._besides()]), errors)

    def _besides(self) -> list[str]:
        """The warnings, for somebody who has to open the file anyway; an error is often the end of what one tells."""
        warnings = self.warnings()
        return ["", "and what works, but probably not as meant:", *map(str, warnings)] if warnings else []

    def _add(self, problem: Problem, value: str) -> None:
        # Errors must not be crowded out by warnings, so each kind has its own room.
        self._count[problem.severity] += 1
        if self._count[problem.severity] <= MOST_PROBLEMS:
            self._found.append(self._for_people(problem, value))

    def _for_people(self, problem: Problem, value: str) -> Problem:
        """*problem* with *value* in it, without secrets and of bearable length."""
        path, what, remedy = problem.path, problem.what, problem.remedy
        if self.concealed:  # before anything is cut short, which would leave a part of it
            path = tuple(without(step, self.concealed) if isinstance(step, str) else step for step in path)
            what, value, remedy = (without(text, self.concealed) for text in (what, value, remedy))
        what = shortened(what, _LONGEST) + (f" ({shortened(value, _LONGEST_VALUE)})" if value else "")
        return replace(problem, path=path, what=what, remedy=shortened(remedy, _LONGEST))


def _in_order(problems: Iterable[Problem]) -> list[Problem]:
    """By place; Python's sort keeps the order of files and of what has no place."""
    listed = list(problems)
    files = {name: n for n, name in enumerate(dict.fromkeys(p.mark.source.name for p in listed if p.mark))}
    return sorted(
        listed, key=lambda p: (files[p.mark.source.name], p.mark.line, p.mark.column) if p.mark else (-1, 0, 0)
    )
