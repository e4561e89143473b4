"""``llamaswap replay``: a journal played again, to see how things stood, and whether the same is decided today."""

import argparse
import json
from collections import deque
from dataclasses import asdict, dataclass, field
from itertools import takewhile
from typing import Any

from llamaswap.schedule.journal import JournalError
from llamaswap.schedule.replay import Difference, Replay, Step
from llamaswap.schedule.scheduler import Scheduler
from llamaswap.verbs.client import UsageError, VerbError
from llamaswap.verbs.moments import clock, moment
from llamaswap.verbs.ps import duration
from llamaswap.verbs.recordings import Recording

#: How many passes are shown before and after the moment asked for; how much of a long queue, and of a long line.
_BEFORE, _AFTER, _QUEUE, _TEXT = 12, 4, 20, 400


@dataclass
class _Played:
    """What is known after playing everything. Times are seconds since 1970."""

    begin: float
    end: float = 0.0
    runs: int = 0
    segments: int = 0
    passes: int = 0
    orders: int = 0
    dropped: int = 0
    differences: int = 0
    first: Difference | None = None
    state: dict[str, Any] | None = None
    before: deque[Step] = field(default_factory=lambda: deque(maxlen=_BEFORE))
    after: list[Step] = field(default_factory=list)


def run_replay(arguments: argparse.Namespace) -> None:
    """Play the journal and say what came out; with ``--at`` also how things stood at that moment.

    Raises:
        VerbError: it cannot be read, or something came out otherwise than recorded.
    """
    recording = Recording(arguments.file)
    begin = recording.header().wall
    at = None if arguments.at is None else _moment(arguments.at, begin)
    try:
        played = _play(recording, _Played(begin, begin), at)
    except JournalError as error:
        raise VerbError(str(error)) from error
    if arguments.json:
        print(json.dumps(_as_json(played, recording, at), ensure_ascii=False, indent=2))
    else:
        _print(played, recording, at)
    if played.first is not None:
        raise VerbError(_told(played.first))


def _moment(text: str, begin: float) -> float:
    try:
        at = moment(text, begin)
    except ValueError as error:
        raise UsageError(f"--at: {error}") from error
    if at < begin:
        raise VerbError(f"--at {text}: the journal begins later, at {clock(begin, day=True)}")
    return at


def _play(recording: Recording, played: _Played, at: float | None) -> _Played:
    player = Replay()
    for place, line in recording.lines():
        if at is not None and played.state is None and player.machine is not None:
            coming = player.time_of(line, place)
            if coming > at:
                played.state = _state(player.machine, _clock_of(player, at))
        _note(played, player, player.feed(line, place))
    if at is not None and played.state is None and player.machine is not None:
        played.state = _state(player.machine, _clock_of(player, min(at, played.end)))
    played.differences = player.differences
    return played


def _note(played: _Played, player: Replay, result: Step | Difference | None) -> None:
    if isinstance(result, Step):
        played.passes += 1
        played.orders += len(result.commands)
        played.end = result.wall
        if played.state is None:
            played.before.append(result)
        elif len(played.after) < _AFTER:
            played.after.append(result)
        played.first = played.first or result.difference
        return
    assert player.header is not None
    played.segments += 1
    played.runs += player.header.segment == 1 or played.runs == 0
    played.dropped += player.header.dropped
    played.end = max(played.end, player.header.wall)
    played.first = played.first or result


def _clock_of(player: Replay, wall: float) -> float:
    """The machine's clock at *wall*."""
    assert player.header is not None
    return player.header.now + wall - player.header.wall


def _state(machine: Scheduler, now: float) -> dict[str, Any]:
    return {
        "models": [
            {"model": each.model, "life": each.life, "state": each.state, "requests": each.in_flight}
            for each in machine.residents()
        ],
        "waiting": [
            {
                "position": place,
                "ticket": each.ticket,
                "model": each.model,
                "waited_s": round(max(0.0, now - each.arrived_at), 3),
            }
            for place, each in enumerate(machine.waiting(), 1)
        ],
    }


def _as_json(played: _Played, recording: Recording, at: float | None) -> dict[str, Any]:
    counts = ("begin", "end", "runs", "segments", "passes", "orders", "dropped", "differences")
    told: dict[str, Any] = {name: getattr(played, name) for name in counts}
    told["torn"] = [str(place) for place in recording.torn]
    told["first_difference"] = None if played.first is None else _difference_as_json(played.first)
    if at is not None:
        told["at"] = at
        told |= played.state or {}
        told["decisions"] = [_step_as_json(step) for step in (*played.before, *played.after)]
    return told


def _difference_as_json(difference: Difference) -> dict[str, Any]:
    return {
        "place": str(difference.place),
        "recorded": json.loads(difference.recorded),
        "came_out": json.loads(difference.came_out),
    }


def _step_as_json(step: Step) -> dict[str, Any]:
    return {
        "place": str(step.place),
        "wall": step.wall,
        "fact": _words(step.event),
        "orders": [_words(each) for each in step.commands],
    }


def _print(played: _Played, recording: Recording, at: float | None) -> None:
    if at is not None and played.state is not None:
        _print_state(played, at)
        print()
    took = duration(played.end - played.begin)
    print(f"{clock(played.begin, day=True)} to {clock(played.end, day=True)} ({took}):")
    print(
        f"{_count(played.runs, 'run')} of the daemon in {_count(played.segments, 'file')}, "
        f"{_count(played.passes, 'fact')}, {_count(played.orders, 'order')}"
    )
    if played.dropped:
        print(f"{_count(played.dropped, 'fact')} could not be written at the time and are missing")
    for place in recording.torn:
        print(f"{place}: the last line is not complete, and left out")
    if played.first is None:
        print("every order comes out as it was recorded, byte for byte")
    else:
        print(f"{_count(played.differences, 'line')} come out otherwise")


def _print_state(played: _Played, at: float) -> None:
    state = played.state or {}
    print(f"at {clock(at, day=True)}")
    for each in state["models"] or [None]:
        if each is None:
            print("  no model is loaded")
        else:
            print(f"  {each['model']}: {each['state']}, {_count(each['requests'], 'request')}, life {each['life']}")
    waiting = state["waiting"]
    print(f"  {_count(len(waiting), 'request')} waiting" if waiting else "  nobody waits")
    for each in waiting[:_QUEUE]:
        waited = duration(each["waited_s"])
        print(f"  #{each['position']} {each['model']}, for {waited} (ticket {each['ticket']})")
    if len(waiting) > _QUEUE:
        print(f"  … and {len(waiting) - _QUEUE} more")
    print("\ndecisions until then")
    _print_steps(played.before)
    if played.after:
        print("and after")
        _print_steps(played.after)


def _print_steps(steps: Any) -> None:
    for step in steps:
        print(f"  {clock(step.wall)}  >> {_words(step.event)}")
        for order in step.commands:
            print(f"                << {_words(order)}")


def _words(fact: Any) -> str:
    values = (f"{name}={value}" for name, value in asdict(fact).items() if value not in (None, "", ()))
    return " ".join((type(fact).__name__, *values))


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number:,} {what}s"


def _told(difference: Difference) -> str:
    recorded, came_out = difference.recorded, difference.came_out
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(recorded, came_out, strict=False)))
    return (
        f"{difference.place}: this does not come out as it was recorded\n"
        f"  recorded: {_around(recorded, same)}\n"
        f"  came out: {_around(came_out, same)}"
    )


def _around(text: str, place: int) -> str:
    """As much of *text* around *place* as can be read."""
    begin = max(0, place - _TEXT // 2) if len(text) > _TEXT else 0
    end = begin + _TEXT
    return f"{'…' if begin else ''}{text[begin:end]}{'…' if end < len(text) else ''}"
