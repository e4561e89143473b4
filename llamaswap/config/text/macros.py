"""Macros: what a block declares, and what a tree is with them filled in.

A list of macros is applied from the last to the first, so a macro's value may refer to macros declared before it. A
text that is one reference and nothing else takes the macro's value with its type; otherwise its text is inserted.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from llamaswap.config.text.nodes import Entry, List, Map, Node, Scalar, ScalarValue, is_null, kind_of, shown
from llamaswap.config.text.place import Mark
from llamaswap.config.text.problems import KeyPath, Problems
from llamaswap.config.text.scalars import text_of

REFERENCE = re.compile(r"\$\{([A-Za-z0-9_-]{1,63})\}")
RESERVED = frozenset({"PID", "PORT", "MODEL_ID"})

_NAME = re.compile(r"[A-Za-z0-9_-]{1,63}")
#: Macros that double each other grow beyond any memory; no command line is that long.
_MOST_CHARACTERS = 1 << 20
_MOST_CHARACTERS_IN_ALL = 1 << 23
#: In one block. A real file has dozens, and each model is looked through for each of them.
_MOST_MACROS = 1000


@dataclass(frozen=True, slots=True)
class Macro:
    """One macro. `from_env` as in `Scalar`; without `mark` nobody declared it."""

    name: str
    value: ScalarValue
    from_env: bool = False
    mark: Mark | None = None

    @property
    def reference(self) -> str:
        """How it is referred to."""
        return f"${{{self.name}}}"


def declared(node: Node | None, path: KeyPath, problems: Problems) -> list[Macro]:
    """The macros that the block *node* declares, in order; wrong ones are reported and left out."""
    if node is None or is_null(node):
        return []
    if not isinstance(node, Map):
        problems.error(
            "type", path, node.mark, f"macros must be a mapping, not {kind_of(node)}", remedy="write name: value"
        )
        return []
    if len(node.entries) > _MOST_MACROS:
        what = f"more than {_MOST_MACROS} macros in one block"
        problems.error("macro", path, node.mark, what, remedy="declare those that one model needs in that model")
        return []
    macros = (_declare(name, entry, (*path, name), problems) for name, entry in node.entries.items())
    return [macro for macro in macros if macro is not None]


def _declare(name: str, entry: Entry, path: KeyPath, problems: Problems) -> Macro | None:
    node = entry.value
    if name in RESERVED:
        problems.error("macro", path, entry.key, f"the name {name} is reserved", remedy="give the macro another name")
    elif not _NAME.fullmatch(name):
        problems.error(
            "macro",
            path,
            entry.key,
            "this is no name for a macro",
            remedy="use 1 to 63 letters, digits, _ and - (merge keys do not work here)",
        )
    elif not isinstance(node, Scalar) or node.value is None or isinstance(node.value, datetime):
        remedy = "a macro's value is a text, a number, true or false; quote a date"
        problems.error(
            "macro", path, node.mark, f"a macro cannot be {kind_of(node)}", value=shown(node, path), remedy=remedy
        )
    elif isinstance(node.value, str) and f"${{{name}}}" in node.value:
        remedy = "use another name; a macro cannot extend one of the same name"
        problems.error("macro", path, node.mark.find(f"${{{name}}}"), "this macro refers to itself", remedy=remedy)
        return Macro(name, node.value.replace(f"${{{name}}}", ""), node.from_env, entry.key)  # no user is to blame
    else:
        return Macro(name, node.value, node.from_env, entry.key)
    return None


def for_model(model: str, common: Sequence[Macro], own: Sequence[Macro]) -> list[Macro]:
    """The macros of one model: MODEL_ID, then the common ones (each overridden in its place), then its own others."""
    if not own:
        return [Macro("MODEL_ID", model), *common]
    overrides = {macro.name: macro for macro in own}
    names = {macro.name for macro in common}
    inherited = [overrides.get(macro.name, macro) for macro in common]
    return [Macro("MODEL_ID", model), *inherited, *(macro for macro in own if macro.name not in names)]


class Expander:
    """Fills in macros, and keeps count so that they cannot fill the memory."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._room = _MOST_CHARACTERS_IN_ALL
        self._indexed: Sequence[Macro] = ()
        self._positions: dict[str, int] = {}

    def expand(self, node: Node, macros: Sequence[Macro], path: KeyPath) -> Node:
        """*node* with all *macros* filled in. Keys stay as they are."""
        match node:
            case Scalar(value=str() as text) if "${" in text:
                return self._scalar(node, text, macros, path)
            case List(items=items):
                return List(node.mark, tuple(self.expand(item, macros, (*path, n)) for n, item in enumerate(items)))
            case Map(entries=entries):
                filled = {k: Entry(e.key, self.expand(e.value, macros, (*path, k))) for k, e in entries.items()}
                return Map(node.mark, filled, node.anchored)
            case _:
                return node

    def _scalar(self, node: Scalar, text: str, macros: Sequence[Macro], path: KeyPath) -> Scalar:
        from_env, used = node.from_env, False
        after = len(macros)
        while (after := self._last_used(text, macros, after)) >= 0:
            macro = macros[after]
            count = text.count(macro.reference)
            used, from_env = True, from_env or macro.from_env
            if text == macro.reference and not isinstance(macro.value, str):
                return Scalar(node.mark, macro.value, text_of(macro.value), from_env, from_macro=True)
            inserted = text_of(macro.value)
            size = len(text) + count * (len(inserted) - len(macro.reference))
            if not self._has_room(size):
                self._refuse(node, path)
                break
            text = text.replace(macro.reference, inserted)
        return Scalar(node.mark, text, text, from_env, from_macro=True) if used else node

    def _last_used(self, text: str, macros: Sequence[Macro], before: int) -> int:
        """The position of the last macro that *text* refers to, of those that stand before that position; else -1."""
        if macros is not self._indexed:
            self._indexed = macros
            self._positions = {macro.name: n for n, macro in enumerate(macros)}
        found = (self._positions.get(name, -1) for name in set(REFERENCE.findall(text)))
        return max((position for position in found if position < before), default=-1)

    def _has_room(self, size: int) -> bool:
        self._room -= size
        return size <= _MOST_CHARACTERS and self._room >= 0

    def _refuse(self, node: Scalar, path: KeyPath) -> None:
        remedy = "look for macros that repeat each other"
        self._problems.error("macro", path, node.mark, "macros make this text too long", remedy=remedy)


def references(held: Scalar | Macro) -> Iterable[str]:
    """The names of macros that *held* still refers to, each once."""
    return dict.fromkeys(REFERENCE.findall(held.value)) if isinstance(held.value, str) else ()


def circle(name: str, macros: Sequence[Macro]) -> list[Macro]:
    """A shortest circle of references that *name* is in, from the macro that is declared first; empty without one."""
    known = {macro.name: macro for macro in macros}
    user: dict[str, str] = {}
    todo = [name]
    for each in todo:  # breadth first; it grows
        for other in references(known[each]) if each in known else ():
            if other not in user:
                user[other] = each
                todo.append(other)
    if name not in user:
        return []
    backwards = [name]
    while (before := user[backwards[-1]]) != name:
        backwards.append(before)
    found = [known[each] for each in reversed(backwards)]
    start = found.index(min(found, key=macros.index))
    return found[start:] + found[:start]
