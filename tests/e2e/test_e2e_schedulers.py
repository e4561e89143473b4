"""What each scheduler and each router does with real processes, case by case. At random: scripts/rigs/swaps."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from tests.allowance import ALLOWANCE_S
from tests.e2e.conftest import StartDaemon
from tests.e2e.running import Daemon, fake, until
from tests.e2e.wire import Wire

pytestmark = pytest.mark.e2e

#: The path of a request that lasts until its client leaves.
ENDLESS = "/upstream/{}/sse?n=99999&ms=20"


def routing(use: str, router: dict[str, Any] | None = None, **settings: Any) -> dict[str, Any]:
    """The key of that name, with the scheduler *use*."""
    return {"scheduler": {"use": use, "settings": {use: settings}}} | ({"router": router} if router else {})


def groups(**members: dict[str, Any]) -> dict[str, Any]:
    return {"use": "group", "settings": {"groups": members}}


TOGETHER = groups(all={"swap": False, "members": ["a", "b"]})


def model(name: str, *flags: str, **keys: Any) -> dict[str, Any]:
    """A fake that may be alive beside others."""
    return fake(name, *flags, "--shared", **keys)


@contextmanager
def held(running: Daemon, *models: str) -> Iterator[list[Wire]]:
    """Requests that are being served, one after another, and go on until their wires are closed."""
    with ExitStack() as stack:
        wires = []
        for name in models:
            wires.append(stack.enter_context(running.wire()))
            wires[-1].ask("GET", ENDLESS.format(name))
            assert wires[-1].head()[0] == 200
        yield wires


@contextmanager
def queued(running: Daemon, models: str) -> Iterator[list[Wire]]:
    """Requests that wait, in this order, behind one another."""
    before = len(running.queue()["waiting"])
    with ExitStack() as stack:
        wires = [stack.enter_context(running.wire()) for _ in models]
        for count, (wire, name) in enumerate(zip(wires, models, strict=True), before + 1):
            wire.chat(name)
            running.until_waiting(count)
        yield wires


def served(running: Daemon) -> str:
    """Which models got requests, in this order."""
    return "".join(line["model"] for line in running.entries())


def names(running: Daemon) -> list[str]:
    return sorted(name for name, _ in running.running())


# Who is there together


@pytest.mark.parametrize("scheduler", ["fifo", "batch"])
def test_two_that_go_together_load_side_by_side(daemon: StartDaemon, scheduler: str) -> None:
    models = {name: model(name, "--load", "600") for name in "ab"}
    running = daemon(models, routing=routing(scheduler, TOGETHER))
    with queued(running, "ab"):
        until(lambda: sorted(running.starts()) == ["a", "b"], "both loads")
        assert running.running() == [("a", "starting"), ("b", "starting")]


@pytest.mark.parametrize("scheduler", ["fifo", "batch"])
def test_a_persistent_model_survives_the_swaps_of_others(daemon: StartDaemon, scheduler: str) -> None:
    kept = {"swap": False, "exclusive": False, "persistent": True, "members": ["p"]}
    router = groups(kept=kept, big={"members": ["a", "b"]})
    running = daemon({name: model(name) for name in "pabc"}, routing=routing(scheduler, router))
    assert running.chat("p").status == 200
    pid = running.model_pid("p")
    for name in "abc":  # c is in no group, and exclusive
        assert running.chat(name).status == 200
        assert names(running) == sorted(["p", name])
    assert running.model_pid("p") == pid


@pytest.mark.parametrize("scheduler", ["fifo", "batch"])
def test_an_exclusive_model_sends_a_guest_away_when_it_is_asked_again(daemon: StartDaemon, scheduler: str) -> None:
    """A model that is not exclusive is loaded beside an exclusive one; the swap back starts nothing."""
    router = groups(side={"exclusive": False, "members": ["s"]})
    running = daemon({name: model(name) for name in "as"}, routing=routing(scheduler, router))
    for name, alive in (("a", ["a"]), ("s", ["a", "s"]), ("a", ["a"])):
        assert running.chat(name).status == 200
        assert names(running) == alive
    assert running.starts() == ["a", "s"]


@pytest.mark.parametrize("scheduler", ["fifo", "batch"])
def test_a_matrix_keeps_what_is_allowed_and_lets_the_cheaper_go(daemon: StartDaemon, scheduler: str) -> None:
    sets = {"ab": "a & b", "bc": "b & c", "ac": "a & c"}
    router = {"use": "matrix", "settings": {"matrix": {"sets": sets, "evict_costs": {"a": 5, "c": 3}}}}
    running = daemon({name: model(name) for name in "abcd"}, routing=routing(scheduler, router))
    alive = {"a": ["a"], "b": ["a", "b"], "c": ["a", "c"], "d": ["d"]}
    for name in "abc":
        assert running.chat(name).status == 200
        assert names(running) == alive[name]
    assert running.chat("b").status == 200
    assert names(running) == ["a", "b"]  # c costs less than a, though bc is written before ac
    assert running.chat("d").status == 200
    assert names(running) == ["d"]  # in no set


@pytest.mark.parametrize("scheduler", ["fifo", "batch"])
def test_an_unload_holds_up_nobody_else(daemon: StartDaemon, scheduler: str) -> None:
    models = {"a": model("a", "--ignore-term", unloadTimeout=6), "b": model("b")}
    running = daemon(models, routing=routing(scheduler, TOGETHER))
    assert [running.chat(name).status for name in "ab"] == [200, 200]
    with running.wire() as unloading:
        began = time.monotonic()
        unloading.ask("POST", "/api/models/unload/a")
        until(lambda: ("a", "stopping") in running.running(), "its stopping")
        assert running.chat("b").status == 200
        assert ("a", "stopping") in running.running()
        assert unloading.answer().status == 200
        assert time.monotonic() - began <= 6 + 2 + ALLOWANCE_S
    assert running.running() == [("b", "ready")]


# Who runs when


@pytest.mark.parametrize(
    ("scheduling", "order"),
    [
        (routing("serial"), "abaaaa"),
        (routing("batch", maxOvertakes=2), "aaabaa"),
        (routing("batch", maxOvertakes=0), "abaaaa"),
        (routing("batch", maxOvertakes=9), "aaaaab"),
    ],
)
def test_nobody_is_passed_beyond_the_bound(daemon: StartDaemon, scheduling: dict[str, Any], order: str) -> None:
    running = daemon({"a": fake("a"), "b": fake("b")}, routing=scheduling)
    with held(running, "a") as (first,), queued(running, "baaaa") as wires:
        first.sock.close()
        assert [wire.answer().status for wire in wires] == [200] * 5
    assert served(running) == order


def test_batch_serves_as_many_at_once_as_the_model_says(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a", parallel=2)}, routing=routing("batch"))
    with held(running, "a", "a") as streams, running.wire() as third:
        third.chat("a")
        running.until_waiting(1)
        streams[0].sock.close()
        assert third.answer().status == 200


def test_fifo_passes_without_bound_until_one_has_waited_too_long(daemon: StartDaemon) -> None:
    models = {"a": fake("a"), "b": fake("b")}
    running = daemon(models, routing=routing("fifo", maxWait=1))
    with held(running, "a") as (first,), queued(running, "b") as (late,):
        assert running.chat("a").status == 200
        assert running.chat("a").status == 200
        until(lambda: running.queue()["waiting"][0]["waited_s"] > 1, "the end of its patience")
        with queued(running, "a") as (behind,):
            first.sock.close()
            assert (late.answer().status, behind.answer().status) == (200, 200)
    assert served(running) == "aaaba"


def test_fifo_asks_the_important_first(daemon: StartDaemon) -> None:
    models = {name: fake(name) for name in "abcd"}
    running = daemon(models, routing=routing("fifo", priority={"c": 10, "d": -1}))
    with held(running, "a") as (first,), queued(running, "dbcb") as wires:
        first.sock.close()
        assert [wire.answer().status for wire in wires] == [200] * 4
    assert served(running) == "acbbd"
    assert running.starts() == ["a", "c", "b", "d"]


# Limits


def test_fifo_serves_ten_and_lets_the_eleventh_wait(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a")}, routing=routing("fifo"))
    with held(running, *"a" * 10) as streams, running.wire() as eleventh:
        eleventh.chat("a")
        running.until_waiting(1)
        streams[3].sock.close()
        assert eleventh.answer().status == 200


@pytest.mark.parametrize("scheduler", ["fifo", "batch"])
def test_beyond_its_limit_a_model_takes_nobody(daemon: StartDaemon, scheduler: str) -> None:
    """Those who wait count; once one has left there is a place again."""
    running = daemon({"a": fake("a", concurrencyLimit=2)}, routing=routing(scheduler))
    with held(running, "a") as (stream,), running.wire() as second:
        second.ask("GET", ENDLESS.format("a"))
        until(lambda: outstanding(running, "a") == 2, "the second")
        answer = running.chat("a")
        assert (answer.status, answer.error["code"]) == (429, "concurrency_limit")
        assert int(answer.headers["retry-after"]) >= 1
        assert outstanding(running, "a") == 2
        stream.sock.close()
        until(lambda: outstanding(running, "a") == 1, "the end of the first")
        with running.wire() as again:
            again.ask("GET", ENDLESS.format("a"))
            until(lambda: outstanding(running, "a") == 2, "a place")


def outstanding(running: Daemon, name: str) -> int:
    """How many wait for the model or are served by it."""
    queue = running.queue()
    waiting = [1 for row in queue["waiting"] if row["model"] == name]
    return len(waiting) + sum(int(row["requests"]) for row in queue["running"] if row["model"] == name)
