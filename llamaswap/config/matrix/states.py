"""Which of some models a matrix lets run together, without expanding its sets.

A *state* is what one combination of a set leaves of the models that matter (the *relevant* ones), as bits. A set's
states are a list in a defined order in which none contains another:

- a model stands for itself if it is relevant, else for nothing;
- ``+set`` for the states of that set;
- ``|`` adds the states of its children, from left to right;
- ``&`` joins, child by child, each state so far with each of the child's.

A state that is contained in one of the list is not added; one that contains others replaces them. That is exact for
every question asked here, and keeps the list small: those who run already run together, so few states differ in them.

It is not small for every expression: the question is as hard as any. So work is counted, and when `MOST_WORK` is
spent, only the best state of each list is kept from then on. The answer is then still one that the matrix allows, and
holds the target if the set can mention it; it may not be the cheapest.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import assert_never

from llamaswap.config.matrix.language import AllOf, AnyOf, Expression, Name, SetRef
from llamaswap.config.names import ModelId

#: Comparisons of states for one question: a quarter of a second. Twelve models that run need a tenth of it at most.
MOST_WORK = 20_000_000


@dataclass(frozen=True, slots=True)
class MatrixSet:
    """One named expression.

    Attributes:
        text: The expression as written.
        program: The same as a tree.
        references: The sets it refers to, in order of first reference.
        models: The models it can mention, those of the sets it refers to included.
    """

    name: str
    text: str
    program: Expression
    references: tuple[str, ...]
    models: frozenset[ModelId]


class States:
    """The states of sets for one choice of relevant models; each set is worked out once.

    Args:
        sets: All sets by name, without cycles.
        bits: The bit of each relevant model.
        worth: What a state is worth when not all can be kept.
        work: How many comparisons may be made.
    """

    def __init__(
        self,
        sets: Mapping[str, MatrixSet],
        bits: Mapping[ModelId, int],
        worth: Callable[[int], int] = int.bit_count,
        work: int = MOST_WORK,
    ) -> None:
        self._sets = sets
        self._bits = bits
        self._every = sum(bits.values())
        self._worth = worth
        self._work = work
        self._known: dict[str, tuple[int, ...]] = {}

    def of(self, name: str) -> tuple[int, ...]:
        """The states of the set *name*, in order. Those of the sets it refers to are worked out first."""
        ahead = [name]
        while ahead:  # no recursion: chains of references may be long
            each = self._sets[ahead[-1]]
            missing = [other for other in each.references if other not in self._known]
            if missing:
                ahead += missing
            elif ahead.pop() not in self._known:
                self._known[each.name] = self._states(each.program)
        return self._known[name]

    def _states(self, tree: Expression) -> tuple[int, ...]:
        match tree:
            case Name(model):
                return (self._bits.get(model, 0),)
            case SetRef(name):
                return self._known[name]
            case AnyOf(children):
                return self._any(children)
            case AllOf(children):
                return self._all(children)
        assert_never(tree)

    def _any(self, children: tuple[Expression, ...]) -> tuple[int, ...]:
        found = _Antichain()
        for child in children:
            for state in self._states(child):
                self._work -= found.add(state)
                if self._work < 0:
                    found = _Antichain(self._best(found.states))
            if self._every in found.states:
                break  # it contains whatever may follow
        return tuple(found.states)

    def _all(self, children: tuple[Expression, ...]) -> tuple[int, ...]:
        found: tuple[int, ...] = (0,)
        for child in children:
            if found == (self._every,):
                break  # as above
            found = self._joined(found, self._states(child))
        return found

    def _joined(self, left: tuple[int, ...], right: tuple[int, ...]) -> tuple[int, ...]:
        if (0,) in (left, right):
            return left if right == (0,) else right
        found = _Antichain()
        for one in left:
            for other in right:
                if self._work < 0:
                    return (self._best(left) | self._best(right),)
                self._work -= found.add(one | other)
        return tuple(found.states)

    def _best(self, states: Mapping[int, None] | tuple[int, ...]) -> int:
        return max(states, key=self._worth)


class _Antichain:
    """A list of states in which none contains another."""

    def __init__(self, *states: int) -> None:
        self.states: dict[int, None] = {}  # a list with quick removal
        self._seen: set[int] = set()
        self._by_size: dict[int, dict[int, None]] = {}
        for state in states:
            self.add(state)

    def add(self, state: int) -> int:
        """Add *state* unless one of the list contains it, and drop those that it contains. Returns the work done."""
        if state in self._seen:
            return 1  # it is in the list, or something is that contained it
        self._seen.add(state)
        size, work = state.bit_count(), 1
        for more, some in self._by_size.items():
            if more > size:
                work += len(some)
                if any(state & other == state for other in some):
                    return work
        for less, some in self._by_size.items():
            if less < size:
                work += len(some)
                for other in [other for other in some if state & other == other]:
                    del some[other], self.states[other]
        self.states[state] = self._by_size.setdefault(size, {})[state] = None
        return work
