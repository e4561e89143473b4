"""Every key there is, and the check that a file has no others.

A key that is known but not acted on yet is taken as it is, whatever its type; one warning tells of it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from llamaswap.config.nodes import Entry, Map
from llamaswap.config.problems import KeyPath, Problems
from llamaswap.config.suggest import closest


@dataclass(frozen=True, slots=True)
class Leaf:
    """A key whose value is not looked into here. `note` is the warning for it, if there is one."""

    note: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping with fixed keys."""

    keys: Mapping[str, "Shape"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Each:
    """A mapping whose keys are names."""

    of: Section


Shape = Leaf | Section | Each

_DONE = Leaf()
_LATER = Leaf("recognised, but this version does not act on it yet")
_DEPRECATED = Leaf("deprecated and without effect")


def _done(*names: str) -> dict[str, Shape]:
    return dict.fromkeys(names, _DONE)


def _later(*names: str) -> dict[str, Shape]:
    return dict.fromkeys(names, _LATER)


_MODEL = Section(
    _done("cmd", "cmdStop", "proxy", "checkEndpoint", "ttl", "unloadTimeout", "env", "aliases", "useModelName")
    | _done("concurrencyLimit", "unlisted", "name", "description", "macros")
    | _later("sendLoadingState", "filters", "timeouts", "capabilities", "compat", "metadata")
    | {"healthCheckTimeout": Leaf("without effect in a model: the top-level healthCheckTimeout counts for all models")}
)
_SCHEDULER = Section(
    {
        "use": _DONE,
        "settings": Section({"serial": Section(_done("parallel", "abortOrphanLoads")), "fifo": _LATER}),
    }
)
#: The whole configuration.
ROOT = Section(
    _done("healthCheckTimeout", "globalTTL", "unloadTimeout", "startPort", "logLevel", "logTimeFormat", "logToStdout")
    | _done("includeAliasesInList", "apiKeys", "macros", "allowedHosts", "stallTimeout", "maxRequestBody")
    | _later("metricsMaxInMemory", "captureBuffer", "sendLoadingState", "profiles", "selectors", "peers", "groups")
    | _later("matrix", "upstream", "store", "performance", "ui")
    | {
        "logRequests": _DEPRECATED,
        "models": Each(_MODEL),
        "routing": Section({"router": _LATER, "scheduler": _SCHEDULER}),
        "hooks": Section({"on_startup": Section(_done("preload"))}),
        "cors": Section(_done("origins")),
    }
)
TOP_LEVEL = frozenset(ROOT.keys)


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
        for key, entry in node.entries.items():
            shape = section.keys.get(key)
            if shape is None:
                self._unknown(key, entry, section, path)
            elif isinstance(shape, Leaf):
                self._note(shape, entry, (*pattern, key), (*path, key))
            elif isinstance(entry.value, Map):
                self._inside(entry.value, shape, (*pattern, key), (*path, key))

    def _inside(self, node: Map, shape: Section | Each, pattern: KeyPath, path: KeyPath) -> None:
        if isinstance(shape, Section):
            self.section(node, shape, pattern, path)
            return
        for name, entry in node.entries.items():
            if isinstance(entry.value, Map):
                self.section(entry.value, shape.of, (*pattern, "*"), (*path, name))

    def _note(self, leaf: Leaf, entry: Entry, pattern: KeyPath, path: KeyPath) -> None:
        if leaf.note and pattern not in self._noted:
            self._noted.add(pattern)
            self._problems.warn("no-effect", path, entry.key, leaf.note)

    def _unknown(self, key: str, entry: Entry, section: Section, path: KeyPath) -> None:
        if not path and (key.startswith("x-") or key in self._anchored):
            return
        near = None if self._problems.overflows() else closest(key, section.keys)
        home = next((where for where, known in _homes(ROOT, "") if known == key), None)
        if near:
            remedy = f"did you mean {near}?"
        elif home is not None:
            remedy = f"this key belongs {home}"
        else:
            remedy = "remove it; for notes and anchors use a top-level key that starts with x-"
        self._problems.unknown((*path, key), entry.key, "unknown key, ignored", remedy=remedy)


def _homes(shape: Shape, where: str) -> Iterator[tuple[str, str]]:
    """Where each known key belongs."""
    if isinstance(shape, Each):
        yield from _homes(shape.of, f"{where}.<name>")
    elif isinstance(shape, Section):
        for key, inner in shape.keys.items():
            yield (f"under {where}" if where else "at the top level"), key
            yield from _homes(inner, f"{where}.{key}" if where else key)
