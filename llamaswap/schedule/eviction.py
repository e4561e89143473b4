"""Who must go before a model is loaded: pure policies over one protocol, one for each way to configure routing."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from llamaswap.config.matrix.sets import Matrix
from llamaswap.config.names import ModelId
from llamaswap.config.routing import GroupConfig, RoutingConfig
from llamaswap.config.text.place import shortened
from llamaswap.schedule.matrix import Choice, solve

#: Decisions of a matrix that are kept. The same few are asked for on each pass.
MOST_KEPT = 1024


class Evicted(NamedTuple):
    """A model that must go, and the rule of the configuration that says so, for people."""

    model: ModelId
    rule: str


@dataclass(frozen=True, slots=True)
class Decision:
    """Who must go before *target* is loaded, in the order of the running models, and why.

    Attributes:
        choice: What a matrix has decided, with set and cost; None with the other policies.
    """

    target: ModelId
    evicted: tuple[Evicted, ...] = ()
    choice: Choice | None = None

    @property
    def victims(self) -> tuple[ModelId, ...]:
        """The models alone."""
        return tuple(each.model for each in self.evicted)


class Eviction(Protocol):
    """A policy. Its methods are functions: asked on speculation, they neither log nor remember.

    *running* are the models whose processes are alive or about to be, sorted, each once; the target may be among them.
    A policy never names the target as a victim. It is asked about models that are configured no more, too: such a
    model can stay beside nobody.

    Attributes:
        pairwise: Whom a target evicts it evicts whoever else is there, and no others: each pair is decided by itself.
    """

    pairwise: bool

    def victims(self, target: ModelId, running: Sequence[ModelId]) -> tuple[ModelId, ...]:
        """Who must go before *target* is loaded, in the order of *running*."""

    def explain(self, target: ModelId, running: Sequence[ModelId]) -> Decision:
        """The same, with the rule by which each goes."""

    def allowed(self, running: Sequence[ModelId]) -> bool:
        """Whether all of *running* can be alive at once, if every load has first evicted whom `victims` names."""


class OneAtATime:
    """Every other model must go, whatever groups or matrix say."""

    pairwise = True

    def victims(self, target: ModelId, running: Sequence[ModelId]) -> tuple[ModelId, ...]:
        """All but the target."""
        return tuple(model for model in running if model != target)

    def explain(self, target: ModelId, running: Sequence[ModelId]) -> Decision:
        """All but the target, for the same reason."""
        rule = "one model at a time"
        return Decision(target, tuple(Evicted(model, rule) for model in self.victims(target, running)))

    def allowed(self, running: Sequence[ModelId]) -> bool:
        """At most one."""
        return len(running) <= 1


class GroupEviction:
    """Models of a group that swaps replace each other; an exclusive group clears the others, save persistent ones.

    The rule is not symmetric: a model of a group that is not exclusive leaves exclusive ones running, and is evicted
    when one of them is loaded or asked for next.
    """

    pairwise = True

    def __init__(self, groups: Sequence[GroupConfig]) -> None:
        self._group = {model: group for group in groups for model in group.members}

    def victims(self, target: ModelId, running: Sequence[ModelId]) -> tuple[ModelId, ...]:
        """Those of the target's group if it swaps, those of other groups if it is exclusive and they not persistent."""
        return tuple(model for model in running if self._evicts(target, model))

    def explain(self, target: ModelId, running: Sequence[ModelId]) -> Decision:
        """The same, naming the group whose flag decides."""
        gone = self.victims(target, running)
        return Decision(target, tuple(Evicted(model, self._rule(target, model)) for model in gone))

    def allowed(self, running: Sequence[ModelId]) -> bool:
        """One model of each group that swaps, and one group of those that evict each other.

        That is enough for a set of any size: a group in a circle of evictions is exclusive and not persistent, and any
        two of these evict each other. Without such a pair there is an order in which all can be loaded.
        """
        groups = [self._group.get(model) for model in running]
        if None in groups:
            return len(running) <= 1
        names = Counter(group.name for group in groups if group is not None)
        known = {group.name: group for group in groups if group is not None}.values()
        clearing = sum(group.exclusive and not group.persistent for group in known)
        return clearing <= 1 and not any(group.swap and names[group.name] > 1 for group in known)

    def _evicts(self, target: ModelId, other: ModelId) -> bool:
        if target == other:
            return False
        mine, its = self._group.get(target), self._group.get(other)
        if mine is None or its is None:
            return True
        if mine is its:
            return mine.swap
        return mine.exclusive and not its.persistent

    def _rule(self, target: ModelId, victim: ModelId) -> str:
        mine, its = self._group.get(target), self._group.get(victim)
        if mine is None or its is None:
            return f"no group holds {target if mine is None else victim}"
        return f"group {mine.name} swaps" if mine is its else f"group {mine.name} is exclusive"


class MatrixEviction:
    """The models beside which no combination of the matrix has room for the target, chosen as the cheapest to lose."""

    pairwise = False

    def __init__(self, matrix: Matrix) -> None:
        self._matrix = matrix
        self._kept: dict[tuple[ModelId, tuple[ModelId, ...]], Choice] = {}

    def victims(self, target: ModelId, running: Sequence[ModelId]) -> tuple[ModelId, ...]:
        """Those outside the cheapest combination that holds the target; all, if there is none."""
        return self._choice(target, running).victims

    def explain(self, target: ModelId, running: Sequence[ModelId]) -> Decision:
        """The same, naming the set that was chosen."""
        choice = self._choice(target, running)
        if choice.set_name is None:
            rule = f"no set holds {target}"
        else:
            rule = f"set {choice.set_name} = {shortened(choice.expression)}, cost {choice.cost}"
        return Decision(target, tuple(Evicted(model, rule) for model in choice.victims), choice)

    def allowed(self, running: Sequence[ModelId]) -> bool:
        """One model always: it may be in no set. More, if a set allows them all."""
        return len(running) <= 1 or self._matrix.coexist(running)

    def _choice(self, target: ModelId, running: Sequence[ModelId]) -> Choice:
        question = (target, tuple(running))
        choice = self._kept.get(question)
        if choice is None:
            choice = solve(self._matrix, *question)
            if len(self._kept) >= MOST_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[question] = choice
        return choice


def eviction_for(routing: RoutingConfig) -> Eviction:
    """The policy that *routing* asks for. With the scheduler ``serial`` one model runs at a time, whatever it says."""
    if routing.scheduler.use == "serial":
        return OneAtATime()
    if routing.router == "matrix":
        return MatrixEviction(routing.matrix or Matrix())
    return GroupEviction(routing.groups)
