"""The journal's own lines."""

import pytest

from llamaswap.config.routing import BatchSettings, GroupConfig, RoutingConfig, SchedulerConfig
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
    entries_text,
    entry_text,
    header_text,
    read_entry,
    read_header,
)
from llamaswap.schedule.rebuild import build
from llamaswap.schedule.replay import replay
from llamaswap.schedule.serial import SerialScheduler
from tests.schedule.story import closing, grant, start, start_failed, stop, unloaded

A, LIFE = ModelId("a"), Life(3)
EVENTS: list[Event] = [
    Arrived(Ticket(1), A),
    Left(Ticket(1)),
    Started(A, LIFE),
    StartFailed(A, LIFE, "zwei\nZeilen \u2028 und \x1b"),
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


MODELS = {A: ModelRules()}


def head() -> str:
    return header_text(SerialScheduler(MODELS), RoutingConfig(), MODELS).decode()


def line(now: float, event: Event, *commands: Command) -> str:
    return entry_text(Entry(now, event, list(commands))).decode()


@pytest.mark.parametrize("event", EVENTS, ids=repr)
def test_an_entry_comes_back_as_it_was(event: Event) -> None:
    entry = Entry(12.5, event, COMMANDS)
    assert b"\n" not in entry_text(entry)
    assert read_entry(entry_text(entry)) == entry


def test_many_lines_are_as_each() -> None:
    entries = [Entry(float(n), event, COMMANDS[:n]) for n, event in enumerate(EVENTS)]
    assert entries_text(entries).splitlines() == [entry_text(entry) for entry in entries]


def test_what_is_no_text_is_replaced() -> None:
    """A process may print anything, and its last words go into the detail."""
    entry = Entry(1.0, StartFailed(A, LIFE, "bad \udcff byte"), [start_failed(1, "bad \udcff byte")])
    assert read_entry(entry_text(entry)) == Entry(
        1.0, StartFailed(A, LIFE, "bad ? byte"), [start_failed(1, "bad ? byte")]
    )
    assert entries_text([entry]) == entry_text(entry) + b"\n"


def test_a_set_is_written_in_the_same_order_always() -> None:
    names = [ModelId(f"model-{number}") for number in range(100)]
    asked = [UnloadAsked(Ask(1), frozenset(each)) for each in (names, reversed(names))]
    assert line(1.0, asked[0]) == line(1.0, asked[1])


def test_settings_come_back_as_they_were() -> None:
    routing = RoutingConfig(
        groups=(GroupConfig("pair", swap=False, members=(A, ModelId("b"))),),
        scheduler=SchedulerConfig(batch=BatchSettings(max_overtakes=3)),
    )
    header = read_header(header_text(build(routing, MODELS), routing, MODELS))
    assert header.settings() == routing
    assert header.models == MODELS


def test_a_replay_shows_where_a_machine_decides_otherwise() -> None:
    journal = [
        head(),
        line(0.0, Arrived(Ticket(1), A), start("a", 1)),
        line(1.0, Started(A, Life(1))),
    ]
    again = list(replay(journal))
    assert again[:2] == journal[:2]
    assert read_entry(again[2].encode()).commands == [grant(1, "a", 1)]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "version 1 journal"),
        ("{", "version 1 journal"),
        ("[]", "version 1 journal"),
        ("7", "version 1 journal"),
        ('{"journal":1}', "version 1 journal"),
        ('{"journal":2}', "a journal of version 2; this llamaswap reads version 1"),
    ],
)
def test_what_is_no_journal_is_refused(text: str, what: str) -> None:
    with pytest.raises(JournalError, match=what):
        list(replay([text]))


def test_nothing_at_all_is_no_journal() -> None:
    with pytest.raises(JournalError, match="empty journal"):
        list(replay([]))


@pytest.mark.parametrize(
    ("written", "forged"),
    [
        ("schedule.serial.SerialScheduler", "schedule.serial.OtherScheduler"),
        ("schedule.serial.SerialScheduler", "os.system"),
        ("schedule.serial.SerialScheduler", "schedule.journal.Any"),
        ('"_closed":false', '"_closed":{"!":"again","of":99}'),
        ("config.routing.RoutingConfig", "config.routing.GroupConfig"),
        ("config.routing.RoutingConfig", "subprocess.Popen"),
    ],
)
def test_a_header_of_something_else_is_refused(written: str, forged: str) -> None:
    forgery = head().replace(written, forged)
    assert forgery != head()
    with pytest.raises(JournalError, match=r"written by llamaswap|SerialScheduler"):
        list(replay([forgery]))


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"t":1.0,"event":{"Tick":{}},"ord',
        '{"t":1.0,"event":{"Stop":{}},"orders":[]}',
        '{"t":1.0,"event":{"Left":{}},"orders":[]}',
        '{"t":1.0,"event":{},"orders":[]}',
        '{"t":1.0,"event":{"Tick":{},"Left":{"ticket":1}},"orders":[]}',
    ],
)
def test_a_line_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(JournalError, match="line:2: not a line of a version 1 journal"):
        list(replay([head(), text]))


def test_orders_that_cannot_be_read_are_refused() -> None:
    with pytest.raises(JournalError, match="version 1 journal"):
        read_entry(b'{"t":1.0,"event":{"Tick":{}},"orders":[{"Reject":{"ticket":1,"why":"NOPE"}}]}')
