"""Judges of a daemon's life among swaps, by what the models themselves have written and by the daemon's journal.

Each raises AssertionError at the first breach of promise 1, 2, 4 or 5. They share no code with what they judge: what
is allowed stands in `swap_worlds`, and the journal is read as the JSON it is.
"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.allowance import ALLOWANCE_S
from tests.e2e.running import ROOT
from tests.e2e.swap_worlds import GRACE_S, World, entries

Line = dict[str, Any]
PROMISED_STOP_S = GRACE_S + 2
STOP_S = PROMISED_STOP_S + ALLOWANCE_S


@dataclass
class Sent:
    """One request: whom it was for, and how it ended for its client."""

    identity: str
    model: str
    outcome: str = "left"


def judge_ledger(world: World, lines: Iterable[Line], sent: Iterable[Sent]) -> None:
    """Who was alive with whom, as each model saw it when it began; who got which request."""
    arrived: dict[str, list[Line]] = {}
    for line in lines:
        event = line.get("event", "request")
        assert event != "violation", f"the lock was taken: {line}"
        if event == "start":
            assert world.permits({line["model"], *line["beside"]}), f"alive together: {line}"
        else:
            arrived.setdefault(line["request_id"], []).append(line)
    known = {each.identity: each for each in sent}
    assert set(arrived) <= set(known), f"nobody sent {set(arrived) - set(known)}"
    for each in known.values():
        got = arrived.get(each.identity, [])
        assert len(got) <= 1, f"delivered twice: {each} {got}"
        assert got or each.outcome != "whole", f"answered by nobody: {each}"
        assert all(line["model"] == each.model for line in got), f"misrouted: {each} {got}"


@dataclass
class Story:
    """What a journal tells, line by line, and whether it may be so.

    Attributes:
        most_passed: By how many later arrivals a request was passed, at most.
        longest_wait: Seconds from the arrival to the grant, at most.
        longest_stop: Seconds from the order to the end of the last process, at most.
    """

    world: World
    most_passed: int = 0
    longest_wait: float = 0.0
    longest_stop: float = 0.0
    _alive: dict[int, str] = field(default_factory=dict)
    _stopping: dict[int, float] = field(default_factory=dict)
    _waiting: dict[int, tuple[str, float]] = field(default_factory=dict)
    _passed: Counter[int] = field(default_factory=Counter)
    _served: dict[int, str] = field(default_factory=dict)

    def read(self, lines: Iterable[Line]) -> "Story":
        """Judge *lines*; headers tell of no event."""
        for line in lines:
            if "journal" in line:
                assert line["dropped"] == 0, line["dropped"]
                continue
            ((event, fields),) = line["event"].items()
            self._event(event, fields, line["t"])
            for order in line["orders"]:
                ((kind, what),) = order.items()
                self._order(kind, what, line["t"])
        return self

    def _event(self, event: str, fields: Line, now: float) -> None:
        match event:
            case "Arrived":
                self._waiting[fields["ticket"]] = (fields["model"], now)
            case "Left":
                self._waiting.pop(fields["ticket"], None)
                self._served.pop(fields["ticket"], None)
            case "StopFailed":
                raise AssertionError(f"could not be stopped: {fields}")
            case "Exited" | "StartFailed":
                self._gone(fields["life"], now)

    def _order(self, kind: str, what: Line, now: float) -> None:
        match kind:
            case "Start":
                self._alive[what["life"]] = what["model"]
                alive = list(self._alive.values())
                assert len(set(alive)) == len(alive), f"{what} while another life of it is there, at {now}"
                assert self.world.permits(set(alive)), f"{what} beside {self._alive}, at {now}"
            case "Stop":
                self._stopping.setdefault(what["life"], now)
            case "Reject":
                self._waiting.pop(what["ticket"], None)
            case "Grant":
                self._granted(what["ticket"], now)

    def _gone(self, life: int, now: float) -> None:
        model = self._alive.pop(life)
        took = now - self._stopping.pop(life, now)
        assert took <= STOP_S, f"the end of life {life}, of {model}, took {took:.2f} s"
        self.longest_stop = max(self.longest_stop, took)

    def _granted(self, ticket: int, now: float) -> None:
        model, came = self._waiting.pop(ticket)
        self.longest_wait = max(self.longest_wait, now - came)
        self._served[ticket] = model
        at_once = Counter(self._served.values())[model]
        assert at_once <= self.world.served_at_once, f"{at_once} requests at once for {model}, at {now}"
        for other, (its_model, its_came) in self._waiting.items():
            if other < ticket:
                self._passed[other] += 1
                assert its_model != model, f"{ticket} overtakes {other} at {model}, at {now}"
                self._overtaken(ticket, other, now - its_came)

    def _overtaken(self, ticket: int, other: int, waited: float) -> None:
        passed = self._passed[other]
        self.most_passed = max(self.most_passed, passed)
        if self.world.overtakes is not None:
            assert passed <= self.world.overtakes, f"{ticket} passes {other}, which {passed - 1} have passed before"
            assert waited < self.world.patience, f"{ticket} passes {other}, which has waited {waited:.2f} s"


def judge_journal(world: World, directory: Path) -> Story:
    """The story that the journal in *directory* tells; played again it comes out as recorded, byte for byte."""
    files = sorted(directory.glob("*.jsonl"))
    assert files, "no journal"
    story = Story(world).read(line for file in files for line in entries(file.read_text()))
    command = [sys.executable, "-m", "llamaswap", "replay", str(directory), "--json"]
    replayed = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, timeout=120, check=True).stdout)
    assert (replayed["differences"], replayed["dropped"]) == (0, 0), replayed
    return story
