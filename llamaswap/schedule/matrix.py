"""Which combination of a matrix to go to when a model is wanted: the one that costs least to reach."""

from collections.abc import Sequence
from dataclasses import dataclass

from llamaswap.config.matrix.sets import Matrix
from llamaswap.config.matrix.states import MOST_WORK
from llamaswap.config.names import ModelId


@dataclass(frozen=True, slots=True)
class Choice:
    """What is decided for a target.

    Attributes:
        victims: Who must go, in the order of the running models.
        state: Who runs afterwards, the target included: those that stay in their order, then the target.
        cost: What the victims cost together.
        set_name: The set that allows the state; None if no set holds the target, or it runs already.
        expression: The text of that set.
    """

    victims: tuple[ModelId, ...]
    state: tuple[ModelId, ...]
    cost: int = 0
    set_name: str | None = None
    expression: str = ""


def solve(matrix: Matrix, target: ModelId, running: Sequence[ModelId], work: int = MOST_WORK) -> Choice:
    """The cheapest way to *target*; among equals the first set in solver order, and in it the first state.

    A target that runs evicts nobody, even if what runs is allowed by no set. One that is in no set evicts all.
    *work* bounds the time; see `matrix_states`.
    """
    if target in running:
        return Choice((), tuple(running))
    bits = {model: 1 << n for n, model in enumerate((*running, target))}
    costs = {bits[model]: matrix.costs.get(model, 1) for model in running}
    total, wanted = sum(costs.values()), bits[target]

    def kept(state: int) -> int:
        return sum(cost for bit, cost in costs.items() if state & bit)

    def worth(state: int) -> int:
        return kept(state) + (total + 1 if state & wanted else 0)  # a state without the target is no use

    states = matrix.states(bits, worth, work)
    best, state, chosen = total, 0, None
    for each in matrix.sets:
        if target not in each.models:
            continue
        for other in states.of(each.name):
            cost = total - kept(other)
            if other & wanted and (chosen is None or cost < best):
                best, state, chosen = cost, other, each
        if chosen and best == 0:
            break  # nothing is cheaper, and the first of equals holds
    return Choice(
        victims=tuple(model for model in running if not state & bits[model]),
        state=(*(model for model in running if state & bits[model]), target),
        cost=best,
        set_name=chosen.name if chosen else None,
        expression=chosen.text if chosen else "",
    )
