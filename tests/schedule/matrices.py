"""Random matrices, and two other solvers for them: one that expands everything, one that takes the rules at their word.

Neither shares a line with the real one: they have trees of their own, from which the texts are written.
"""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from llamaswap.config.matrix.compile import Finding, compile_matrix
from llamaswap.config.matrix.sets import Matrix
from llamaswap.config.names import ModelId
from llamaswap.schedule.matrix import Choice, solve

#: ("name", word), ("set", name), ("|", tree ...) or ("&", tree ...)
Tree = tuple[object, ...]
State = frozenset[str]


@dataclass(frozen=True)
class Case:
    """A matrix and a question to it. The texts of `sets` are written from `trees`."""

    variables: dict[str, str]
    costs: dict[str, int]
    trees: dict[str, Tree]
    target: str
    running: tuple[str, ...]
    models: tuple[str, ...]
    sets: dict[str, str] = field(default_factory=dict)


def random_case(rng: random.Random) -> Case:
    """Up to seven models and five sets, which may refer to each other in both directions of the text."""
    models = tuple("abcdefg"[: rng.randint(2, 7)])
    variables = {f"v{model}": model for model in models if rng.random() < 0.2}
    words = [*models, *variables]
    names = [f"s{n}" for n in range(rng.randint(1, 5))]
    rank = rng.sample(names, len(names))  # a set refers to those before it here, so there is no circle
    trees = {name: random_tree(rng, words, rank[: rank.index(name)], rng.randint(0, 4)) for name in names}
    costs = {model: rng.randint(1, 4) for model in models if rng.random() < 0.4}
    running = tuple(model for model in models if rng.random() < 0.6)
    sets = {name: written(rng, tree) for name, tree in trees.items()}
    return Case(variables, costs, trees, rng.choice(models), running, models, sets)


def random_tree(rng: random.Random, words: list[str], sets: list[str], depth: int) -> Tree:
    if depth == 0 or rng.random() < 0.15:
        return ("set", rng.choice(sets)) if sets and rng.random() < 0.3 else ("name", rng.choice(words))
    children = [random_tree(rng, words, sets, depth - 1) for _ in range(rng.randint(2, 3))]
    return (rng.choice("|&"), *children)


def written(rng: random.Random, tree: Tree, inside: str = "") -> str:
    """The text of *tree*, with parentheses where they are needed and sometimes where not, and blanks here and there."""
    kind, *rest = tree
    if kind == "name":
        return str(rest[0])
    if kind == "set":
        return f"+{rest[0]}"
    assert isinstance(kind, str)
    blank = rng.choice(["", " ", "  ", "\t"])
    text = f"{blank}{kind}{blank}".join(written(rng, child, kind) for child in rest if isinstance(child, tuple))
    needed = inside in ("&", kind)  # a child of its own kind is a tree of its own
    return f"({text})" if needed or rng.random() < 0.2 else text


def solver_order(trees: Mapping[str, Tree]) -> list[str]:
    """The sets as written, each after those that it refers to."""
    order: list[str] = []

    def visit(name: str) -> None:
        if name not in order:
            for other in referred(trees[name]):
                visit(other)
            order.append(name)

    for name in trees:
        visit(name)
    return order


def referred(tree: Tree) -> Iterable[str]:
    if tree[0] == "set":
        yield str(tree[1])
    for child in tree[1:]:
        if isinstance(child, tuple):
            yield from referred(child)


def family(case: Case, tree: Tree) -> set[State]:
    """Everything that *tree* stands for, written out."""
    kind, *rest = tree
    if kind == "name":
        return {frozenset({case.variables.get(str(rest[0]), str(rest[0]))})}
    if kind == "set":
        return family(case, case.trees[str(rest[0])])
    families = [family(case, child) for child in rest if isinstance(child, tuple)]
    if kind == "|":
        return set().union(*families)
    joined: set[State] = {frozenset()}
    for each in families:
        joined = {one | other for one in joined for other in each}
    return joined


def combinations(case: Case) -> set[State]:
    """Every combination of every set."""
    return set().union(*(family(case, tree) for tree in case.trees.values()))


def states(case: Case, tree: Tree, relevant: State) -> list[State]:
    """The rules for the states of a set, word for word."""
    kind, *rest = tree
    if kind == "name":
        return [frozenset({case.variables.get(str(rest[0]), str(rest[0]))}) & relevant]
    if kind == "set":
        return states(case, case.trees[str(rest[0])], relevant)
    children = [states(case, child, relevant) for child in rest if isinstance(child, tuple)]
    if kind == "|":
        found: list[State] = []
        for child in children:
            for state in child:
                found = added(found, state)
        return found
    found = [frozenset()]
    for child in children:
        new: list[State] = []
        for old in found:
            for state in child:
                new = added(new, old | state)
        found = new
    return found


def added(found: list[State], state: State) -> list[State]:
    if any(state <= other for other in found):
        return found
    return [*(other for other in found if not other <= state), state]


def by_the_rules(case: Case) -> tuple[str | None, State, int]:
    """Set, state and cost."""
    relevant = frozenset({case.target, *case.running})
    best: tuple[str | None, State, int] | None = None
    for name in solver_order(case.trees):
        for state in states(case, case.trees[name], relevant):
            cost = cost_of(case, state)
            if case.target in state and (best is None or cost < best[2]):
                best = (name, state, cost)
    return best or (None, frozenset({case.target}), cost_of(case, frozenset()))


def cost_of(case: Case, kept: State) -> int:
    return sum(case.costs.get(model, 1) for model in case.running if model not in kept)


def compiled(case: Case) -> Matrix:
    found: list[Finding] = []
    matrix = compile_matrix(case.variables, case.costs, case.sets, [ModelId(m) for m in case.models], found.append)
    assert not found, (case, found)
    return matrix


def check(seed: int) -> None:
    """Both other solvers agree with the real one on the random case of *seed*."""
    rng = random.Random(seed)
    case = random_case(rng)
    matrix = compiled(case)
    running = [ModelId(model) for model in case.running]
    choice = solve(matrix, ModelId(case.target), running)
    whole = combinations(case)
    same_states(case, matrix, seed)
    if case.target in case.running:
        assert choice == Choice((), tuple(running)), (seed, case, choice)
    else:
        agrees(case, choice, whole, seed)
    asked = frozenset(model for model in case.models if rng.random() < 0.5)
    together = any(asked <= one for one in whole)
    assert matrix.coexist([ModelId(model) for model in asked]) == together, (seed, case, asked)


def same_states(case: Case, matrix: Matrix, seed: int) -> None:
    """Each set has the states that the rules give it, in their order."""
    relevant = sorted({case.target, *case.running})
    worked_out = matrix.states({ModelId(model): 1 << n for n, model in enumerate(relevant)})
    assert [one.name for one in matrix.sets] == solver_order(case.trees), (seed, case)
    for name, tree in case.trees.items():
        found = [frozenset(m for n, m in enumerate(relevant) if state >> n & 1) for state in worked_out.of(name)]
        assert found == states(case, tree, frozenset(relevant)), (seed, case, name, found)


def agrees(case: Case, choice: Choice, whole: set[State], seed: int) -> None:
    kept = frozenset(map(str, choice.state))
    story = (seed, case, choice)
    costs = [cost_of(case, one) for one in whole if case.target in one]
    assert choice.cost == min(costs, default=cost_of(case, frozenset())), story
    assert kept - {case.target} == set(case.running) - set(choice.victims), story
    assert list(choice.victims) == [model for model in case.running if model not in kept], story
    assert any(kept <= one for one in whole) if costs else kept == {case.target}, story
    assert (choice.set_name, kept, choice.cost) == by_the_rules(case), story


def check_hurried(seed: int) -> bool:
    """A solver without time gives an answer that is allowed. True if there was a choice to make."""
    case = random_case(random.Random(seed))
    choice = solve(compiled(case), ModelId(case.target), [ModelId(model) for model in case.running], work=-1)
    if case.target in case.running:
        return False
    whole, kept = combinations(case), frozenset(map(str, choice.state))
    if not any(case.target in one for one in whole):
        assert choice.set_name is None and kept == {case.target}, (seed, case, choice)
        return False
    assert case.target in kept, (seed, case, choice)
    assert any(kept <= one for one in whole), (seed, case, choice)
    return bool(case.running)


def check_all(seeds: Iterable[int]) -> int:
    """How many were checked; raises AssertionError with the case that differs."""
    count = 0
    for count, seed in enumerate(seeds, 1):  # noqa: B007 - the last count is the answer
        check(seed)
    return count
