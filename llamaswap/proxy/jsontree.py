"""A JSON document that is opened no further than a change needs; every byte that is not changed stays. Pure.

An opened value is its opening bracket, its members, each with all that stands around its value, and the rest. What was
not opened is a piece of the original text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

import msgspec

from llamaswap.proxy.jsonbody import TOKEN, Member, members, text_of

Text = bytes | bytearray | memoryview

#: A document that has equal keys, or damage, is read token by token, and no further than this.
MAX_TOKENS = 200_000
#: An object or array with more members is not opened: to look after so many small things stops everybody for long.
MOST_MEMBERS = 20_000
#: No path may make an array longer by more than this.
MAX_PADDING = 10_000
NULL = b"null"


_OPEN, _CLOSE, _ENDS = (b"{", b"["), (b"}", b"]"), (b",", b"}", b"]")
_BRACKET = re.compile(rb"\s*+([{\[])")
_BLANKS = re.compile(rb"[\s,]*+")
_decode_elements = msgspec.json.Decoder(list[msgspec.Raw]).decode


class PathError(Exception):
    """The path does not fit the document."""


class Step(NamedTuple):
    """One step of a path: *text* names a key; *place* is where in an array it leads, if it can."""

    text: str
    place: int | None


@dataclass(slots=True)
class Item:
    """One member: *lead* ends where its value begins (a key and its colon, or blanks), *tail* are blanks behind it."""

    lead: Text
    value: "Text | Container"
    key: str = ""
    tail: Text = b""

    def opened(self) -> "Container | None":
        """Its value, to be changed; None if that is a scalar."""
        if not isinstance(self.value, Container):
            if bytes(self.value[:1]) not in (b"{", b"["):
                return None
            self.value = open_value(self.value)
        return self.value


@dataclass(slots=True)
class Container:
    """An opened object or array."""

    is_object: bool
    head: Text
    items: list[Item] = field(default_factory=list)
    end: Text = b""

    def render(self) -> bytes:
        """The text."""
        return b"".join(self._pieces())

    def _pieces(self) -> Iterator[Text]:
        yield self.head
        for number, item in enumerate(self.items):
            if number:
                yield b","
            yield item.lead
            if isinstance(item.value, Container):
                yield from item.value._pieces()
            else:
                yield item.value
            yield item.tail
        yield self.end

    def set(self, path: tuple[Step, ...], value: bytes) -> None:
        """Put *value* at *path*, making what is missing on the way; a scalar on the way is replaced.

        Raises:
            PathError: a step names a key where there is an array, or a place far beyond its end.
        """
        step, rest = path[0], path[1:]
        item = self._find(step)
        if item is None:
            self._append(step, _built(rest, value))
            return
        inner = item.opened() if rest else None
        if inner is None:
            item.value = _built(rest, value)
        else:
            inner.set(rest, value)

    def strip(self, path: tuple[Step, ...]) -> None:
        """Take away what is at *path*, under equal keys all of it; nothing happens if it is not there."""
        step, rest = path[0], path[1:]
        found = self._matching(step)
        if not rest:
            self.items = [item for item in self.items if not any(item is other for other in found)]
            return
        for item in found:
            inner = item.opened()
            if inner is not None:
                inner.strip(rest)

    def _matching(self, step: Step) -> list[Item]:
        if self.is_object:
            return [item for item in self.items if item.key == step.text]
        if step.place is None:
            return []
        return self.items[-1:] if step.place < 0 else self.items[step.place : step.place + 1]

    def _find(self, step: Step) -> Item | None:
        """Where *step* leads; of equal keys the first counts, and -1 is behind the end of an array."""
        if not self.is_object:
            if step.place is None:
                raise PathError(f'"{step.text}" is no place in an array')
            if step.place < 0:
                return None
        return next(iter(self._matching(step)), None)

    def _append(self, step: Step, value: Text) -> None:
        if self.is_object:
            self.items.append(Item(msgspec.json.encode(step.text) + b":", value, step.text))
            return
        self.items += [Item(b"", NULL) for _ in range(_padding(step, len(self.items)))]
        self.items.append(Item(b"", value))


def _built(path: tuple[Step, ...], value: bytes) -> bytes:
    """The value that has *value* at *path* and nothing else."""
    for step in reversed(path):
        if step.place is None:
            value = b"{%b:%b}" % (msgspec.json.encode(step.text), value)
        else:
            value = b"[%b%b]" % (b"null," * _padding(step, 0), value)
    return value


def _padding(step: Step, length: int) -> int:
    """How many nulls an array of *length* needs before *step* can be added."""
    missing = (step.place or 0) - length
    if missing > MAX_PADDING:
        raise PathError(f"place {step.place} is far beyond the end of the array")
    return max(0, missing)


def open_value(text: Text) -> Container:
    """Open the object or array *text*, which may have blanks around it. Raises `PathError` if it is none."""
    view = memoryview(text)
    bracket = _BRACKET.match(view)
    if bracket is None:
        raise PathError("the body is no JSON object")
    is_object, position = bracket[1] == b"{", bracket.end()
    container = Container(is_object, view[:position])
    found = (members(view) if is_object else _elements(view, position)) or _scan(view, position, is_object)
    if len(found) > MOST_MEMBERS:
        raise PathError(f"more than {MOST_MEMBERS} members are too many to be changed")
    for member in found:
        lead = view[position : member.start]
        if container.items:
            comma = bytes(lead).index(b",")
            container.items[-1].tail, lead = lead[:comma], lead[comma + 1 :]
        container.items.append(Item(lead, view[member.start : member.end], member.key))
        position = member.end
    container.end = view[position:]
    return container


def _elements(view: memoryview, position: int) -> list[Member] | None:
    """The members of an array whose bracket ends at *position*; None if it is damaged."""
    try:
        values = _decode_elements(view)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    found = []
    for raw in values:
        blanks = _BLANKS.match(view, position)
        start = blanks.end() if blanks else position
        position = start + len(memoryview(raw))
        found.append(Member("", start, position))
    return found


def _scan(view: memoryview, position: int, is_object: bool) -> list[Member]:
    """The members token by token: for documents with equal keys, or with damage that leaves the brackets in order."""
    found: list[Member] = []
    depth, start, end = 0, -1, -1
    key: str | None = None if is_object else ""
    colon = not is_object
    for token in islice(TOKEN.finditer(view, position), MAX_TOKENS):
        text = bytes(token.group())
        if text.isspace():
            continue
        if depth == 0 and text in _ENDS:
            if start >= 0:
                found.append(Member(key or "", start, end))
            elif found or key or text == b",":
                break
            if text != b",":
                return found
            key, colon, start = None if is_object else "", not is_object, -1
        elif depth == 0 and not colon:
            if key is None and text.startswith(b'"'):
                key = text_of(text)
            elif key is not None and text == b":":
                colon = True
            else:
                break
        else:
            start, end = token.start() if start < 0 else start, token.end()
            depth += (text in _OPEN) - (text in _CLOSE)
    raise PathError("the body is no readable JSON")
