"""The language of matrix sets: ``a & (b | +other)``, from text to a tree. Linear in the text, whatever the text is.

expression = term { "|" term } ;
term       = factor { "&" factor } ;
factor     = name | "+" name | "(" expression ")" ;
name       = letter, digit, "_", "-" or "." { the same } ;
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from llamaswap.config.names import ModelId
from llamaswap.config.text.place import printable, shortened

#: Parentheses within parentheses. People write two or three; each costs the parser and the solver some stack.
MOST_DEPTH = 64

_WORD = re.compile(r"[\w.-]+")
_SPACE = re.compile(r"[^\S\x1c-\x1f]+")  # blanks as Unicode has them: without these four
_VARS = "IDs with other characters can be given a name in matrix.vars"


@dataclass(frozen=True, slots=True)
class Name:
    """One model."""

    model: ModelId


@dataclass(frozen=True, slots=True)
class SetRef:
    """All that another set stands for."""

    name: str


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One of the children: ``|``."""

    children: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class AllOf:
    """The children together: ``&``."""

    children: tuple["Expression", ...]


Expression = Name | SetRef | AnyOf | AllOf


class Token(NamedTuple):
    """A word, a reference (`text` without its ``+``), an operator, or the end (empty). `column` counts from 1."""

    kind: str
    text: str
    column: int


class MatrixSyntaxError(ValueError):
    """The text is no expression. `column` counts from 1."""

    def __init__(self, what: str, column: int, remedy: str = "") -> None:
        super().__init__(what)
        self.column = column
        self.remedy = remedy


def parse(text: str, leaf: Callable[[Token], Name | SetRef]) -> Expression:
    """The tree of *text*. *leaf* says what a word (kind ``name``) or a reference (kind ``set``) stands for.

    Raises `MatrixSyntaxError` at the first mistake; *leaf* has then been asked about what stands before it.
    """
    return _Parser(text, leaf).whole()


def can_be_referred_to(name: str) -> bool:
    """Whether *name* can be written in an expression at all."""
    return bool(_WORD.fullmatch(name)) and _foreign(name) is None


def tokens(text: str) -> Iterator[Token]:
    """What *text* consists of, with an end. Raises `MatrixSyntaxError` at a character that has no business there."""
    at = 0
    while at < len(text):
        if space := _SPACE.match(text, at):
            at = space.end()
        elif text[at] in "|&()":
            yield Token(text[at], text[at], at + 1)
            at += 1
        else:
            plus = text[at] == "+"
            word = _word(text, at + plus, after_plus=plus)
            yield Token("set" if plus else "name", word, at + 1)
            at += plus + len(word)
    yield Token("end", "", len(text) + 1)


def _word(text: str, at: int, *, after_plus: bool) -> str:
    found = _WORD.match(text, at)
    foreign = _foreign(found.group()) if found else 0
    if found and foreign is None:
        return found.group()
    if after_plus and not foreign:
        raise MatrixSyntaxError("+ is not followed by the name of a set", at, "write +name, without a blank between")
    at += foreign or 0
    code = "" if text[at].isascii() else f" (U+{ord(text[at]):04X})"
    raise MatrixSyntaxError(f"'{printable(text[at])}'{code} cannot be part of an expression", at + 1, _VARS)


def _foreign(word: str) -> int | None:
    """Where *word* has a character that a regular expression takes for a letter and we do not: ², Ⅷ; None: nowhere."""
    if word.isascii():
        return None
    return next((n for n, char in enumerate(word) if not (char in "_-." or _is_letter_or_digit(char))), None)


def _is_letter_or_digit(char: str) -> bool:
    category = unicodedata.category(char)
    return category[0] == "L" or category == "Nd"


class _Parser:
    """Recursive descent, one method for each rule of the grammar."""

    def __init__(self, text: str, leaf: Callable[[Token], Name | SetRef]) -> None:
        self._tokens = tokens(text)
        self._next = next(self._tokens)
        self._last = ""
        self._leaf = leaf
        self._depth = 0

    def whole(self) -> Expression:
        """The expression, and nothing after it."""
        tree = self._expression()
        if self._next.kind == ")":
            raise MatrixSyntaxError("this ) closes nothing", self._next.column, "remove it")
        if self._next.kind != "end":
            raise MatrixSyntaxError(
                f"{_told(self._next)} follows without an operator", self._next.column, "write & or | between operands"
            )
        return tree

    def _expression(self) -> Expression:
        children = [self._term()]
        while self._next.kind == "|":
            self._take()
            children.append(self._term())
        return AnyOf(tuple(children)) if len(children) > 1 else children[0]

    def _term(self) -> Expression:
        children = [self._factor()]
        while self._next.kind == "&":
            self._take()
            children.append(self._factor())
        return AllOf(tuple(children)) if len(children) > 1 else children[0]

    def _factor(self) -> Expression:
        token = self._next
        if token.kind == "(":
            return self._inner()
        if token.kind not in ("name", "set"):
            doubled = token.kind in "&|" and token.kind == self._last
            raise MatrixSyntaxError(
                f"a model or a set is missing before {_told(token)}",
                token.column,
                f"write one {token.kind}" if doubled else "write its name, or +set",
            )
        self._take()
        return self._leaf(token)

    def _inner(self) -> Expression:
        opening = self._take()
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise MatrixSyntaxError(
                f"more than {MOST_DEPTH} parentheses are open", opening.column, "give the inner part a set of its own"
            )
        if self._next.kind == ")":
            raise MatrixSyntaxError("the parentheses are empty", opening.column, "write a name between them")
        tree = self._expression()
        if self._next.kind == "end":
            raise MatrixSyntaxError("this ( is not closed", opening.column, "add the )")
        if self._next.kind != ")":
            raise MatrixSyntaxError(
                f"{_told(self._next)} follows without an operator", self._next.column, "write & or | between operands"
            )
        self._take()
        self._depth -= 1
        return tree

    def _take(self) -> Token:
        taken, self._next = self._next, next(self._tokens)
        self._last = taken.kind
        return taken


def _told(token: Token) -> str:
    if token.kind == "end":
        return "the end"
    return ("+" if token.kind == "set" else "") + shortened(token.text, 40)
