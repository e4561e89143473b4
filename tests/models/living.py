"""Real lives of real processes, and the proof that nothing of them is left."""

import itertools
import random
import shlex
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path

import trio

from llamaswap.config.schema import ModelConfig, ModelId
from llamaswap.models.markers import OWNER, find_marked, own_mark
from llamaswap.models.supervisor import ModelLife
from llamaswap.schedule.events import Event, Exited, Life, StartFailed

PORTS = itertools.cycle(random.sample(range(8100, 16000), 7900))
FAKE_SERVER = Path(__file__).parents[1] / "fake_server.py"


def survivors(mark: str) -> list[str]:
    """Every process that the daemon of *mark* started, guards included."""
    return [f"{row} {marks}" for row, marks in find_marked(lambda marks: marks.get(OWNER) == mark)]


def free_port() -> int:
    """A port that nobody has, and that the system gives to no client before a model has bound it."""
    for port in PORTS:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("PORTS has an end")


class Sink:
    def __init__(self) -> None:
        self.data = bytearray()
        self.written = 0
        self.moved = trio.Event()

    def write(self, data: bytes) -> None:
        self.written += len(data)
        self.data += data
        del self.data[:-100_000]
        self.moved.set()

    def tail(self, limit_bytes: int) -> bytes:
        return bytes(self.data[-limit_bytes:])


class Run:
    """One life under test, its facts in order, and its output."""

    def __init__(self, spec: ModelConfig, number: int) -> None:
        self.sink = Sink()
        self.facts: list[Event] = []
        self.times: list[float] = []
        self.left_at_the_end: list[str] = []
        self._send, self._receive = trio.open_memory_channel[Event](100)
        self.life = ModelLife(spec, Life(number), self._post, self.sink)

    def _post(self, fact: Event) -> None:
        self.times.append(time.monotonic())
        self.facts.append(fact)
        if isinstance(fact, Exited | StartFailed):
            self.left_at_the_end = [each for each in survivors(own_mark()) if f":{self.life._spec.id}'" in each]
        self._send.send_nowait(fact)

    async def next_fact(self, seconds: float = 20) -> Event:
        with trio.fail_after(seconds):
            return await self._receive.receive()

    async def spawned(self) -> int:
        """The model's pid, as soon as there is one."""
        with trio.fail_after(20):
            await self.life._spawned.wait()
        assert self.life.pid
        return self.life.pid

    async def output(self, text: bytes) -> None:
        """Wait until the tree has written *text*."""
        with trio.fail_after(20):
            while text not in self.sink.data:
                self.sink.moved = trio.Event()
                await self.sink.moved.wait()

    async def end(self, grace: float = 1.0) -> Event:
        self.life.stop(grace)
        return await self.next_fact()


class Lives:
    """Begins lives; every one is over, and nothing is left, when the test ends."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self.runs: list[Run] = []

    def spec(self, *words: str, **changes: object) -> ModelConfig:
        """A model whose command is *words*."""
        values: dict[str, object] = {"proxy": f"http://127.0.0.1:{free_port()}", "check_endpoint": "none"}
        values |= {"id": ModelId(f"m{len(self.runs)}"), "cmd": shlex.join(words), "argv": words, **changes}
        return ModelConfig(**values)  # type: ignore[arg-type]  # a test names only what it is about

    def server(self, *flags: str, **changes: object) -> ModelConfig:
        """A model that is the fake server with *flags*."""
        port = free_port()
        values = {"proxy": f"http://127.0.0.1:{port}", "check_endpoint": "/health", "owns_port": True, **changes}
        command = (sys.executable, "-I", "-S", str(FAKE_SERVER), "--port", str(port), *flags)
        return self.spec(*command, **values)

    def begin(self, spec: ModelConfig) -> Run:
        run = self.prepare(spec)
        self._nursery.start_soon(run.life.run)
        return run

    def prepare(self, spec: ModelConfig) -> Run:
        run = Run(spec, len(self.runs))
        self.runs.append(run)
        return run
