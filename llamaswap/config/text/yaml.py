"""YAML text -> a graph of nodes that know their places.

Only the event stream is PyYAML's (libyaml's, where it is there). Its composer and resolver follow other rules than the
files people have: anchors may be redefined, equal keys are an error, and `yes` is a text. Scalars stay untyped here
(`tree` types them), aliases point to the node they mean, and `<<` is a key like any other.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NoReturn

import yaml
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    StreamEndEvent,
)

from llamaswap.config.text.place import Mark, Source, shortened
from llamaswap.config.text.problems import Problems
from llamaswap.config.text.suggest import closest

#: libyaml's parser is ten times as fast and takes a tab after a colon; the pure one serves where it is missing.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_MOST_DEPTH = 100
#: Nodes after aliases are followed. A real file has hundreds.
_MOST_NODES = 100_000
#: As Go's YAML has it: a document mostly made of aliases is an attack, but small ones are let through.
_ALIAS_RATIO, _ALIAS_FROM_NODES, _ALIAS_FROM_ALIASES = 0.99, 1000, 100


@dataclass(slots=True, eq=False)
class RawScalar:
    """A scalar as written. `plain` means neither quoted nor a block; `tag` is "" if none was given."""

    mark: Mark
    text: str
    plain: bool
    tag: str
    anchor: str = ""


@dataclass(slots=True, eq=False)
class RawList:
    """A sequence. With aliases followed: its nodes (`size`), those behind an alias (`aliased`), levels (`depth`)."""

    mark: Mark
    anchor: str = ""
    items: list["RawNode"] = field(default_factory=list)
    size: int = 1
    aliased: int = 0
    depth: int = 1


@dataclass(slots=True, eq=False)
class RawMap:
    """A mapping; equal keys are not refused yet. Numbers as in `RawList`."""

    mark: Mark
    anchor: str = ""
    pairs: list[tuple["RawNode", "RawNode"]] = field(default_factory=list)
    size: int = 1
    aliased: int = 0
    depth: int = 1


RawNode = RawScalar | RawList | RawMap


class _RefusedError(Exception):
    """This document is legal YAML, but not for us; reported already."""


def compose(source: Source, text: str, problems: Problems) -> RawNode | None:
    """Read the first document of *text*, which has the places of *source*.

    Returns:
        None for an empty document and for one that is broken; the latter is in *problems*.
    """
    composer = _Composer(source, problems)
    try:
        return composer.compose(yaml.parse(text, Loader=_LOADER))
    except yaml.YAMLError as error:
        from llamaswap.config.text.yaml_errors import explain  # noqa: PLC0415 - for broken files alone

        what, remedy, mark = explain(error, source, text, composer.last)
        problems.error("yaml", (), mark, what, remedy=remedy)
    except _RefusedError:
        pass
    return None


class _Composer:
    def __init__(self, source: Source, problems: Problems) -> None:
        self._source = source
        self._problems = problems
        #: What the parser has told last.
        self.last: Event | None = None
        #: None while the anchored node is still being read.
        self._anchors: dict[str, RawNode | None] = {}

    def compose(self, parsed: Iterator[Event]) -> RawNode | None:
        node = None
        events = self._watched(parsed)
        for event in events:
            if isinstance(event, NodeEvent):
                node = self._node(event, events, 0)
                if not isinstance(node, RawScalar):
                    self._check_size(node)
            elif isinstance(event, DocumentEndEvent):
                self._after_document(next(events))
                break
        return node

    def _watched(self, events: Iterator[Event]) -> Iterator[Event]:
        for event in events:
            self.last = event
            yield event

    def _after_document(self, event: Event) -> None:
        # Asking for one event more shows whether the document ended where its author thinks it does.
        if isinstance(event, DocumentStartEvent) and not isinstance(event, StreamEndEvent):
            self._problems.warn(
                "second-document", (), self._mark(event), "only what stands above this line is read",
                remedy="remove the line ---, or move what follows to a file of its own (-config-dir)",
            )  # fmt: skip

    def _node(self, event: NodeEvent, events: Iterator[Event], depth: int) -> RawNode:
        if depth > _MOST_DEPTH:
            self._too_deep(event)
        if isinstance(event, AliasEvent):
            return self._alias(event)
        mark = self._mark(event)
        if isinstance(event, ScalarEvent):
            plain = event.style is None or event.style == ""
            tag = _short_tag(event.tag) if event.tag else ""
            return self._anchored(RawScalar(mark, event.value, plain, tag, event.anchor or ""))
        return self._collection(event, mark, events, depth)

    def _collection(self, event: NodeEvent, mark: Mark, events: Iterator[Event], depth: int) -> RawNode:
        node: RawList | RawMap = (
            RawMap(mark, event.anchor or "")
            if isinstance(event, MappingStartEvent)
            else RawList(mark, event.anchor or "")
        )
        assert isinstance(event, CollectionStartEvent)
        if node.anchor:
            self._anchors[node.anchor] = None
        for child in events:
            if isinstance(child, CollectionEndEvent):
                break
            assert isinstance(child, NodeEvent)
            first = self._grow(node, child, events, depth)
            if isinstance(node, RawList):
                node.items.append(first)
            else:
                second = next(events)
                assert isinstance(second, NodeEvent)
                node.pairs.append((first, self._grow(node, second, events, depth)))
        # A node inside may have taken the name over: the latest definition counts.
        if node.anchor and self._anchors[node.anchor] is None:
            self._anchors[node.anchor] = node
        return node

    def _grow(self, parent: RawList | RawMap, event: NodeEvent, events: Iterator[Event], depth: int) -> RawNode:
        child = self._node(event, events, depth + 1)
        size, aliased, below = (1, 0, 0) if isinstance(child, RawScalar) else (child.size, child.aliased, child.depth)
        parent.size += size
        parent.aliased += size if isinstance(event, AliasEvent) else aliased
        parent.depth = max(parent.depth, 1 + below)
        if parent.depth > _MOST_DEPTH:
            self._too_deep(event)
        if parent.size > _MOST_NODES:
            self._refuse(
                event, f"more than {_MOST_NODES} values, counting what aliases repeat", "make the file smaller"
            )
        return child

    def _anchored(self, node: RawScalar) -> RawScalar:
        if node.anchor:
            self._anchors[node.anchor] = node
        return node

    def _alias(self, event: AliasEvent) -> RawNode:
        node = self._anchors.get(event.anchor or "")
        if node is None and event.anchor in self._anchors:
            self._refuse(
                event, f"the alias *{event.anchor} stands inside what it names", "use it outside of its anchor"
            )
        if node is None:
            self._no_anchor(event)
        return node

    def _no_anchor(self, event: AliasEvent) -> NoReturn:
        name = event.anchor or ""
        remedy = "anchors are per file; quote a value that starts with *"
        if below := re.search(rf"&{re.escape(name)}(?=[\s,\]}}]|$)", self._source.text):
            line = self._source.text.count("\n", 0, below.start()) + 1
            remedy = f"move the anchor up: it stands in line {line}, and an alias means what stands above it"
        elif near := closest(name, self._anchors):
            remedy = f"did you mean *{near}? A value that starts with * needs quotes"
        self._refuse(event, f"there is no anchor &{shortened(name)} above this alias", remedy)

    def _check_size(self, node: RawList | RawMap) -> None:
        crowded = node.size > _ALIAS_FROM_NODES and node.aliased > _ALIAS_FROM_ALIASES
        if crowded and node.aliased / node.size > _ALIAS_RATIO:
            self._problems.error(
                "yaml",
                (),
                node.mark,
                f"aliases blow this document up to {node.size} values",
                remedy="use fewer aliases of aliases",
            )
            raise _RefusedError

    def _refuse(self, event: Event, what: str, remedy: str) -> NoReturn:
        self._problems.error("yaml", (), self._mark(event), what, remedy=remedy)
        raise _RefusedError

    def _too_deep(self, event: Event) -> NoReturn:
        self._refuse(event, f"nested more than {_MOST_DEPTH} levels deep", "no configuration needs that")

    def _mark(self, event: Event) -> Mark:
        start, end = event.start_mark, event.end_mark
        assert start is not None and end is not None  # the parser marks all events that it makes from a text
        return Mark(self._source, start.line + 1, start.column + 1, end.line + 1)


def _short_tag(tag: str) -> str:
    return tag.removeprefix("tag:yaml.org,2002:")
