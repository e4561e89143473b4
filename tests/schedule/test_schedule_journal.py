"""The journal's own lines."""

import json

import pytest

from llamaswap.config.schema import ModelId
from llamaswap.schedule.commands import Command
from llamaswap.schedule.events import (
    Arrived,
    Ask,
    ConfigReplaced,
    Event,
    Exited,
    Left,
    Life,
    ModelRules,
    ShutdownAsked,
    Started,
    StartFailed,
    StopFailed,
    Tick,
    Ticket,
    UnloadAsked,
)
from llamaswap.schedule.journal import (
    Entry,
    JournalError,
    decode_command,
    decode_event,
    encode,
    entry_line,
    head_line,
    read_entry,
    replay,
)
from tests.schedule.story import closing, grant, start, start_failed, stop, unloaded

A, LIFE = ModelId("a"), Life(3)
EVENTS: list[Event] = [
    Arrived(Ticket(1), A),
    Left(Ticket(1)),
    Started(A, LIFE),
    StartFailed(A, LIFE, "zwei\nZeilen \u2028 und \udcff"),
    Exited(A, LIFE),
    StopFailed(A, LIFE, "D"),
    UnloadAsked(Ask(1)),
    UnloadAsked(Ask(2), frozenset({A, ModelId("b")}), 0.1),
    ConfigReplaced({ModelId("b"): ModelRules(ttl=0.1), A: ModelRules(limit=3)}, frozenset({A})),
    ShutdownAsked(False, 2.5),
    Tick(),
]
COMMANDS: list[Command] = [
    grant(1, "a", 3),
    closing(2),
    start_failed(3, "boom"),
    start("a", 4),
    stop("a", 3, 0.1),
    unloaded(1),
    unloaded(2, "a", "b"),
]


@pytest.mark.parametrize("event", EVENTS, ids=repr)
def test_an_event_comes_back_as_it_was(event: Event) -> None:
    assert decode_event(json.loads(json.dumps(encode(event)))) == event


@pytest.mark.parametrize("command", COMMANDS, ids=repr)
def test_a_command_comes_back_as_it_was(command: Command) -> None:
    assert decode_command(json.loads(json.dumps(encode(command)))) == command


def test_an_entry_is_one_line() -> None:
    for event in EVENTS:
        entry = Entry(12.5, event, COMMANDS)
        assert "\n" not in entry_line(entry)
        assert read_entry(entry_line(entry)) == entry


def test_a_set_is_written_in_the_same_order_always() -> None:
    names = [ModelId(f"model-{number}") for number in range(100)]
    assert encode(UnloadAsked(Ask(1), frozenset(names))) == encode(UnloadAsked(Ask(1), frozenset(reversed(names))))


def test_a_replay_shows_where_a_machine_decides_otherwise() -> None:
    models = {A: ModelRules()}
    journal = [
        head_line(models),
        entry_line(Entry(0.0, Arrived(Ticket(1), A), [start("a", 1)])),
        entry_line(Entry(1.0, Started(A, Life(1)), [])),
    ]
    again = list(replay(journal))
    assert again[:2] == journal[:2]
    assert read_entry(again[2]).commands == [grant(1, "a", 1)]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[]",
        "7",
        '{"journal":2}',
        '{"journal":1,"scheduler":"fifo","models":{},"parallel":1,"abort_orphan_loads":false,"residents":[]}',
        '{"journal":1,"scheduler":"serial"}',
    ],
)
def test_what_is_no_journal_is_refused(line: str) -> None:
    with pytest.raises(JournalError, match="version 1 journal"):
        list(replay([line]))


@pytest.mark.parametrize(
    "line",
    [
        "{}",
        '{"now":1.0,"event":{"is":"Tick"},"comm',
        '{"now":1.0,"event":{"is":"Stop"},"commands":[]}',
        '{"now":1.0,"event":{"is":"Left"},"commands":[]}',
        '{"now":1.0,"event":{"is":"Left","ticket":1,"more":2},"commands":[]}',
        '{"now":1.0,"event":{"is":"Tick"},"commands":[{"is":"Reject","ticket":1,"why":"NOPE"}]}',
    ],
)
def test_a_line_that_cannot_be_read_is_refused(line: str) -> None:
    with pytest.raises(JournalError, match="version 1 journal"):
        list(replay([head_line({}), line]))
