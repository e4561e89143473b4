"""Which of its targets a selector means, for each request anew. Pure: states and counts go in, a target comes out."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from llamaswap.config.parts import SelectorConfig
from llamaswap.config.schema import ModelId
from llamaswap.errors import ServiceUnavailableError

_RUNNING = ("ready", "starting")


class Target(NamedTuple):
    """One target that can be chosen.

    Attributes:
        name: As configured: the name that the request is given.
        state: Of its model: ``stopped``, ``starting``, ``ready`` or ``stopping``.
        held: How many requests this selector has sent there that are not over.
    """

    name: str
    model: ModelId
    state: str
    held: int = 0

    @property
    def active(self) -> bool:
        """It serves, or will without anybody's asking again."""
        return self.state in _RUNNING or self.held > 0


class Choice(NamedTuple):
    """The target, and whether the next tie is to be another's."""

    target: Target
    turned: bool = False


def choose(strategy: str, targets: Sequence[Target], spillover: int, turn: int) -> Choice | None:
    """The target that *strategy* means, or None if no target is available.

    Args:
        targets: In the configured order.
        spillover: How many requests a target takes before the next one is started.
        turn: Whose turn it is where several are equally busy; counts up.
    """
    if strategy == "spillover":
        return _spill(targets, spillover, turn)
    return Choice(_warmest(targets) if strategy == "warm" else targets[0]) if targets else None


def _warmest(targets: Sequence[Target]) -> Target:
    for state in _RUNNING:
        for target in targets:
            if target.state == state:
                return target
    return targets[0]


def _spill(targets: Sequence[Target], spillover: int, turn: int) -> Choice | None:
    going = [target for target in targets if target.state != "stopping"]
    active = [target for target in going if target.active]
    cold = [target for target in going if not target.active]
    least = min((target.held for target in active), default=spillover)
    if cold and least >= spillover:
        return Choice(cold[0])
    if not active:
        return None
    tied = [target for target in active if target.held == least]
    return Choice(tied[turn % len(tied)], turned=True)


class Selectors:
    """What the selectors have given out. A count belongs to a selector and a model, so it survives a reload."""

    def __init__(self) -> None:
        self._held: Counter[tuple[str, ModelId]] = Counter()
        self._turns: Counter[str] = Counter()

    @property
    def held(self) -> Mapping[tuple[str, ModelId], int]:
        """How many requests each selector has with each model; those with none are absent."""
        return self._held

    @contextmanager
    def chosen(
        self, selector: SelectorConfig, names: Mapping[str, ModelId], states: Mapping[ModelId, str]
    ) -> Iterator[str]:
        """Choose a target, and count the request as its while the block runs.

        Args:
            names: What local models are called. Other targets are not available.
            states: Of the models that are not stopped.

        Raises:
            ServiceUnavailableError: there is none to choose.
        """
        targets = [self._target(selector, name, names[name], states) for name in selector.targets if name in names]
        choice = choose(selector.strategy, targets, selector.spillover, self._turns[selector.id])
        if choice is None or (selector.strategy == "pin" and selector.targets[0] not in names):
            kind = "spillover targets" if selector.strategy == "spillover" else "target"
            raise ServiceUnavailableError(f'selector "{selector.id}" has no available {kind}')
        self._turns[selector.id] += choice.turned
        key = selector.id, choice.target.model
        self._held[key] += 1
        try:
            yield choice.target.name
        finally:
            self._held[key] -= 1
            if not self._held[key]:
                del self._held[key]

    def _target(self, selector: SelectorConfig, name: str, model: ModelId, states: Mapping[ModelId, str]) -> Target:
        return Target(name, model, states.get(model, "stopped"), self._held[selector.id, model])
