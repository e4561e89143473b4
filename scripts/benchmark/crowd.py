"""How long a crowd holds up the loop: ``PYTHONPATH=scripts:. .venv/bin/python -m benchmark.crowd [SIZE]``.

A real daemon with a model that never answers. A crowd connects, asks for the model all at once, waits, and hangs up
all at once; another is refused all at once, by an unload. Told is the CPU time of the longest turns of the daemon's
loop in each phase: that is how long everybody else had to wait, whatever else the machine did. Exit code 1 if one took
more than the 100 ms that are promised.
"""

import json
import os
import resource
import runpy
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import trio

from tests.e2e.running import Daemon, fake, until

SIZE = 2500
PROMISED_MS = 100.0
#: Where the daemon under test writes what it has measured since it was last asked to, by SIGUSR2.
TOLD = "LLAMASWAP_BENCHMARK_TURNS"
BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hello " * 20}]}).encode()
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(BODY)


class Turns(trio.abc.Instrument):
    """Of the loop: how long each took, in CPU time, without waiting for what happens next."""

    def __init__(self) -> None:
        self.lengths_ms: list[float] = []
        self._began = time.thread_time()

    def after_io_wait(self, timeout: float) -> None:
        self._began = time.thread_time()

    def before_io_wait(self, timeout: float) -> None:
        self.lengths_ms.append((time.thread_time() - self._began) * 1e3)

    def tell(self, *_: object) -> None:
        path = Path(os.environ[TOLD])
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(self.lengths_ms))
        fresh.rename(path)
        self.lengths_ms.clear()


def be_daemon() -> None:
    """Run the daemon proper in this process, and measure it."""
    turns = Turns()
    trio.run = partial(trio.run, instruments=[turns])  # type: ignore[assignment] # it is called with one argument
    signal.signal(signal.SIGUSR2, turns.tell)
    runpy.run_module("llamaswap", run_name="__main__", alter_sys=True)


class Crowd:
    """So many clients of *daemon*, and how it takes what they do."""

    def __init__(self, daemon: Daemon, size: int, told: Path) -> None:
        self._daemon, self._size, self._told = daemon, size, told
        self._clients: list[socket.socket] = []
        self.worst_ms = 0.0

    def connect(self) -> None:
        for _ in range(self._size):
            self._clients.append(socket.create_connection(("127.0.0.1", self._daemon.port)))

    def ask(self) -> None:
        for client in self._clients:
            client.sendall(HEAD + BODY)

    def leave(self) -> None:
        while self._clients:
            self._clients.pop().close()

    def unload(self) -> None:
        assert self._daemon.request("POST", "/api/models/unload").status == 200

    def measure(self, name: str, act: Callable[[], None], done: Callable[[], bool]) -> None:
        """Let them *act*, and print the longest turns until it is *done*."""
        self._turns()
        act()
        until(done, name)
        lengths = sorted(self._turns(), reverse=True)
        self.worst_ms = max(self.worst_ms, lengths[0])
        longest = ", ".join(f"{each:.1f}" for each in lengths[:4])
        print(f"{self._size} {name}: {sum(lengths):.0f} ms of CPU, longest turns {longest} ms", flush=True)

    def _turns(self) -> list[float]:
        self._told.unlink(missing_ok=True)
        self._daemon.signal(signal.SIGUSR2)
        until(self._told.exists, "figures")
        lengths: list[float] = json.loads(self._told.read_text())
        return lengths

    def queued(self) -> int:
        waiting: int = self._daemon.queue()["waiting_total"]
        return waiting


def main(size: int) -> int:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ[TOLD] = str(folder / "turns.json")
        config = {"logLevel": "info", "models": {"m": fake("m", "--never-answer")}}
        with Daemon(folder, config, program=("-m", "benchmark.crowd", "--daemon")) as daemon:
            crowd = Crowd(daemon, size, folder / "turns.json")
            crowd.queued()  # imports what it takes to answer that
            crowd.measure("connect", crowd.connect, lambda: True)
            crowd.measure("ask at once", crowd.ask, lambda: crowd.queued() == size - 1)
            crowd.measure("leave at once", crowd.leave, lambda: not crowd.queued())
            crowd.connect()
            crowd.ask()
            until(lambda: crowd.queued() == size - 1, "another crowd")
            crowd.measure("are refused at once", crowd.unload, lambda: not crowd.queued())
            crowd.leave()
    return int(crowd.worst_ms > PROMISED_MS)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--daemon"]:
        del sys.argv[1]
        be_daemon()
    else:
        sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else SIZE))
