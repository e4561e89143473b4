"""The check that a file has no keys but those of the table, and no key that does nothing."""

import math
import re
from collections.abc import Iterator

from llamaswap.config.table.root import ROOT
from llamaswap.config.table.shapes import Each, Key, Section, Whole
from llamaswap.config.text.nodes import Entry, Map, Node, Scalar, shown
from llamaswap.config.text.problems import KeyPath, Problems
from llamaswap.config.text.suggest import closest

#: What notes say of keys that some later version acts on, and of those that have a newer name.
_LATER, _OLDER = "this version", re.compile(r"older name of (\w+)")


def check_keys(root: Map, problems: Problems) -> None:
    """Warn of keys that nobody knows, or nobody acts on."""
    _Check(root, problems).section(root, ROOT, ())


class _Check:
    def __init__(self, root: Map, problems: Problems) -> None:
        self._anchored = root.anchored
        self._problems = problems
        self._noted: set[KeyPath] = set()

    def section(self, node: Map, section: Section, pattern: KeyPath, path: KeyPath = ()) -> None:
        """Check the keys of *node*. In *pattern* the names of models are left out, so that one warning tells of all."""
        for name, entry in node.entries.items():
            key = section.keys.get(name)
            if key is None:
                self._unknown(name, entry, section, path)
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

    def _unknown(self, name: str, entry: Entry, section: Section, path: KeyPath) -> None:
        if not path and (name.startswith("x-") or name in self._anchored):
            return
        overflows = self._problems.overflows()
        near = None if overflows else closest(name, section.keys)
        home = None if overflows else next((where for where, known in _homes(ROOT, "") if known == name), None)
        settled = _settled(name, entry, path, near)
        if settled:
            remedy = settled
        elif near:
            remedy = f"did you mean {near}?"
        elif not path and isinstance(entry.value, Map) and "cmd" in entry.value.entries:
            remedy = "this looks like a model: indent it below models:"
        elif home is not None:
            remedy = f"this key belongs {home}"
        else:
            remedy = "remove it; for notes and anchors use a top-level key that starts with x-"
        self._problems.unknown((*path, name), entry.key, "unknown key, ignored", remedy=remedy)


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
