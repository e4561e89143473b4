"""`replay` and `simulate` on journals made by hand and by the daemon's own writer, as a person sees them."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from llamaswap import verbs
from llamaswap.config.routing import RoutingConfig
from llamaswap.config.schema import ModelId
from llamaswap.schedule.events import Arrived, Event, ModelRules, Ticket
from llamaswap.schedule.journal import Entry, entry_text, header_text
from llamaswap.schedule.rebuild import build
from llamaswap.schedule.simulation.durations import Fixed
from llamaswap.schedule.simulation.engine import Simulation
from llamaswap.verbs.charts import bars
from llamaswap.verbs.moments import clock, moment

OUT = pytest.CaptureFixture[str]
A, B = ModelId("a"), ModelId("org/b")
MODELS = {A: ModelRules(), B: ModelRules()}
BEGIN = datetime(2026, 11, 24, 14, 0, 0, tzinfo=UTC).timestamp()


@pytest.fixture(autouse=True)
def universal_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("COLUMNS", "80")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def journal(path: Path, requests: int = 20, *, segment: int = 1, run: str = "one", wall: float = BEGIN) -> Path:
    """A request every 10 seconds, for a and b in turn; a load takes 4 seconds, a request 2, a stop 1."""
    machine, routing = build(RoutingConfig(), MODELS), RoutingConfig()
    facts: list[tuple[float, Event]] = [
        (100.0 + 10 * n, Arrived(Ticket(n + 1), (A, B)[n % 2])) for n in range(requests)
    ]
    lines = [header_text(machine, routing, MODELS, run=run, segment=segment, wall=wall, now=100.0)]
    for now, event, orders in Simulation(machine, Fixed(2, 4, 1), facts, now=100.0).passes():
        lines.append(entry_text(Entry(now, event, orders)))
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def run(*argv: object) -> int:
    return verbs.main([str(word) for word in argv])


def test_a_journal_comes_out_as_recorded(tmp_path: Path, capsys: OUT) -> None:
    assert run("replay", journal(tmp_path / "j.jsonl")) == 0
    out = capsys.readouterr().out
    assert "2026-11-24 14:00:00.000 to 2026-11-24 14:03:17.000" in out
    assert "1 run of the daemon in 1 file, 79 facts" in out
    assert "byte for byte" in out


def test_how_things_stood(tmp_path: Path, capsys: OUT) -> None:
    """At 14:00:12 b has arrived and a is being stopped for it."""
    file = journal(tmp_path / "j.jsonl")
    for at in ("14:00:10.5", "+10.5s", "2026-11-24T14:00:10.5+00:00"):
        assert run("replay", file, "--at", at) == 0
        out = capsys.readouterr().out
        assert "at 2026-11-24 14:00:10.500" in out
        assert "a: stopping, 0 requests, life 1" in out
        assert "#1 org/b, for 0.5s (ticket 2)" in out
        before, after = out.split("and after")
        assert "14:00:10.000  >> Arrived ticket=2 model=org/b\n                << Stop model=a life=1" in before
        assert ">> Exited model=a life=1\n                << Start model=org/b life=2" in after


def test_how_things_stood_for_programs(tmp_path: Path, capsys: OUT) -> None:
    assert run("replay", journal(tmp_path / "j.jsonl"), "--at", "+10.5s", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["models"] == [{"model": "a", "life": 1, "state": "stopping", "requests": 0}]
    assert told["waiting"] == [{"position": 1, "ticket": 2, "model": "org/b", "waited_s": 0.5}]
    assert told["differences"] == 0
    assert told["decisions"][-5]["fact"] == "Arrived ticket=2 model=org/b"


def test_after_the_end_things_stand_as_they_ended(tmp_path: Path, capsys: OUT) -> None:
    assert run("replay", journal(tmp_path / "j.jsonl"), "--at", "+9h", "--json") == 0
    assert json.loads(capsys.readouterr().out)["waiting"] == []


def test_the_first_line_that_differs_is_named(tmp_path: Path, capsys: OUT) -> None:
    file = journal(tmp_path / "j.jsonl")
    lines = file.read_bytes().splitlines()
    assert b'"Grant"' in lines[2]
    lines[2] = lines[2].replace(b'"life":1}}]', b'"life":9}}]')
    file.write_bytes(b"\n".join(lines) + b"\n")
    assert run("replay", file) == 1
    out, err = capsys.readouterr()
    assert "1 line come out otherwise" in out
    assert f"{file}:3: this does not come out as it was recorded" in err
    assert 'recorded: [{"Grant":{"ticket":1,"model":"a","life":9}}]' in err
    assert 'came out: [{"Grant":{"ticket":1,"model":"a","life":1}}]' in err


def test_a_torn_last_line_is_left_out(tmp_path: Path, capsys: OUT) -> None:
    file = journal(tmp_path / "j.jsonl")
    file.write_bytes(file.read_bytes()[:-10])
    assert run("replay", file) == 0
    out = capsys.readouterr().out
    assert "j.jsonl:80: the last line is not complete, and left out" in out
    assert "78 facts" in out


def wrong(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize("verb", ["replay", "simulate"])
@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "is empty"),
        ("models:\n  a:\n    cmd: x\n", ":1: not the first line of a version 1 journal: 'models:"),
        ('{"journal":2,"more":[]}\n', "a journal of version 2; this llamaswap reads version 1 journals"),
        ('{"t":1.0,"event":{"Tick":{}},"orders":[]}\n', ":1: not the first line"),
        ("\x00\x01\n", ":1: not the first line"),
    ],
)
def test_what_is_no_journal(verb: str, text: str, what: str, tmp_path: Path, capsys: OUT) -> None:
    assert run(verb, wrong(tmp_path / "j.jsonl", text)) == 1
    err = capsys.readouterr().err
    assert what in err
    assert "Traceback" not in err


@pytest.mark.parametrize("verb", ["replay", "simulate"])
@pytest.mark.parametrize(("key", "value"), [("_requests", 1.5), ("_requests", None), ("_residents", {"!": 5})])
def test_a_state_that_no_machine_was_ever_in(verb: str, key: str, value: object, tmp_path: Path, capsys: OUT) -> None:
    file = journal(tmp_path / "j.jsonl")
    first, *rest = file.read_bytes().splitlines()
    header = json.loads(first)
    assert key in header["state"]["of"]
    header["state"]["of"][key] = value
    file.write_bytes(b"\n".join([json.dumps(header).encode(), *rest]) + b"\n")
    assert run(verb, file) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"llamaswap {verb}: ")
    assert "Traceback" not in err


@pytest.mark.parametrize("verb", ["replay", "simulate"])
def test_a_broken_line_in_the_middle(verb: str, tmp_path: Path, capsys: OUT) -> None:
    file = journal(tmp_path / "j.jsonl")
    lines = file.read_bytes().splitlines()
    lines[5] = b'{"t":1.0,"event"'
    file.write_bytes(b"\n".join(lines) + b"\n")
    assert run(verb, file) == 1
    assert f"{file}:6: not a line of a version 1 journal" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["replay", "simulate"])
def test_no_such_file(verb: str, tmp_path: Path, capsys: OUT) -> None:
    assert run(verb, tmp_path / "nothing") == 1
    assert "there is no" in capsys.readouterr().err
    assert run(verb, tmp_path) == 1
    assert "holds no *.jsonl file" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["yesterday", "25:00", "+", "+3x", ""])
def test_no_such_time(text: str, tmp_path: Path, capsys: OUT) -> None:
    assert run("replay", journal(tmp_path / "j.jsonl"), "--at", text) == 2
    assert "is no time; write 14:03:22" in capsys.readouterr().err


def test_a_time_before_the_beginning(tmp_path: Path, capsys: OUT) -> None:
    assert run("replay", journal(tmp_path / "j.jsonl"), "--at", "2026-11-24T13:00") == 1
    assert "begins later, at 2026-11-24 14:00:00.000" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("+90s", 90), ("+90", 90), ("+1h30m", 5400), ("+2m1.5s", 121.5), ("14:03:22", 202), ("13:00", 23 * 3600)],
)
def test_times(text: str, seconds: float) -> None:
    assert moment(text, BEGIN) == BEGIN + seconds


def test_a_clock_shows_milliseconds() -> None:
    assert clock(BEGIN + 0.25) == "14:00:00.250"
    assert clock(BEGIN + 0.99999) == "14:00:01.000"


def test_a_directory_holds_several_runs(tmp_path: Path, capsys: OUT) -> None:
    """Two runs of the daemon, an hour apart: each is a day of its own, and the figures are of both."""
    journal(tmp_path / "1.jsonl")
    journal(tmp_path / "2.jsonl", run="two", wall=BEGIN + 3600)
    assert run("replay", tmp_path, "--at", "15:00:10.5") == 0
    out = capsys.readouterr().out
    assert "2 runs of the daemon in 2 files" in out
    assert "#1 org/b, for 0.5s" in out
    assert run("simulate", tmp_path, "--json") == 0
    told = json.loads(capsys.readouterr().out)["days"]
    assert told["recorded"] == told["simulated"]
    assert told["recorded"]["requests"] == 40
    assert told["recorded"]["loads"] == 40
    assert told["recorded"]["swaps"] == 38


def test_the_day_under_other_settings(tmp_path: Path, capsys: OUT) -> None:
    file = journal(tmp_path / "j.jsonl", requests=60)
    assert run("simulate", file, "--set", "model.ttl=3", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["set"] == ["model.ttl=3"]
    recorded, simulated, changed = told["days"].values()
    assert recorded == simulated
    assert recorded["wait_p50_s"] == 5.0
    assert changed["wait_p50_s"] == 4.0
    assert changed["model_s"] == 60 * (4 + 2 + 3 + 1)


def test_the_table_for_people(tmp_path: Path, capsys: OUT) -> None:
    assert run("simulate", journal(tmp_path / "j.jsonl"), "--set", "scheduler=batch") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["recorded", "simulated", "as", "set"]
    assert [lines[4][:15], *lines[4][15:].split()[:2]] == ["waited, longest", "5.0s", "5.0s"]
    assert "waiting requests over 3m17s; the highest bar is 1" in lines
    assert lines[-1].startswith("      as set  ")


@pytest.mark.parametrize(
    ("assignment", "what"),
    [
        ("scheduler=bach", "none of serial, fifo, batch; did you mean batch?"),
        ("sheduler=batch", "there is no sheduler; did you mean scheduler?"),
        ("batch.maxOvertake=3", "did you mean batch.maxOvertakes?"),
        ("batch.maxOvertakes=many", "'many' is not a whole number"),
        ("batch.maxWait=-1", "must be 0 or more"),
        ("batch.maxWait=nan", "must be 0 or more"),
        ("serial.abortOrphanLoads=maybe", "none of true, false"),
        ("model.paralel=3", "a model has no paralel; did you mean parallel?"),
        ("model.org/c.ttl=3", "no model 'org/c' in this day; did you mean org/b?"),
        ("fifo.priority.x=3", "no model 'x'"),
        ("batch", "write KEY=VALUE"),
    ],
)
def test_a_mistake_in_a_setting(assignment: str, what: str, tmp_path: Path, capsys: OUT) -> None:
    assert run("simulate", journal(tmp_path / "j.jsonl"), "--set", assignment) == 2
    assert what in capsys.readouterr().err


@pytest.mark.parametrize(
    "assignment",
    [
        "scheduler=fifo",
        "serial.parallel=2",
        "serial.abort_orphan_loads=true",
        "fifo.priority.org/b=5",
        "batch.maxWait=12.5",
        "model.org/b.parallel=2",
        "model.a.unloadTimeout=1",
        "model.concurrencyLimit=1",
    ],
)
def test_a_setting_is_taken(assignment: str, tmp_path: Path, capsys: OUT) -> None:
    assert run("simulate", journal(tmp_path / "j.jsonl"), "--set", assignment, "--json") == 0
    assert "as set" in json.loads(capsys.readouterr().out)["days"]


def test_an_invented_day(capsys: OUT) -> None:
    """The same seed gives the same day."""
    words = ("simulate", "--arrivals", "poisson:rate=0.02,models=a:3+qwen3:8b:1,service=4..12,seed=7", "--json")
    assert run(*words, "--set", "scheduler=batch") == 0
    first = capsys.readouterr().out
    told = json.loads(first)["days"]
    assert set(told) == {"as given", "as set"}
    assert 40 < told["as given"]["requests"] < 110
    assert run(*words, "--set", "scheduler=batch") == 0
    assert capsys.readouterr().out == first


def test_an_invented_day_for_a_configuration(tmp_path: Path, capsys: OUT) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("models:\n  a:\n    cmd: a ${PORT}\n    ttl: 5\n  b:\n    cmd: b ${PORT}\n")
    words = ("simulate", "--config", config, "--json", "--arrivals")
    assert run(*words, "steady:rate=0.01,models=a,load=a:1+b:2,service=1") == 0
    told = json.loads(capsys.readouterr().out)["days"]["as given"]
    assert told["requests"] == 35
    assert told["loads"] == 35
    assert run(*words, "steady:models=ab") == 2
    assert "no model 'ab' in the configuration" in capsys.readouterr().err
    config.write_text("modles: {}\nmodels: 3\n")
    assert run(*words, "steady:rate=0.01") == 1


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("poison:models=a", "did you mean poisson?"),
        ("poisson:rats=3,models=a", "did you mean rate?"),
        ("poisson", "for which models? Write models=a:3+b:1"),
        ("poisson:models=a,rate=0", "rate=0 is not a number above 0"),
        ("poisson:models=a,service=long", "service=long is not a number, A..B or ~MEAN"),
        ("poisson:models=a,hours=1e9", "requests are too many"),
        ("poisson:models=a,load=3..x", "load=x is not"),
    ],
)
def test_no_such_day(text: str, what: str, capsys: OUT) -> None:
    assert run("simulate", "--arrivals", text) == 2
    assert what in capsys.readouterr().err


def test_a_day_is_recorded_or_invented(tmp_path: Path, capsys: OUT) -> None:
    assert run("simulate") == 2
    assert "which day?" in capsys.readouterr().err
    assert run("simulate", journal(tmp_path / "j.jsonl"), "--arrivals", "poisson:models=a") == 2
    assert run("simulate", tmp_path / "j.jsonl", "--config", "x.yaml") == 2
    assert "has its own configuration" in capsys.readouterr().err


def test_a_day_without_requests(tmp_path: Path, capsys: OUT) -> None:
    assert run("simulate", journal(tmp_path / "j.jsonl", requests=0)) == 1
    assert "nothing happened" in capsys.readouterr().err


def test_bars() -> None:
    assert bars([(0.0, 1), (5.0, 8), (6.0, 0)], 0.0, 10.0, 10, 8) == "▁▁▁▁▁██   "
    assert bars([], 0.0, 10.0, 3, 1) == "   "
    assert bars([(1.0, 1)], 1.0, 1.0, 2, 1000) == "▁▁"
