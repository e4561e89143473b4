"""Problems of a configuration, for people: with their source lines, in colour where that helps."""

from collections.abc import Sequence
from typing import Any, TextIO

from llamaswap.config.text.place import printable
from llamaswap.config.text.problems import Problem, dotted

_STYLES = {"error": "bold red", "warning": "bold yellow"}


def print_problems(problems: Sequence[Problem], file: TextIO) -> None:
    """Print each of *problems*, errors last, where one looks first, and how many there are."""
    from rich.console import Console  # noqa: PLC0415 - programs that only import this do not need it

    console = Console(file=file, highlight=False, markup=False, emoji=False, soft_wrap=True)
    for problem in sorted(in_order(problems), key=lambda p: p.severity == "error"):
        console.print(_told(problem))
    console.print(_summary(problems))


def in_order(problems: Sequence[Problem]) -> list[Problem]:
    """By file and place; what has no place comes first."""
    files = {name: n for n, name in enumerate(dict.fromkeys(p.mark.source.name for p in problems if p.mark))}
    return sorted(
        problems, key=lambda p: (files[p.mark.source.name], p.mark.line, p.mark.column) if p.mark else (-1, 0, 0)
    )


def count(number: int, noun: str) -> str:
    """``1 error``, ``2 errors``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _told(problem: Problem) -> Any:
    from rich.text import Text  # noqa: PLC0415 - as above

    text = Text(end="\n")
    text.append(f"{problem.mark}: " if problem.mark else "")
    text.append(problem.severity, _STYLES[problem.severity])
    text.append(f"[{problem.code}]: ", "dim")
    text.append(f"{dotted(problem.path)}: " if problem.path else "", "bold")
    text.append(problem.what)
    for line in problem.mark.excerpt() if problem.mark else []:
        text.append(f"\n{printable(line)}", "cyan")
    if problem.remedy:
        text.append(f"\n    {problem.remedy}", "green")
    return text


def _summary(problems: Sequence[Problem]) -> Any:
    from rich.text import Text  # noqa: PLC0415 - as above

    errors = sum(problem.severity == "error" for problem in problems)
    warnings = len(problems) - errors
    besides = f", {count(warnings, 'warning')}" if warnings else ""
    if errors:
        return Text(f"the configuration cannot be used: {count(errors, 'error')}{besides}", "bold red")
    return Text(f"the configuration can be used{besides}", "bold yellow" if warnings else "bold green")
