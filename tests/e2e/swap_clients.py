"""Eight clients, some of which leave, and an operator who loads and unloads, in storms: what `swaps` lets loose."""

import random
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

from tests.e2e.running import Daemon, alive, until
from tests.e2e.swap_judges import STOP_S, Sent
from tests.e2e.swap_worlds import NAMES, WEIGHTS
from tests.e2e.wire import CutError, Wire

CLIENTS = 8
STORM = 20
EXIT_S = 35.0
ROUND_S = 300.0  # enough for the long rounds on a machine that has something else to do
#: A client is answered or leaves; its model is unloaded while it waits or is served; after SIGTERM it is refused.
EXPECTED = {"whole", "left", "cut", "unloaded", "error 502"}
AT_THE_END = EXPECTED | {"error 503", "refused"}


@dataclass
class Round:
    """Clients and an operator against *running*, until its models have started so often."""

    running: Daemon
    seed: str
    swaps: int
    sent: list[Sent] = field(default_factory=list)
    slowest_unload: float = 0.0
    unloads: int = 0
    exit_s: float = 0.0
    _over: threading.Event = field(default_factory=threading.Event)
    _ending: bool = False
    _failures: list[Exception] = field(default_factory=list)

    def play(self) -> None:
        """Return when all is over. Raises what any of them raised."""
        dice = random.Random(self.seed)
        tasks: list[Callable[[random.Random], None]] = [*[self._client] * CLIENTS, self._operator]
        threads = [threading.Thread(target=self._run, args=(task, number)) for number, task in enumerate(tasks)]
        for thread in threads:
            thread.start()
        try:
            until(lambda: self._over.is_set() or self.starts() >= self.swaps, f"{self.swaps} swaps", ROUND_S)
            if dice.random() < 0.5:
                self.end()
        finally:
            self._over.set()
            for thread in threads:
                thread.join(70)
        assert not any(thread.is_alive() for thread in threads), "a client waits for ever"
        for failure in self._failures:
            raise failure
        outcomes = {each.outcome for each in self.sent}
        assert outcomes <= (AT_THE_END if self._ending else EXPECTED), outcomes

    def starts(self) -> int:
        """How often a model has started."""
        ledger = self.running.ledger
        return ledger.read_text().count('"event": "start"') if ledger.exists() else 0

    def quiet(self) -> None:
        """Nobody is there any more: an unload leaves nothing, nothing starts by itself, and the daemon ends."""
        if self._ending:
            return
        until(lambda: self.running.queue()["waiting"] == [], "an empty queue")
        self._unload(None)
        before = self.starts()
        assert self.running.running() == []
        assert not self._trees(None), self._trees(None)
        assert self.starts() == before
        self.end()

    def end(self) -> None:
        """SIGTERM, and the exit in time."""
        self._ending = True
        self.running.look()
        began = time.monotonic()
        self.running.process.terminate()
        self.running.wait(EXIT_S)
        self.exit_s = time.monotonic() - began

    def _run(self, task: Callable[[random.Random], None], number: int) -> None:
        dice = random.Random(f"{self.seed}/{number}")
        try:
            while not self._over.is_set():
                task(dice)
        except Exception as failure:
            if not (self._ending and isinstance(failure, (OSError, CutError))):
                self._failures.append(failure)
            self._over.set()

    # Clients

    def _client(self, dice: random.Random) -> None:
        (model,) = dice.choices(NAMES, [WEIGHTS[name] for name in NAMES])
        for _ in range(dice.choice([1, 1, 2, 4])):
            sent = Sent(secrets.token_hex(8), model)
            self.sent.append(sent)
            try:
                self._ask(sent, dice)
            except OSError:
                if not self._ending:
                    raise
                sent.outcome = "refused"
                self._over.wait(0.1)
            self._over.wait(dice.choice([0, 0, 0.01, 0.05]))

    def _ask(self, sent: Sent, dice: random.Random) -> None:
        stream = dice.random() < 0.3
        with self.running.wire() as wire:
            wire.sock.settimeout(60)
            wire.chat(sent.model, stream, X_Request_Id=sent.identity)
            if dice.random() < 0.1:
                time.sleep(dice.choice([0, 0.001, 0.05, 0.2]))  # any moment, of whatever happens then
                return
            sent.outcome = _outcome(wire, sent.model, stream)

    # The operator

    def _operator(self, dice: random.Random) -> None:
        self._over.wait(dice.uniform(0, 0.6))
        what = dice.choice(["one", "one", "all", "storm", "load", "load"])
        name = dice.choice(NAMES)
        match what:
            case "load":
                status = self.running.request("POST", f"/api/models/load/{name}").status
                assert status in (200, 500) or self._ending, status
            case "one" | "all":
                self._unload(name if what == "one" else None)
            case _:
                aims: list[list[str | None]] = [[name], [None], [*NAMES, None]]
                aim = dice.choice(aims)
                self._storm([dice.choice(aim) for _ in range(STORM)])

    def _storm(self, models: list[str | None]) -> None:
        with ThreadPoolExecutor(STORM) as pool:
            for _ in pool.map(self._unload, models):
                pass

    def _unload(self, model: str | None) -> None:
        """Unload *model*, or all; nothing of what was there before may be left when that has returned."""
        there = self._trees(model)
        began = time.monotonic()
        with self.running.wire() as wire:
            wire.sock.settimeout(60)
            wire.ask("POST", "/api/models/unload" + (f"/{model}" if model else ""))
            status = wire.answer().status
        took = time.monotonic() - began
        if self._ending:
            return
        assert status == 200, f"unload of {model or 'all'}: {status}"
        left = [process for process in there if alive(process)]
        assert not left, f"left by an unload of {model or 'all'}: {left}"
        assert took <= STOP_S, f"an unload of {model or 'all'} took {took:.2f} s"
        self.unloads += 1
        self.slowest_unload = max(self.slowest_unload, took)

    def _trees(self, model: str | None) -> list[psutil.Process]:
        """The processes of *model*, or of all models: what is below a guard under which its server is."""
        found: list[psutil.Process] = []
        with suppress(psutil.Error):
            for guard in psutil.Process(self.running.pid).children():
                with suppress(psutil.Error):
                    tree = guard.children(recursive=True)
                    if model is None or any(_serves(process, model) for process in tree):
                        found += tree
        return found


def _serves(process: psutil.Process, model: str) -> bool:
    try:
        return f"--name {model} " in " ".join(process.cmdline())
    except psutil.Error:
        return False


def _outcome(wire: Wire, model: str, stream: bool) -> str:
    """How the request ended. An answer that looks whole must be whole, and the right model's."""
    try:
        answer = wire.answer()
    except CutError:
        return "cut"
    if answer.status != 200:
        message = answer.error["message"]
        assert message
        return "unloaded" if message.endswith("model unloaded") else f"error {answer.status}"
    assert answer.headers["x-fake-model"] == model
    assert f"{model}-3 " in answer.text, answer.text
    assert not stream or answer.text.endswith("data: [DONE]\n\n"), answer.text
    return "whole"
