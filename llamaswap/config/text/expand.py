"""A merged document -> the same with macros filled in and ports given out; nothing of ``macros`` is left in it.

Models take their ports in the byte order of their IDs, and only those whose `cmd` asks for one with ``${PORT}``.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from llamaswap.config.commands import argv
from llamaswap.config.text import macros
from llamaswap.config.text.leftovers import Scope, report_leftovers
from llamaswap.config.text.macros import Expander, Macro
from llamaswap.config.text.nodes import Entry, List, Map, Node, Scalar, is_null
from llamaswap.config.text.problems import KeyPath, Problems
from llamaswap.config.text.scalars import text_of
from llamaswap.config.text.suggest import closest

DEFAULT_PROXY = "http://localhost:${PORT}"
DEFAULT_START_PORT = 5800

_PORT = "${PORT}"
_BY_ID = "setParamsByID"
#: What people write for ``${PORT}`` because another program has it so.
_ALMOST_PORT = re.compile(r"\$PORT\b|\$\(PORT\)|(?<!\$)\{+PORT\}+|\$\{ ?PORT\b|%PORT%")
_LITERAL_PORT = re.compile(r"(?:--port[ =]|-p |:)(\d{2,5})\b")


@dataclass(frozen=True, slots=True)
class PortsInUse:
    """What a reload knows of ports: models that keep theirs, and further ones that are still in use."""

    kept: Mapping[str, int] = field(default_factory=dict)
    busy: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Expanded:
    """The document after expansion.

    Attributes:
        ports: The port of each model that has one.
        owners: The models whose `proxy` uses theirs.
    """

    root: Map
    ports: Mapping[str, int]
    owners: frozenset[str]


def expand(
    root: Map,
    known_keys: frozenset[str],
    environ: Mapping[str, str],
    problems: Problems,
    in_use: PortsInUse = PortsInUse(),
) -> Expanded:
    """Fill in macros and ports. References that are left go to *problems*, except below keys not in *known_keys*."""
    expander = Expander(problems)
    common = macros.declared(root.get("macros"), ("macros",), problems)
    entries: dict[str, Entry] = {}
    for key, entry in root.entries.items():
        if key == "models":
            entries[key] = entry
        elif key != "macros":
            entries[key] = Entry(entry.key, expander.expand(entry.value, common, (key,)))
            if key in known_keys:
                report_leftovers(entries[key].value, (key,), Scope(common, environ), problems)
    models = root.get("models")
    if not isinstance(models, Map):
        return Expanded(Map(root.mark, entries, root.anchored), {}, frozenset())
    expansion = _Models(common, expander, environ, problems, in_use)
    done = expansion.expand(models, _start_port(entries.get("startPort")))
    entries["models"] = Entry(root.entries["models"].key, done)
    whole = Map(root.mark, entries, root.anchored)
    return Expanded(whole, expansion.ports, frozenset(expansion.owners))


def _start_port(entry: Entry | None) -> int:
    """`startPort`, or its default if it is wrong; the decoder reports that."""
    value: Any = entry.value.value if entry and isinstance(entry.value, Scalar) else None
    return int(value) if isinstance(value, int | float) and 1 <= value < 2**63 else DEFAULT_START_PORT


class _Models:
    def __init__(
        self,
        common: Sequence[Macro],
        expander: Expander,
        environ: Mapping[str, str],
        problems: Problems,
        in_use: PortsInUse,
    ) -> None:
        self.ports: dict[str, int] = {}
        self.owners: set[str] = set()
        self._in_use = in_use
        self._common = common
        self._expander = expander
        self._environ = environ
        self._problems = problems

    def expand(self, models: Map, start_port: int) -> Map:
        kept = (port for model, port in self._in_use.kept.items() if model in models.entries)
        taken = self._in_use.busy.union(kept)
        self._free_ports = (port for port in itertools.count(start_port) if port not in taken)
        done = {}
        for model in sorted(models.entries, key=lambda name: name.encode(errors="surrogatepass")):
            done[model] = self._model(model, models.entries[model])
        return Map(models.mark, {model: done[model] for model in models.entries}, models.anchored)

    def _model(self, model: str, entry: Entry) -> Entry:
        if not isinstance(entry.value, Map):
            return entry
        path: KeyPath = ("models", model)
        own = macros.declared(entry.value.get("macros"), (*path, "macros"), self._problems)
        scope = macros.for_model(model, self._common, own)
        body = self._filled_in(_prepared(entry), scope, path)
        body = self._with_port(model, body, entry)
        ports = [Macro("PORT", self.ports[model])] if model in self.ports else []
        report_leftovers(_with_names(body), path, Scope([*scope, *ports], self._environ, in_model=True), self._problems)
        return Entry(entry.key, body)

    def _with_port(self, model: str, body: Map, entry: Entry) -> Map:
        path: KeyPath = ("models", model)
        if _uses_port(body.get("cmd")):
            kept = self._in_use.kept.get(model)
            self.ports[model] = next(self._free_ports) if kept is None else kept
            if _uses_port(body.get("proxy")):
                self.owners.add(model)
            return self._filled_in(body, [Macro("PORT", self.ports[model])], path)
        if _uses_port(body.get("proxy")):
            self._problems.spoil((*path, "proxy"))
            for n, _ in enumerate(_items(body.get("cmd"))):
                self._problems.spoil((*path, "cmd", n))
            if not _is_no_text(body.get("cmd")) and not _misspells_port(body.get("cmd")):
                self._no_port(path, body, entry)
        return body

    def _filled_in(self, body: Map, scope: Sequence[Macro], path: KeyPath) -> Map:
        done = self._expander.expand(body, scope, path)
        assert isinstance(done, Map)
        filters = done.get("filters")
        by_id = filters.get(_BY_ID) if isinstance(filters, Map) else None
        if not isinstance(filters, Map) or not isinstance(by_id, Map):
            return done
        renamed = replace(by_id, entries=self._renamed(by_id, scope, (*path, "filters", _BY_ID)))
        filters = replace(filters, entries=filters.entries | {_BY_ID: Entry(filters.entries[_BY_ID].key, renamed)})
        return replace(done, entries=done.entries | {"filters": Entry(done.entries["filters"].key, filters)})

    def _renamed(self, by_id: Map, scope: Sequence[Macro], path: KeyPath) -> dict[str, Entry]:
        """The only keys in which macros are filled in: they are names that clients use."""
        entries: dict[str, Entry] = {}
        for key, entry in by_id.entries.items():
            written = Scalar(entry.key, key, key)
            name = self._expander.expand(written, scope, (*path, key))
            text = text_of(name.value) if isinstance(name, Scalar) else key
            if text in entries:
                what = f"two keys are both {text!r} with their macros filled in"
                self._problems.error("duplicate-key", (*path, key), entry.key, what, remedy="rename one of them")
            entries[text] = entry
        return entries

    def _no_port(self, path: KeyPath, body: Map, entry: Entry) -> None:
        """The most common first mistake: the command has a port of its own, and nobody told us which."""
        cmd = body.get("cmd")
        if is_null(cmd):
            what, remedy = "the model has no command and cannot be started", "give it a cmd"
            self._problems.error("port", path, entry.key, what, remedy=f"{remedy}: ... --port ${{PORT}}")
            self._problems.spoil((*path, "cmd"))
            return
        written = isinstance(entry.value, Map) and not is_null(entry.value.get("proxy"))
        found = _LITERAL_PORT.search(cmd.value) if isinstance(cmd, Scalar) and isinstance(cmd.value, str) else None
        port = found[1] if found and not (isinstance(cmd, Scalar) and cmd.from_env) else "PORT"
        what = (
            "proxy uses ${PORT}, but cmd does not, so the model has no port"
            if written
            else "the model has no proxy, and its cmd does not use ${PORT}, so nobody knows where it listens"
        )
        if isinstance(cmd, Scalar) and isinstance(cmd.value, str) and (almost := _ALMOST_PORT.search(cmd.value)):
            what = f"cmd says {almost[0]}, which nobody fills in, so the model has no port"
        mark = body.entries["cmd"].key if "cmd" in body.entries else entry.key
        proxy = f"proxy: http://127.0.0.1:{port}"
        remedy = f"either let it listen on ${{PORT}} (cmd: ... --port ${{PORT}}), or say where it listens ({proxy})"
        self._problems.error("port", (*path, "proxy"), mark, what, remedy=remedy)


def _with_names(body: Map) -> Map:
    """*body* with the keys of ``setParamsByID`` as values, where references that were left are looked for."""
    filters = body.get("filters")
    by_id = filters.get(_BY_ID) if isinstance(filters, Map) else None
    if not isinstance(by_id, Map):
        return body
    names = {key: Entry(entry.key, Scalar(entry.key, key, key)) for key, entry in by_id.entries.items()}
    return replace(body, entries=body.entries | {_BY_ID: Entry(by_id.mark, Map(by_id.mark, names))})


def _uses_port(node: Node | None) -> bool:
    return isinstance(node, Scalar) and isinstance(node.value, str) and _PORT in node.value


def _items(node: Node | None) -> Sequence[Node]:
    return node.items if isinstance(node, List) else ()


def _is_no_text(node: Node | None) -> bool:
    """Whether `cmd` is refused anyway, as a list or mapping."""
    return isinstance(node, List | Map)


def _misspells_port(node: Node | None) -> bool:
    """Whether `cmd` means PORT but does not say so: reported as an unknown macro, which is enough."""
    return isinstance(node, Scalar) and any(closest(name, ["PORT"]) for name in macros.references(node))


def _prepared(entry: Entry) -> Map:
    """The model without its macros and the comment lines of its commands, and with the default `proxy`."""
    assert isinstance(entry.value, Map)
    entries = {key: e for key, e in entry.value.entries.items() if key != "macros"}
    for key in ("cmd", "cmdStop"):
        node = entries[key].value if key in entries else None
        if isinstance(node, Scalar) and isinstance(node.value, str):
            stripped = replace(node, value=argv.without_comments(node.value))
            entries[key] = Entry(entries[key].key, stripped)
    if is_null(entry.value.get("proxy")):
        entries["proxy"] = Entry(entry.key, Scalar(entry.key, DEFAULT_PROXY, DEFAULT_PROXY, from_macro=True))
    return Map(entry.value.mark, entries, entry.value.anchored)
