"""From the texts of a ``matrix`` section to a `Matrix`; whatever is wrong with them is told at once."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import Literal, NamedTuple

from llamaswap.config.matrix.language import (
    Expression,
    MatrixSyntaxError,
    Name,
    SetRef,
    Token,
    can_be_referred_to,
    parse,
)
from llamaswap.config.matrix.order import find_order
from llamaswap.config.matrix.sets import Matrix, MatrixSet
from llamaswap.config.names import ModelId
from llamaswap.config.text.place import shortened
from llamaswap.config.text.suggest import closest

_VAR_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-")
_LONGEST_VAR = 32
#: Looking for what was meant takes time, and nobody reads this many.
_MOST_SUGGESTIONS = 20


class Finding(NamedTuple):
    """Something that is wrong with a matrix (``error``), or that works but probably not as meant (``warning``).

    `path` is the key below ``matrix``, as in ``("sets", "duo")``; `column`, from 1, the place in an
    expression; `code` the rule's name.
    """

    severity: Literal["error", "warning"]
    path: tuple[str, ...]
    what: str
    remedy: str
    column: int | None = None
    code: str = "matrix"


Report = Callable[[Finding], None]


def compile_matrix(
    variables: Mapping[str, str],
    costs: Mapping[str, int],
    sets: Mapping[str, str],
    models: Collection[ModelId],
    report: Report,
) -> Matrix:
    """The matrix with these sections. *models* are all that are configured.

    Tells *report* about every problem. If one was an error, the matrix holds only what could be understood, and must
    not be used.
    """
    return _Compiler(variables, models, report).matrix(costs, sets)


class _Read(NamedTuple):
    """A set whose text is an expression, and where it first refers to which other sets and names which models."""

    program: Expression
    references: Mapping[str, int]
    models: frozenset[ModelId]


class _Compiler:
    def __init__(self, variables: Mapping[str, str], models: Collection[ModelId], report: Report) -> None:
        self._report = report
        self._models = {str(model): model for model in models}
        self._suggestions = 0
        self._variables = {name: self._variable(name, value) for name, value in variables.items()}

    def matrix(self, costs: Mapping[str, int], sets: Mapping[str, str]) -> Matrix:
        if not sets:
            self._error(("sets",), "there is no set", "name the models that may run together: sets: {main: a & b}")
        read = {name: one for name, text in sets.items() if (one := self._read(name, text, sets)) is not None}
        order, circles = find_order(
            {name: [other for other in one.references if other in read] for name, one in read.items()}
        )
        for circle in circles:
            self._error(
                ("sets", circle[0]),
                f"the set refers to itself: {_chain(circle)}",
                f"remove +{shortened(circle[1 % len(circle)])} here, or break the circle elsewhere",
                read[circle[0]].references[circle[1 % len(circle)]],
            )
        known = () if circles else tuple(_with_models(order, read, sets))
        return Matrix(known, MappingProxyType(self._costs(costs)), MappingProxyType(self._variables))

    def _variable(self, name: str, value: str) -> ModelId:
        path = ("vars", name)
        if not 1 <= len(name) <= _LONGEST_VAR or not _VAR_CHARACTERS.issuperset(name):
            self._error(
                path,
                f"{shortened(name)!r} cannot be the name of a var",
                f"use 1 to {_LONGEST_VAR} ASCII letters, digits, dots and dashes (no underscore)",
            )
        if value not in self._models:
            self._error(path, f"there is no model {shortened(value)!r}", self._meant(value, self._models, _AN_ID))
        elif name in self._models and name != value:
            self._warn(
                path,
                f"the var hides the model {shortened(name)!r}: here the name stands for {shortened(value)}",
                "give the var a name that no model has",
                "var-hides-model",
            )
        return ModelId(value)

    def _costs(self, costs: Mapping[str, int]) -> dict[ModelId, int]:
        found: dict[ModelId, int] = {}
        for name, cost in costs.items():
            path = ("evict_costs", name)
            if cost < 1:
                self._error(path, f"the cost is {cost}", "costs are whole numbers from 1; leave the model out for 1")
            model = self._named(name)
            if model is None:
                self._error(path, f"there is no model or var {shortened(name)!r}", self._meant_name(name))
                continue
            if model in found:
                self._warn(
                    path,
                    f"this is a second cost for {shortened(model)}: {found[model]} and {cost}; the larger holds",
                    "give each model one cost",
                    "two-costs",
                )
            found[model] = max(cost, found.get(model, cost))
        return found

    def _read(self, name: str, text: str, sets: Mapping[str, str]) -> _Read | None:
        references: dict[str, int] = {}
        words: dict[str, int] = {}

        def leaf(token: Token) -> Name | SetRef:
            if token.kind == "set":
                references.setdefault(token.text, token.column)
                return SetRef(token.text)
            words.setdefault(token.text, token.column)
            return Name(self._model(token.text))

        try:
            program = parse(text, leaf)
        except MatrixSyntaxError as error:
            self._unknown(name, words, references, sets)
            self._error(("sets", name), f"column {error.column}: {error}", error.remedy, error.column)
            return None
        known = self._unknown(name, words, references, sets)
        models = frozenset(self._model(word) for word in words)
        return _Read(program, references, models) if known else None

    def _unknown(
        self, name: str, words: Mapping[str, int], references: Mapping[str, int], sets: Mapping[str, str]
    ) -> bool:
        """Report what the set *name* speaks of and nobody knows; True if there is no such thing."""
        path, known = ("sets", name), True
        for word, column in words.items():
            if self._named(word) is None:
                known = False
                remedy = f"+{word} is the set of this name" if word in sets else self._meant_name(word)
                self._error(path, f"column {column}: there is no model or var {shortened(word)!r}", remedy, column)
        for other, column in references.items():
            if other not in sets:
                known = False
                remedy = self._meant(other, filter(can_be_referred_to, sets), "name a set after +, a model without it")
                self._error(path, f"column {column}: there is no set {shortened(other)!r}", remedy, column)
        return known

    def _named(self, name: str) -> ModelId | None:
        """The model that *name* stands for: vars win over IDs."""
        return self._variables[name] if name in self._variables else self._models.get(name)

    def _model(self, word: str) -> ModelId:
        """The same; something, if nobody knows the name: that is told elsewhere."""
        named = self._named(word)
        return ModelId(word) if named is None else named

    def _meant_name(self, word: str) -> str:
        return self._meant(word, chain(self._variables, self._models), _AN_ID)

    def _meant(self, word: str, candidates: Iterable[str], otherwise: str) -> str:
        self._suggestions += 1
        near = closest(word, candidates) if self._suggestions <= _MOST_SUGGESTIONS else None
        return otherwise if near is None else f"did you mean {near}?"

    def _error(self, path: tuple[str, ...], what: str, remedy: str, column: int | None = None) -> None:
        self._report(Finding("error", path, what, remedy, column))

    def _warn(self, path: tuple[str, ...], what: str, remedy: str, code: str) -> None:
        self._report(Finding("warning", path, what, remedy, code=code))


_AN_ID = "use the ID of a model, not an alias"


def _with_models(order: Sequence[str], read: Mapping[str, _Read], sets: Mapping[str, str]) -> Iterator[MatrixSet]:
    """The sets of *order*, which has each after those that it refers to."""
    mentioned: dict[str, frozenset[ModelId]] = {}
    for name in order:
        one = read[name]
        references = tuple(other for other in one.references if other in read)
        mentioned[name] = one.models.union(*(mentioned[other] for other in references))
        yield MatrixSet(name, sets[name], one.program, references, mentioned[name])


def _chain(circle: Sequence[str]) -> str:
    names = [shortened(name, 40) for name in (*circle, circle[0])]
    return " -> ".join(names if len(names) <= 10 else [*names[:6], "...", *names[-3:]])
