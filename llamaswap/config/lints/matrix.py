"""A matrix that forgets somebody."""

import re
from collections.abc import Iterator

from llamaswap.config.lints.facts import Facts, Lint

_WORD = re.compile(r"[\w.-]+")


def unreachable_model(facts: Facts) -> Iterator[Lint]:
    """A model in no set: it stops everybody, and everybody stops it."""
    matrix = facts.routing.matrix
    if matrix is None or facts.is_serial:
        return
    mentioned = frozenset[str]().union(*(each.models for each in matrix.sets))
    for model in facts.config.models:
        if model not in mentioned:
            what = "in no set of the matrix: it runs alone, and loading it stops every other model"
            yield Lint("unreachable-model", ("models", model), what, f"add it to a set, or a set of its own: {model}")


def unused_var(facts: Facts) -> Iterator[Lint]:
    """A name that nothing uses."""
    matrix = facts.routing.matrix
    if matrix is None or facts.is_serial:
        return
    used = {word for each in matrix.sets for word in _WORD.findall(each.text)}
    used.update(facts.written.keys((*facts.matrix_path, "evict_costs")))
    for name in matrix.variables:
        if name not in used:
            yield Lint("unused-var", (*facts.matrix_path, "vars", name), "no set uses this name", "remove it")


RULES = (unreachable_model, unused_var)
