"""Mixed clients, leavers, stalled readers, killed models and unloads, with an audit of the ledger after each round.

    scripts/rigs/chaos [--rounds N] [--seed S] [--short]

Each accepted request ends in exactly one of: whole answer, explicit error, cut or left. Whole: the right model got it
once, its body unaltered but for `useModelName`. Anything else: it was delivered at most once, to no other model. Prints
a line a round and how each request ended; exit code 1, with seed and round, at the first breach.
"""

import argparse
import hashlib
import json
import random
import secrets
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.allowance import ALLOWANCE_S
from tests.e2e.running import Daemon, fake, until
from tests.e2e.wire import CutError, Wire

ROUND_S = 4.0
CLIENTS = 8
#: Name in the request -> the model that must get it, and the name that it must see.
NAMES = {"a": ("a", "a"), "b": ("b", "b"), "bee": ("b", "bee"), "c": ("c", "see")}


def models() -> dict[str, Any]:
    return {
        "a": fake("a", "--load", "0.05"),
        "b": fake("b", "--token-delay", "0.01", aliases=["bee"]),
        "c": fake("c", "--double-fork", unloadTimeout=1, useModelName="see"),
    }


@dataclass
class Sent:
    """One request: what must arrive, where, and how it ended."""

    identity: str
    model: str
    digest: str
    outcome: str = "left"


@dataclass
class Round:
    """One round of clients and vandals against *running*."""

    running: Daemon
    seed: str
    seconds: float = ROUND_S
    sent: list[Sent] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _failures: list[Exception] = field(default_factory=list)

    def play(self, answers: int = 0) -> None:
        """Let them loose for the round's time, and longer if that was not enough for *answers* that came whole.

        Returns after the last answer. Raises what any of them raised.
        """
        tasks = [self._client] * CLIENTS + [self._vandal, self._staller]
        threads = [threading.Thread(target=self._run, args=(task, number)) for number, task in enumerate(tasks)]
        for thread in threads:
            thread.start()
        self._over.wait(self.seconds)
        try:
            until(lambda: self._over.is_set() or self._has_seen(answers), f"{answers} answers and a leaver", 60)
        finally:
            self._over.set()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive(), "a client waits for ever"
        for failure in self._failures:
            raise failure

    def _has_seen(self, answers: int) -> bool:
        ends = Counter(each.outcome for each in self.sent)
        return ends["whole"] >= answers and (ends["left"] > 0 or not answers)

    def _run(self, task: Callable[[random.Random], None], number: int) -> None:
        dice = random.Random(f"{self.seed}/{number}")
        try:
            while not self._over.is_set():
                task(dice)
        except Exception as failure:
            self._failures.append(failure)
            self._over.set()

    def _client(self, dice: random.Random) -> None:
        (name,) = dice.choices(list(NAMES), [4, 4, 4, 1])  # to stop c takes a second
        model, seen = NAMES[name]
        stream = dice.random() < 0.5
        body = _body(name, stream, dice)
        expected = body.replace(b'"model": "%b"' % name.encode(), b'"model": "%b"' % seen.encode(), 1)
        sent = Sent(secrets.token_hex(8), model, hashlib.sha256(expected).hexdigest())
        self.sent.append(sent)
        leaves = dice.random() < 0.2
        part = len(body) // 2 if leaves and dice.random() < 0.3 else len(body)
        with self.running.wire() as wire:
            wire.sock.settimeout(60)
            length = str(len(body))
            wire.ask("POST", "/v1/chat/completions", body[:part], X_Request_Id=sent.identity, Content_Length=length)
            if leaves:
                _leave(wire, dice)
                return
            sent.outcome = _outcome(wire, model, stream)

    def _vandal(self, dice: random.Random) -> None:
        """Kills a model, or unloads, or loads one; now and then asks for what is no model."""
        self._over.wait(dice.uniform(0, 0.8))
        what = dice.choice(["kill", "kill", "unload all", "unload", "load", "odd"])
        name = dice.choice(list(NAMES))
        if what == "kill":
            for process in self.running.look():
                with suppress(psutil.Error):
                    if "fake_server.py" in " ".join(process.cmdline()):
                        process.kill()
        elif what == "odd":
            assert self.running.chat("nobody").status == 404
        else:
            path = "/api/models/unload" + (f"/{name}" if what == "unload" else "")
            path = f"/api/models/load/{name}" if what == "load" else path
            assert self.running.request("POST", path).status in (200, 500), path

    def _staller(self, dice: random.Random) -> None:
        """Asks for much, and reads nothing until it is dropped."""
        self._over.wait(dice.uniform(1, 4))
        with self.running.wire() as wire:
            wire.sock.settimeout(60)
            wire.ask("GET", f"/upstream/{dice.choice('abc')}/big?bytes={1 << 26}")
            with suppress(CutError):
                if wire.head()[0] == 200:
                    self._over.wait(2)


def _body(name: str, stream: bool, dice: random.Random) -> bytes:
    text = "".join(dice.choice('aä\n"\\ \u2028{}[],:z') for _ in range(dice.choice([0, 10, 1000, 30_000])))
    document = {"messages": [{"role": "user", "content": text}], "model": name, "stream": stream}
    return json.dumps(document, ensure_ascii=dice.random() < 0.5).encode()


def _leave(wire: Wire, dice: random.Random) -> None:
    time.sleep(dice.choice([0, 0.001, 0.05, 0.2]))  # not to wait for something: the moment is meant to be any
    if dice.random() < 0.5:
        wire.reset()


def _outcome(wire: Wire, model: str, stream: bool) -> str:
    """How the request ended. An answer that looks whole must be whole, and the right model's."""
    try:
        answer = wire.answer()
    except CutError:
        return "cut"
    if answer.status != 200:
        assert answer.error["message"]
        return f"error {answer.status}"
    assert answer.headers["x-fake-model"] == model
    text = answer.body.decode()
    assert all(f"{model}-{number} " in text for number in range(4)), text
    assert not stream or text.endswith("data: [DONE]\n\n"), text
    return "whole"


def audit(running: Daemon, sent: list[Sent]) -> None:
    """Compare what was asked with what the models got. Raises AssertionError at the first breach."""
    until(lambda: running.queue()["waiting"] == [], "an empty queue")
    until(lambda: not any(row["requests"] for row in running.queue()["running"]), "no request in flight")
    arrived: dict[str, list[dict[str, Any]]] = {}
    for line in running.entries():
        if line["path"].startswith("/v1/"):
            arrived.setdefault(line["request_id"], []).append(line)
    known = {each.identity for each in sent}
    assert set(arrived) <= known, "a request that nobody sent"
    for each in sent:
        lines = arrived.get(each.identity, [])
        assert len(lines) <= 1, f"delivered twice: {each} {lines}"
        assert lines or each.outcome != "whole", f"answered by nobody: {each}"
        for line in lines:
            assert line["model"] == each.model, f"misrouted: {each} {line}"
            assert line["sha256"] == each.digest, f"altered: {each} {line}"
    assert running.entries("violation") == [], "two models at once"
    assert len(running.running()) <= 1
    assert "Traceback" not in str(running.log), running.log


def run(rounds: int, seed: int, directory: Path, seconds: float = ROUND_S, answers: int = 0) -> Counter[str]:
    """So many rounds, each with a daemon that then ends by SIGTERM, or by SIGKILL, and leaves nothing.

    In each there are so many whole *answers*, and somebody who left, though it may take longer than *seconds*.
    """
    total: Counter[str] = Counter()
    for number in range(rounds):
        room = directory / f"round{number}"
        room.mkdir()
        try:
            ends = _one_round(number, f"{seed}/{number}", room, seconds, answers)
        except Exception as error:
            raise AssertionError(f"round {number} of seed {seed}: {type(error).__name__}: {error}") from error
        total += ends
        print(f"round {number}: " + ", ".join(f"{count} {end}" for end, count in sorted(ends.items())), flush=True)
    return total


def _one_round(number: int, seed: str, room: Path, seconds: float, answers: int) -> Counter[str]:
    with Daemon(room, {"models": models(), "stallTimeout": 1}) as running:
        round_ = Round(running, seed, seconds)
        round_.play(answers)
        audit(running, round_.sent)
        running.look()
        if number % 2:
            running.signal(signal.SIGKILL)
            running.wait(5)
            until(lambda: not running.left(), "the end of all", 10 + ALLOWANCE_S)
    return Counter(each.outcome for each in round_.sent)


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/rigs/chaos", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30), help="the same clients again")
    parser.add_argument("--short", action="store_const", const=8, dest="rounds", help="8 rounds, about a minute")
    options = parser.parse_args()
    print(f"{options.rounds} rounds, seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="chaos-") as directory:
        try:
            total = run(options.rounds, options.seed, Path(directory))
        except AssertionError as error:
            print(error)
            return 1
    print(f"{total.total()} requests: " + ", ".join(f"{count} {end}" for end, count in total.most_common()))
    print("0 lost, 0 delivered twice, 0 misrouted, 0 altered, never two models at once")
    return 0


if __name__ == "__main__":
    sys.exit(main())
