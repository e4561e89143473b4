"""The check that a file has no keys but those of the table, and no key that does nothing."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from llamaswap.config.table.root import ROOT
from llamaswap.config.table.shapes import Each, Key, Section, Whole
from llamaswap.config.text.nodes import Entry, Map, Node, Scalar, shown
from llamaswap.config.text.place import Mark
from llamaswap.config.text.problems import KeyPath, Problems
from llamaswap.config.text.suggest import closest

#: Of one unknown key.
_MOST_PLACES = 3
#: What notes say of keys that some later version acts on, and of those that have a newer name.
_LATER, _OLDER = "this version", re.compile(r"older name of (\w+)")


def check_keys(root: Map, problems: Problems) -> None:
    """Warn of keys that nobody knows, or nobody acts on. The same key in many models is told of once."""
    check = _Check(root, problems)
    check.section(root, ROOT, ())
    check.report_unknown()


@dataclass(frozen=True, slots=True)
class _Unknown:
    """One unknown key, by the place that was met first: *path* is above it, *section* what is known there."""

    name: str
    section: Section
    path: KeyPath
    entries: list[Entry]


class _Check:
    def __init__(self, root: Map, problems: Problems) -> None:
        self._anchored = root.anchored
        self._problems = problems
        self._noted: set[KeyPath] = set()
        self._unknown: dict[KeyPath, _Unknown] = {}

    def section(self, node: Map, section: Section, pattern: KeyPath, path: KeyPath = ()) -> None:
        """Check the keys of *node*. In *pattern* the names of models are left out, so that one warning tells of all."""
        for name, entry in node.entries.items():
            key = section.keys.get(name)
            if key is None:
                if path or not (name.startswith("x-") or name in self._anchored):
                    found = _Unknown(name, section, path, [])
                    self._unknown.setdefault((*pattern, name), found).entries.append(entry)
                continue
            self._note(key, entry, (*pattern, name), (*path, name))
            if isinstance(entry.value, Map):
                self._inside(entry.value, key, (*pattern, name), (*path, name))
            elif isinstance(key.shape, Whole):
                self._whole(entry.value, key.shape, (*path, name))

    def _inside(self, node: Map, key: Key, pattern: KeyPath, path: KeyPath) -> None:
        if isinstance(key.shape, Section):
            self.section(node, key.shape, pattern, path)
        elif isinstance(key.shape, Each):
            for name, entry in node.entries.items():
                if isinstance(entry.value, Map):
                    self.section(entry.value, key.shape.of, (*pattern, "*"), (*path, name))

    def _whole(self, node: Node, shape: Whole, path: KeyPath) -> None:
        value = node.value if isinstance(node, Scalar) else None
        if not isinstance(value, float) or not math.isfinite(value) or value == int(value):
            return
        left = int(value)
        if shape.least is None or left >= shape.least:
            what, remedy = f"only whole numbers count here: this is {left}", "write a whole number"
            self._problems.warn("fraction", path, node.mark, what, value=shown(node, path), remedy=remedy)

    def _note(self, key: Key, entry: Entry, pattern: KeyPath, path: KeyPath) -> None:
        if key.note and pattern not in self._noted:
            self._noted.add(pattern)
            if _LATER in key.note:
                self._problems.warn("no-effect", path, entry.key, key.note)
            else:
                instead = _OLDER.search(key.note)
                remedy = f"write {instead[1]} instead" if instead else "remove it"
                self._problems.warn("deprecated-key", path, entry.key, key.note, remedy=remedy)

    def report_unknown(self) -> None:
        """Report the keys that were met and nobody knows."""
        for found in self._unknown.values():
            what = "unknown key, ignored" + _elsewhere([entry.key for entry in found.entries[1:]])
            remedy = "" if self._problems.overflows() else _instead(found)
            self._problems.unknown((*found.path, found.name), found.entries[0].key, what, remedy=remedy)


def _elsewhere(places: list[Mark]) -> str:
    """Where else it stands: the first few places."""
    if not places:
        return ""
    more = f" and {len(places) - _MOST_PLACES} more" if len(places) > _MOST_PLACES else ""
    return f"; {len(places) + 1} times, also at {', '.join(map(str, places[:_MOST_PLACES]))}{more}"


def _instead(found: _Unknown) -> str:
    """What to do about an unknown key."""
    name, path, entry = found.name, found.path, found.entries[0]
    near = closest(name, found.section.keys)
    if settled := _settled(name, entry, path, near):
        return settled
    if near:
        return f"did you mean {near}?"
    if not path and isinstance(entry.value, Map) and "cmd" in entry.value.entries:
        return "this looks like a model: indent it below models:"
    home = next((where for where, known in _homes(ROOT, "") if known == name), None)
    if home is not None:
        return f"this key belongs {home}"
    return "remove it; for notes and anchors use a top-level key that starts with x-"


def _settled(name: str, entry: Entry, path: KeyPath, near: str | None) -> str:
    """Where a key belongs whose name alone would send people to a second wrong place; empty for all others."""
    value = entry.value.value if isinstance(entry.value, Scalar) else None
    if name == "use" and path in ((), ("routing",)):
        part = "router" if value in ("group", "matrix") else "scheduler"
        return f"this key belongs under routing.{part}"
    if name in ("groups", "matrix") and path[:1] == ("routing",):
        return "this key belongs under routing.router.settings"
    if near == "healthCheckTimeout" and path[:1] == ("models",):
        return "this is a key of the top level: healthCheckTimeout, for all models"
    return ""


def _homes(section: Section, where: str) -> Iterator[tuple[str, str]]:
    """Where each known key belongs."""
    for name, key in section.keys.items():
        yield (f"under {where}" if where else "at the top level"), name
        below = f"{where}.{name}" if where else name
        if isinstance(key.shape, Each):
            yield from _homes(key.shape.of, f"{below}.<name>")
        elif isinstance(key.shape, Section):
            yield from _homes(key.shape, below)
