"""YAML's graph -> the tree that a file means: variables filled in, merge keys done, keys as texts, scalars typed."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from llamaswap.config.text.environment import Variables
from llamaswap.config.text.nodes import Entry, List, Map, Node, Scalar, shown, walk_scalars
from llamaswap.config.text.place import Mark, Source, printable
from llamaswap.config.text.problems import KeyPath, Problems
from llamaswap.config.text.scalars import resolve, resolve_tagged
from llamaswap.config.text.yaml import RawList, RawMap, RawNode, RawScalar, compose

if TYPE_CHECKING:
    from llamaswap.config.text.yaml_broken import Explanation

_MERGE = "<<"
#: Their values may start with anything.
_COMMANDS = ("cmd", "cmdStop")
#: Look like the quotation marks of a programmer, and are none.
_TYPOGRAPHIC = "\u201c\u201d\u201e\u2018\u2019"
#: Look like a blank at the start of a line, and are none.
_STRANGE_BLANKS = "\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u200b\u202f\u3000"
#: A comment that reads as if the value should go on: ``--name my #1 --port 80``.
_SWALLOWED = re.compile(r"[ \t]{1,100}(#\S.{0,200}?\s(?:-|\$\{))")


class TreeBuilder:
    """Builds the tree of one file."""

    def __init__(self, variables: Variables, problems: Problems) -> None:
        self._variables = variables
        self._problems = problems

    def build(self, raw: RawNode, path: KeyPath = ()) -> Node:
        """The tree below *raw*, which stands at *path*. Paths of problems inside start with it."""
        match raw:
            case RawScalar():
                return self._scalar(raw, path)
            case RawList():
                return List(raw.mark, tuple(self.build(item, (*path, n)) for n, item in enumerate(raw.items)))
            case RawMap():
                return self._map(raw, path)

    def _scalar(self, raw: RawScalar, path: KeyPath) -> Node:
        restored = self._variables.restore(raw.text, path)
        text = restored.text
        if raw.tag:
            return self._tagged(raw, text, restored.from_env, path)
        if not raw.plain:
            return Scalar(raw.mark, text, text, restored.from_env)
        self._look_for_slips(raw, path)
        if restored.from_env:
            text = text.strip(" \t")
            if restored.whole and text.startswith(("[", "{")):
                return self._flow(raw.mark, text, path)
        return Scalar(raw.mark, resolve(text), text, restored.from_env)

    def _look_for_slips(self, raw: RawScalar, path: KeyPath) -> None:
        """Warn of what is legal in a text without quotes, but hardly ever meant."""
        if raw.text[:1] in _TYPOGRAPHIC and raw.text:
            what = f"the typographic quotation mark U+{ord(raw.text[0]):04X} becomes part of the value"
            self._problems.warn("typographic", path, raw.mark, what, remedy="write \" or ' instead")
        if raw.mark.line != raw.mark.last_line or not raw.text:
            return
        line, end = raw.mark.source.lines[raw.mark.line - 1], raw.mark.column - 1 + len(raw.text)
        starts_line = path and isinstance(path[-1], str) and not line[: raw.mark.column - 1].strip()
        may_slip = starts_line and path[-1] not in _COMMANDS and (":" in raw.text or "=" in raw.text)
        if may_slip and (slip := _no_blank(raw)):
            self._problems.warn("no-space", path, raw.mark, slip.what, remedy=slip.remedy)
        if swallowed := _SWALLOWED.match(line, end):
            mark = Mark(raw.mark.source, raw.mark.line, swallowed.start(1) + 1)
            remedy = 'if it belongs to the value, put the value in quotes; if not, write "# " with a space'
            self._problems.warn("comment-in-value", path, mark, "what follows # is a comment", remedy=remedy)

    def _tagged(self, raw: RawScalar, text: str, from_env: bool, path: KeyPath) -> Scalar:
        try:
            return Scalar(raw.mark, resolve_tagged(raw.tag, text), text, from_env)
        except ValueError as error:
            node = Scalar(raw.mark, text, text, from_env)
            self._problems.error("tag", path, raw.mark, str(error), value=shown(node, path), remedy="remove the tag")
            return node

    def _flow(self, mark: Mark, text: str, path: KeyPath) -> Node:
        """A variable may hold a whole list or mapping: ``apiKeys: ${env.KEYS}`` with ``[a, b]``."""
        found = Problems()
        raw = compose(Source(f"the variable at {mark}", text, secret=True), text, found)
        if raw is None:
            self._problems.error(
                "env",
                path,
                mark,
                "the variable's value starts like a list or mapping but is none",
                remedy="quote the reference",
            )
            return Scalar(mark, text, text, from_env=True)
        tree = _relocated(TreeBuilder(self._variables, self._problems).build(raw, path), mark)
        if text in self._problems.concealed:
            for _, scalar in walk_scalars(tree, path):
                self._problems.conceal(scalar.text)
        return tree

    def _map(self, raw: RawMap, path: KeyPath) -> Map:
        own: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        anchored: set[str] = set()
        seen: dict[str, Mark] = {}
        for key, value in raw.pairs:
            name = self._key(key, path)
            if name is None or not self._is_new(name, key, (*path, name), seen):
                continue
            if name == _MERGE and not _holds_macros(path):
                for entry_name, entry in self._merge(value, path):
                    merged.setdefault(entry_name, entry)
                continue
            own[name] = Entry(key.mark, self.build(value, (*path, name)))
            if not path and _holds_anchor(value):
                anchored.add(name)
        # Own keys come first in the order, and win.
        return Map(raw.mark, own | {k: v for k, v in merged.items() if k not in own}, frozenset(anchored))

    def _key(self, raw: RawNode, path: KeyPath) -> str | None:
        if not isinstance(raw, RawScalar):
            self._problems.error("key", path, raw.mark, "a key must be a text", remedy="quote the key")
            return None
        text = self._variables.restore(raw.text, path).text
        if text[:1] in _STRANGE_BLANKS and text:
            what = f"this key starts with the character U+{ord(text[0]):04X}, which looks like a space and is none"
            self._problems.warn("strange-blank", path, raw.mark, what, remedy="indent with ordinary spaces")
        untyped = not raw.plain or raw.tag in ("str", "!") or isinstance(resolve(text), str)
        if not untyped and not _holds_macros(path):
            self._problems.warn(
                "key-type",
                (*path, text),
                raw.mark,
                f"this key is read as the text {text!r}",
                remedy="put the key in quotes",
            )
        return text

    def _is_new(self, name: str, key: RawNode, path: KeyPath, seen: dict[str, Mark]) -> bool:
        if name not in seen:
            seen[name] = key.mark
            return True
        first = seen[name]
        again = "`<<` stands here" if name == _MERGE else "this key stands here"
        remedy = "merge several with <<: [*a, *b]" if name == _MERGE else "remove or rename one of them"
        self._problems.error(
            "duplicate-key", path, key.mark, f"{again} twice, first in line {first.line}", remedy=remedy
        )
        return False

    def _merge(self, raw: RawNode, path: KeyPath) -> Iterable[tuple[str, Entry]]:
        sources = raw.items if isinstance(raw, RawList) else [raw]
        for source in sources:
            if isinstance(source, RawMap):
                yield from self._map(source, path).entries.items()
            else:
                self._problems.error(
                    "merge",
                    (*path, _MERGE),
                    source.mark,
                    "`<<` takes a mapping or a list of mappings",
                    remedy="write <<: *anchor",
                )


def _holds_macros(path: KeyPath) -> bool:
    """Inside a macros block `<<` would be a macro's name, and numbers are names as well."""
    return path == ("macros",) or (len(path) == 3 and path[0] == "models" and path[2] == "macros")


def _holds_anchor(raw: RawNode) -> bool:
    todo, seen = [raw], {id(raw)}
    while todo:
        node = todo.pop()
        if node.anchor:
            return True
        children = (
            node.items if isinstance(node, RawList) else [v for _, v in node.pairs] if isinstance(node, RawMap) else []
        )
        todo += [child for child in children if id(child) not in seen]
        seen.update(map(id, children))
    return False


def _relocated(node: Node, mark: Mark) -> Node:
    """*node* with every place replaced by *mark*, where its variable stands, and marked as coming from it."""
    match node:
        case Scalar():
            return Scalar(mark, node.value, printable(node.text), from_env=True)
        case List():
            return List(mark, tuple(_relocated(item, mark) for item in node.items))
        case Map():
            return Map(mark, {k: Entry(mark, _relocated(e.value, mark)) for k, e in node.entries.items()})


def _no_blank(raw: RawScalar) -> "Explanation | None":
    from llamaswap.config.text.yaml_slips import no_blank  # noqa: PLC0415 - few files need it

    return no_blank(raw.text, raw.mark)
