"""What works but is probably not as meant: rules over a finished configuration, beyond what the loader sees. Pure.

A rule is a function from `Facts` to `Lint`s. Rules hold their tongue when in doubt: a false alarm teaches people to
ignore the others. `llamaswap.config.rules` lists them all.
"""

from collections.abc import Callable, Iterable, Iterator

from llamaswap.config.lints import (
    access,
    browsers,
    commands,
    groups,
    matrix,
    names,
    ports,
    requests,
    schedulers,
    selectors,
    startup,
)
from llamaswap.config.lints.facts import Facts, Lint
from llamaswap.config.text.problems import Problem, Problems

__all__ = ["Facts", "Lint", "lint", "placed"]

_RULES: tuple[Callable[[Facts], Iterator[Lint]], ...] = (
    *access.RULES,
    *browsers.RULES,
    *commands.RULES,
    *groups.RULES,
    *matrix.RULES,
    *names.RULES,
    *ports.RULES,
    *requests.RULES,
    *schedulers.RULES,
    *selectors.RULES,
    *startup.RULES,
)


def lint(facts: Facts) -> tuple[Problem, ...]:
    """What all rules have to say, in document order."""
    return placed((found for rule in _RULES for found in rule(facts)), facts)


def placed(found: Iterable[Lint], facts: Facts) -> tuple[Problem, ...]:
    """*found* as warnings that name their places, in document order."""
    problems = Problems(concealed=facts.written.secrets)
    for each in found:
        place = facts.written.place(each.path)
        mark = place.find(each.value.strip('"')) if place and each.value else place
        value = each.value if facts.written.may_show(each.path) else ""
        problems.warn(each.code, each.path, mark, each.what, value=value, remedy=each.remedy)
    return problems.warnings()
