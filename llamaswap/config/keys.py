"""The check that a file has no keys but those of the table, and no key that does nothing."""

import re
from collections.abc import Iterator

from llamaswap.config.nodes import Entry, Map
from llamaswap.config.problems import KeyPath, Problems
from llamaswap.config.shapes import Each, Key, Section
from llamaswap.config.suggest import closest
from llamaswap.config.table import ROOT

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

    def _inside(self, node: Map, key: Key, pattern: KeyPath, path: KeyPath) -> None:
        if isinstance(key.shape, Section):
            self.section(node, key.shape, pattern, path)
        elif isinstance(key.shape, Each):
            for name, entry in node.entries.items():
                if isinstance(entry.value, Map):
                    self.section(entry.value, key.shape.of, (*pattern, "*"), (*path, name))

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
        if near:
            remedy = f"did you mean {near}?"
        elif not path and isinstance(entry.value, Map) and "cmd" in entry.value.entries:
            remedy = "this looks like a model: indent it below models:"
        elif home is not None:
            remedy = f"this key belongs {home}"
        else:
            remedy = "remove it; for notes and anchors use a top-level key that starts with x-"
        self._problems.unknown((*path, name), entry.key, "unknown key, ignored", remedy=remedy)


def _homes(section: Section, where: str) -> Iterator[tuple[str, str]]:
    """Where each known key belongs."""
    for name, key in section.keys.items():
        yield (f"under {where}" if where else "at the top level"), name
        below = f"{where}.{name}" if where else name
        if isinstance(key.shape, Each):
            yield from _homes(key.shape.of, f"{below}.<name>")
        elif isinstance(key.shape, Section):
            yield from _homes(key.shape, below)
