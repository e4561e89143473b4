"""Whether `scripts/rigs/swaps`, which the build runs, would see it if the daemon broke promise 1, 2, 4 or 5."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.swap_judges import Sent, Story, judge_ledger
from tests.e2e.swap_worlds import WORLDS
from tests.e2e.swaps import one_round

pytestmark = pytest.mark.e2e

BY_NAME = {world.name: world for world in WORLDS}
BROKEN = str(Path(__file__).with_name("broken_swaps.py"))


@pytest.mark.parametrize(
    ("defect", "world", "breach"),
    [
        ("starts beside who is stopping", "fifo, groups", "alive together"),
        ("forgets who was passed", "batch, matrix", "passes"),
        ("unloads in name only", "serial", "left by an unload"),
    ],
)
def test_a_planted_defect_is_seen(tmp_path: Path, defect: str, world: str, breach: str) -> None:
    with pytest.raises(AssertionError, match=breach):
        for attempt in range(8):  # as a rule the first one tells; it is a matter of chance
            (tmp_path / str(attempt)).mkdir()
            one_round(BY_NAME[world], f"planted {attempt}", tmp_path / str(attempt), 25, (BROKEN, defect))


REQUEST = {"model": "a", "request_id": "1"}


@pytest.mark.parametrize(
    ("world", "lines", "breach"),
    [
        ("serial", [{"event": "start", "model": "a", "beside": ["b"]}], "alive together"),
        ("fifo, matrix", [{"event": "start", "model": "a", "beside": ["b", "c"]}], "alive together"),
        ("batch, groups", [{"event": "violation", "model": "a"}], "the lock was taken"),
        ("serial", [REQUEST, REQUEST], "delivered twice"),
        ("serial", [REQUEST | {"model": "b"}], "misrouted"),
        ("serial", [REQUEST, REQUEST | {"request_id": "2"}], "nobody sent"),
        ("serial", [], "answered by nobody"),
    ],
)
def test_the_ledgers_judge_sees_each_breach(world: str, lines: list[dict[str, Any]], breach: str) -> None:
    judge_ledger(BY_NAME["fifo, matrix"], [REQUEST, {"event": "start", "model": "a", "beside": ["b"]}], [sent()])
    with pytest.raises(AssertionError, match=breach):
        judge_ledger(BY_NAME[world], lines, [sent()])


def sent() -> Sent:
    return Sent("1", "a", "whole")


def line(t: float, event: str, order: str = "", ticket: int = 0, *, model: str = "a", life: int = 1) -> dict[str, Any]:
    """A line of a journal; fields that an event or an order has no use for do no harm."""
    fields = {"ticket": ticket, "model": model, "life": life}
    orders: list[Mapping[str, Any]] = [{order: fields}] if order else []
    return {"t": t, "event": {event: fields}, "orders": orders}


def arrivals(models: str) -> list[dict[str, Any]]:
    """Requests at the times 1, 2, ... that are their tickets."""
    return [line(ticket, "Arrived", ticket=ticket, model=model) for ticket, model in enumerate(models, 1)]


@pytest.mark.parametrize(
    ("world", "lines", "breach"),
    [
        ("serial", [line(1, "Tick", "Start"), line(2, "Tick", "Start", model="b", life=2)], "'b', .* beside"),
        ("fifo, groups", [line(1, "Tick", "Start"), line(2, "Tick", "Start", life=2)], "another life of it"),
        ("serial", [line(1, "Tick", "Start"), line(1, "Tick", "Stop"), line(14.5, "Exited")], "took 13.50 s"),
        ("serial", [line(1, "StopFailed")], "could not be stopped"),
        ("serial", [*arrivals("ab"), line(3, "Tick", "Grant", 2)], "2 passes 1"),
        ("batch, matrix", [*arrivals("abcd"), *(line(9, "Tick", "Grant", n) for n in (2, 3, 4))], "4 passes 1"),
        ("batch, groups", [*arrivals("ab"), line(4, "Tick", "Grant", 2)], "waited 3.00 s"),
        ("batch, groups", [*arrivals("aaa"), *(line(4, "Tick", "Grant", n) for n in (1, 2, 3))], "3 requests at once"),
        ("fifo, groups", [*arrivals("aa"), line(3, "Tick", "Grant", 2)], "2 overtakes 1"),
    ],
)
def test_the_journals_judge_sees_each_breach(world: str, lines: list[dict[str, Any]], breach: str) -> None:
    Story(BY_NAME[world]).read(lines[:-1])
    with pytest.raises(AssertionError, match=breach):
        Story(BY_NAME[world]).read(lines)
