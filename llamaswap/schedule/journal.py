"""The journal's text: each fact and its orders as a line of JSON, from which a machine's run can be repeated exactly.

A *segment* begins with a header: how the machine was made, and its whole state at that moment, so that each segment
can be read without those before it. Each further line is one pass, that is one call of `handle`: the time, the fact,
the orders. Segments of one *run* of the daemon are numbered from 1, and continue each other.

Fields of facts and orders are written by the names they have in `events` and `commands`; a new one needs nothing here.
Pure functions over text: who writes the lines where, and for how long, is not decided here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, NamedTuple, get_args

import msgspec

from llamaswap import __version__
from llamaswap.config.routing import RoutingConfig
from llamaswap.config.schema import ModelId
from llamaswap.schedule import plain
from llamaswap.schedule.commands import Command
from llamaswap.schedule.events import Event, ModelRules
from llamaswap.schedule.plain import PlainError
from llamaswap.schedule.scheduler import Scheduler
from llamaswap.schedule.snapshot import snapshot

VERSION = 1

# Sets have no order of their own that another process would repeat, hence "deterministic".
_encoder = msgspec.json.Encoder(order="deterministic")
_event_decoders = {kind.__name__: msgspec.json.Decoder(kind) for kind in get_args(Event)}
_command_decoders = {kind.__name__: msgspec.json.Decoder(kind) for kind in get_args(Command)}


class JournalError(ValueError):
    """A line is not one of a journal of this version. The message quotes its beginning."""


class Entry(NamedTuple):
    """One call of `handle`."""

    now: float
    event: Event
    commands: list[Command]


class Header(msgspec.Struct, frozen=True):
    """The first line of a segment.

    Attributes:
        journal: The format's version.
        llamaswap: The daemon's version.
        run: Names one run of the daemon; its segments share it.
        segment: Counts the segments of the run from 1.
        wall: Seconds since 1970 when the scheduler's clock showed `now`.
        dropped: How many passes before this line are missing, because they could not be written.
        routing: Which scheduler it was, with its settings, as `plain` has written it.
        models: What it knew of each model.
        state: The machine, as `snapshot` has written it.
    """

    journal: int
    llamaswap: str
    run: str
    segment: int
    wall: float
    now: float
    dropped: int
    routing: dict[str, Any]
    models: dict[ModelId, ModelRules]
    state: msgspec.Raw

    def settings(self) -> RoutingConfig:
        """What `routing` says. Raises `JournalError`."""
        try:
            settings = plain.read(self.routing)
        except PlainError as error:
            raise JournalError(
                f"the routing of this segment's header cannot be read ({error}); {whose(self)}"
            ) from error
        if not isinstance(settings, RoutingConfig):
            raise JournalError(f"the routing of this segment's header is a {type(settings).__name__}; {whose(self)}")
        return settings


class Line(msgspec.Struct):
    """A pass, read as far as is needed to tell whether it comes out again."""

    t: float
    event: dict[str, msgspec.Raw]
    orders: msgspec.Raw

    def entry(self) -> Entry:
        """The whole of it. Raises `JournalError`."""
        try:
            orders: list[Command] = [_decode(_command_decoders, each) for each in _decode_orders(self.orders)]
            return Entry(self.t, self.fact(), orders)
        except (msgspec.DecodeError, KeyError) as error:
            raise _unreadable(bytes(self.orders)) from error

    def fact(self) -> Event:
        """The fact alone. Raises `JournalError`."""
        try:
            event: Event = _decode(_event_decoders, self.event)
            return event
        except (msgspec.DecodeError, KeyError) as error:
            raise _unreadable(_encoder.encode(self.event)) from error


class _Written(msgspec.Struct, gc=False):
    """A pass to be written. A struct keeps its fields in this order."""

    t: float
    event: dict[str, Event]
    orders: list[dict[str, Command]]


_Fact = dict[str, msgspec.Raw]
_decode_orders = msgspec.json.Decoder(list[_Fact]).decode
_decode_line = msgspec.json.Decoder(Line).decode
_decode_header = msgspec.json.Decoder(Header).decode
_decode_version = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def _decode(decoders: Mapping[str, Any], tagged: Mapping[str, msgspec.Raw]) -> Any:
    ((kind, fields),) = tagged.items() if len(tagged) == 1 else (("", msgspec.Raw(b"")),)
    return decoders[kind].decode(fields)


# Writing


def header_text(
    machine: Scheduler,
    routing: RoutingConfig,
    models: Mapping[ModelId, ModelRules],
    *,
    run: str = "",
    segment: int = 1,
    wall: float = 0.0,
    now: float = 0.0,
    dropped: int = 0,
) -> bytes:
    """The first line of a segment that begins with *machine* as it is. Raises `SnapshotError` or `PlainError`."""
    state = msgspec.Raw(state_text(machine))
    header = Header(VERSION, __version__, run, segment, wall, now, dropped, plain.write(routing), dict(models), state)
    return _encoder.encode(header)


def state_text(machine: Scheduler) -> bytes:
    """The state of *machine* as text; equal texts mean equal machines. Raises `SnapshotError`."""
    return _encoder.encode(snapshot(machine))


def orders_text(commands: Iterable[Command]) -> bytes:
    """*commands* as in a line; the same commands always give the same text."""
    try:
        return _encoder.encode(_tags(commands))
    except UnicodeEncodeError:
        return _encoder.encode(_tags([_clean(command) for command in commands]))


def entry_text(entry: Entry) -> bytes:
    """The line for one call of `handle`, without its end."""
    return entries_text([entry]).removesuffix(b"\n")


def entries_text(entries: Sequence[Entry | tuple[float, Event, list[Command]]]) -> bytes:
    """Lines for *entries*, each with its end; in one go, because that is what the daemon's writer does all day."""
    try:
        return _encoder.encode_lines([_tagged(entry) for entry in entries])
    except UnicodeEncodeError:
        return _encoder.encode_lines([_tagged(_as_text(entry)) for entry in entries])


def _tagged(entry: Entry | tuple[float, Event, list[Command]]) -> _Written:
    now, event, commands = entry
    return _Written(now, {type(event).__name__: event}, _tags(commands))


def _tags(commands: Iterable[Command]) -> list[dict[str, Command]]:
    return [{type(command).__name__: command} for command in commands]


def _as_text(entry: Entry | tuple[float, Event, list[Command]]) -> Entry:
    now, event, commands = entry
    return Entry(now, _clean(event), [_clean(command) for command in commands])


def _clean(fact: Any) -> Any:
    texts = {each.name: getattr(fact, each.name) for each in fields(fact)}
    replaced = {name: plain.clean(text) for name, text in texts.items() if isinstance(text, str)}
    return replace(fact, **replaced)


# Reading


def read_header(line: bytes) -> Header:
    """The header that *line* is. Raises `JournalError`."""
    try:
        header = _decode_header(line)
    except msgspec.DecodeError as error:
        raise _no_header(line) from error
    if header.journal != VERSION:
        raise _no_header(line)
    return header


def is_header(line: bytes) -> bool:
    """Whether *line* begins a segment."""
    return line.startswith(b'{"journal":')


def read_line(line: bytes) -> Line:
    """The pass that *line* tells of. Raises `JournalError`."""
    try:
        return _decode_line(line)
    except msgspec.DecodeError as error:
        raise _unreadable(line) from error


def read_entry(line: bytes) -> Entry:
    """What `entry_text` has written. Raises `JournalError`."""
    return read_line(line).entry()


def whose(header: Header) -> str:
    """For messages: which version has written it, and which one reads it."""
    return f"it was written by llamaswap {header.llamaswap}, and this is {__version__}"


def _unreadable(line: bytes) -> JournalError:
    return JournalError(f"not a line of a version {VERSION} journal: {_quoted(line)}")


def _no_header(line: bytes) -> JournalError:
    try:
        version = int(bytes(_decode_version(line)["journal"]))
    except (msgspec.DecodeError, KeyError, ValueError):
        version = VERSION
    if version != VERSION:
        return JournalError(f"a journal of version {version}; this llamaswap reads version {VERSION} journals")
    return JournalError(f"not the first line of a version {VERSION} journal: {_quoted(line)}")


def _quoted(line: bytes) -> str:
    return repr(line[:80].decode(errors="replace"))
