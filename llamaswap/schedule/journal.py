"""The journal: every fact and its orders as a line of JSON, from which the machine's run can be repeated exactly.

The first line says how the machine was made; each further line is one call of `handle`: the time, the fact, the orders.
Pure functions over text: who writes the lines where, and for how long, is not decided here.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, fields
from typing import Any, NamedTuple, get_args

from llamaswap.config.schema import ModelId
from llamaswap.schedule.commands import Command, Refusal
from llamaswap.schedule.events import Event, ModelRules
from llamaswap.schedule.residents import State
from llamaswap.schedule.serial import SerialScheduler

VERSION = 1

_EVENTS = {kind.__name__: kind for kind in get_args(Event)}
_COMMANDS = {kind.__name__: kind for kind in get_args(Command)}


class JournalError(ValueError):
    """A line is not one of a journal of this version. The message quotes its beginning."""


class Entry(NamedTuple):
    """One call of `handle`."""

    now: float
    event: Event
    commands: list[Command]


def encode(fact: Event | Command) -> dict[str, Any]:
    """*fact* as plain JSON values; the same fact always gives the same text."""
    return {"is": type(fact).__name__} | {each.name: _plain(getattr(fact, each.name)) for each in fields(fact)}


def decode_event(plain: Mapping[str, Any]) -> Event:
    """What `encode` made of an event. Raises KeyError, TypeError or ValueError for anything else."""
    event: Event = _decode(_EVENTS, plain)
    return event


def decode_command(plain: Mapping[str, Any]) -> Command:
    """What `encode` made of a command. Raises KeyError, TypeError or ValueError for anything else."""
    command: Command = _decode(_COMMANDS, plain)
    return command


def head_line(
    models: Mapping[ModelId, ModelRules],
    *,
    parallel: int = 1,
    abort_orphan_loads: bool = False,
    residents: Iterable[tuple[ModelId, State]] = (),
) -> str:
    """The first line, for a `SerialScheduler` made with these arguments."""
    return _line(
        {
            "journal": VERSION,
            "scheduler": "serial",
            "models": _plain(models),
            "parallel": parallel,
            "abort_orphan_loads": abort_orphan_loads,
            "residents": list(residents),
        }
    )


def entry_line(entry: Entry) -> str:
    """The line for one call of `handle`."""
    orders = [encode(command) for command in entry.commands]
    return _line({"now": entry.now, "event": encode(entry.event), "commands": orders})


def read_entry(line: str) -> Entry:
    """What `entry_line` has written. Raises `JournalError`."""
    try:
        plain = json.loads(line)
        orders = [decode_command(each) for each in plain["commands"]]
        return Entry(plain["now"], decode_event(plain["event"]), orders)
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable(line) from error


def replay(lines: Iterable[str]) -> Iterator[str]:
    """The journal of a machine that is told the facts of *lines*: the same lines, if it decides as the first one did.

    Raises `JournalError` at the first line that cannot be read.
    """
    rest = iter(lines)
    head = next(rest, "")
    machine = _machine(head)
    yield head
    for line in rest:
        now, event, _ = read_entry(line)
        yield entry_line(Entry(now, event, machine.handle(event, now)))


def _machine(line: str) -> SerialScheduler:
    try:
        plain = json.loads(line)
        if plain["journal"] != VERSION or plain["scheduler"] != "serial":
            raise _unreadable(line)
        return SerialScheduler(
            _rules(plain["models"]),
            parallel=plain["parallel"],
            abort_orphan_loads=plain["abort_orphan_loads"],
            residents=plain["residents"],
        )
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise _unreadable(line) from error


def _unreadable(line: str) -> JournalError:
    return JournalError(f"not a line of a version {VERSION} journal: {line[:80]!r}")


def _line(plain: dict[str, Any]) -> str:
    return json.dumps(plain, separators=(",", ":"), allow_nan=False)


def _plain(value: Any) -> Any:
    match value:
        case Refusal():
            return value.name
        case ModelRules():
            return asdict(value)
        case frozenset():
            return sorted(value)  # a set has no order of its own that another process would repeat
        case Mapping():
            return {key: _plain(item) for key, item in value.items()}
    return value


def _decode(kinds: Mapping[str, Any], plain: Mapping[str, Any]) -> Any:
    kind = kinds[plain["is"]]
    return kind(**{name: _fact_value(name, value) for name, value in plain.items() if name != "is"})


def _fact_value(name: str, value: Any) -> Any:
    match name, value:
        case "why", str():
            return Refusal[value]
        case "stuck", list():
            return tuple(value)
        case "models", dict():
            return _rules(value)
        case (("models" | "changed"), list()):
            return frozenset(value)
    return value


def _rules(plain: Mapping[str, Any]) -> dict[ModelId, ModelRules]:
    return {ModelId(model): ModelRules(**rules) for model, rules in plain.items()}
