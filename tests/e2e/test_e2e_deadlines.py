"""A request that says by when it must begin, and what is told of those that wait."""

import json
import re
import time

import pytest

from tests.e2e.conftest import StartDaemon
from tests.e2e.running import fake, until
from tests.e2e.test_e2e_verbs import verb

pytestmark = pytest.mark.e2e


def test_a_deadline_that_passes_in_the_queue_is_a_503_and_no_start(daemon: StartDaemon) -> None:
    running = daemon({"slow": fake("slow", "--answer-delay", "600"), "b": fake("b")})
    with running.wire() as first:
        first.chat("slow")
        running.until_serving("slow")
        begin = time.monotonic()
        answer = running.chat("b", X_Request_Deadline_Ms="200")
        waited = time.monotonic() - begin
        assert answer.status == 503
        assert answer.error["code"] == "deadline"
        assert re.fullmatch(r"its deadline passed after it had waited \d+\.\d s", answer.error["message"])
        assert int(answer.headers["retry-after"]) >= 1
        assert waited >= 0.2  # and not for ever, as the first does
    until(lambda: not running.queue()["waiting"], "an empty queue")
    assert "b" not in running.starts()


def test_a_models_own_deadline_and_a_longer_one_of_the_request(daemon: StartDaemon) -> None:
    running = daemon({"slow": fake("slow", "--answer-delay", "600"), "b": fake("b", deadline=1)})
    with running.wire() as first, running.wire() as patient:
        first.chat("slow")
        running.until_serving("slow")
        patient.chat("b", X_Request_Deadline_Ms="60000")
        running.until_waiting(1)
        assert running.chat("b").status == 503
        first.reset()
        assert patient.answer().status == 200
    assert running.starts() == ["slow", "b"]


@pytest.mark.parametrize("bad", ["0", "-5", "1.5", "soon", "1, 2", "9" * 30])
def test_a_deadline_that_is_none(daemon: StartDaemon, bad: str) -> None:
    answer = daemon({"a": fake("a")}).chat("a", X_Request_Deadline_Ms=bad)
    assert answer.status == 400
    assert "write for example 30000" in answer.error["message"]


def test_the_deadline_is_not_passed_on(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a")})
    assert running.chat("a", X_Request_Deadline_Ms="60000", X_Other="seen").status == 200
    assert "deadline" not in json.dumps(running.entries()).lower()


def test_what_cannot_be_in_time_is_refused_at_once(daemon: StartDaemon) -> None:
    """Not when the deadline has passed, of which it would be told then."""
    running = daemon({"a": fake("a", "--load", "3"), "b": fake("b")})
    for _ in range(2):
        assert running.chat("a").status == 200
        assert running.chat("b").status == 200
    answer = running.chat("a", X_Request_Deadline_Ms="1500")
    assert answer.status == 503
    assert "it can start in" in answer.error["message"]
    assert running.starts() == ["a", "b", "a", "b"]


def test_the_plan_is_what_then_happens_and_the_log_says_it(daemon: StartDaemon) -> None:
    groups = {"pair": {"members": ["a", "b"]}}
    running = daemon(
        {"a": fake("a"), "b": fake("b", aliases=["bee"])},
        groups=groups,
        routing={"scheduler": {"use": "fifo"}},
    )
    assert running.chat("a").status == 200
    plan = running.get("/api/plan?model=bee").json()
    assert plan["evicted"] == [{"model": "a", "rule": "group pair swaps"}]
    assert [step["sentence"] for step in plan["steps"]] == ["b evicts a: group pair swaps", "b is started"]
    assert (plan["model"], plan["outcome"]) == ("b", "served")
    assert running.chat("b").status == 200
    running.log.wait("model=b evicts a: group pair swaps")
    assert running.starts() == ["a", "b"]
    nobody = running.get("/api/plan?model=nobody")
    assert (nobody.status, nobody.error["code"]) == (404, "not_found")
    assert running.get("/api/plan").status == 400
    code, told, _ = verb(running, "explain", "a")
    assert code == 0
    assert re.fullmatch(
        r"1\. a evicts b: group pair swaps  \(in about [\d.]+s\)\n2\. a is started  \(in about [\d.]+s\)\n"
        r"A request for a is served then, in about [\d.]+ s\.\n",
        told,
    ), told
    code, _, told = verb(running, "explain", "bea")
    assert (code, told) == (1, "llamaswap explain: no model 'bea'; did you mean bee?\n")


def test_who_waits_is_told_why(daemon: StartDaemon) -> None:
    running = daemon({"slow": fake("slow", "--answer-delay", "600"), "b": fake("b")})
    with running.wire() as first, running.wire() as second:
        first.chat("slow")
        running.until_serving("slow")
        second.chat("b")
        running.until_waiting(1)
        (waiting,) = running.queue()["waiting"]
        sentence = "waits for slow, which serves 1 request and is evicted then: one model at a time"
        assert waiting["why"] == {
            "kind": "serving",
            "sentence": sentence,
            "models": ["slow"],
            "requests": 1,
            "rule": "one model at a time",
        }
        assert f": {sentence}\n" in verb(running, "explain")[1]
