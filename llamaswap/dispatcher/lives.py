"""The lives of the models: begun and stopped as ordered, followed by the facts that they report."""

import os
import signal
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

import trio

from llamaswap.config.schema import ModelConfig, ModelId
from llamaswap.models.upstream import Upstream
from llamaswap.schedule.events import Dying, Event, Exited, Life, Started, StartFailed, StopFailed


class ModelProcess(Protocol):
    """What is needed of a model's life; see `llamaswap.models.supervisor.ModelLife`."""

    @property
    def pid(self) -> int | None:
        """The model's own pid, once spawned."""

    async def run(self) -> None:
        """Live from spawn to the end of the last process, posting facts."""

    def stop(self, grace: float) -> None:
        """Begin to stop, or hurry a stop; the earliest kill time wins."""


Spawn = Callable[[ModelConfig, Life, Callable[[Event], None]], ModelProcess]


@dataclass(slots=True)
class Run:
    """A life that has been started and has not reported its end.

    Attributes:
        outdated: A reload has changed or removed its model; it takes no new requests.
        holding: Around what it waits for before it begins.
        gone: Set when nothing more will come of it, so that another may take its address.
    """

    spec: ModelConfig
    process: ModelProcess
    upstream: Upstream
    since: float
    ready: bool = False
    outdated: bool = False
    holding: trio.CancelScope = field(default_factory=trio.CancelScope)
    gone: trio.Event = field(default_factory=trio.Event)


class Lives:
    """Every run that has not reported its end, each a task of *nursery*.

    They are our own books about processes; the scheduler keeps its own about models.

    Attributes:
        nursery: Where lives begin; to be set before the first does.
    """

    def __init__(self, spawn: Spawn, post: Callable[[Event], None]) -> None:
        self._spawn = spawn
        self._post = post
        self._runs: dict[Life, Run] = {}
        self._quiet = trio.Event()
        self.nursery: trio.Nursery | None = None

    def find(self, life: Life) -> Run | None:
        """The run of *life*, unless that has ended."""
        return self._runs.get(life)

    def items(self) -> Iterator[tuple[Life, Run]]:
        """Each of them, oldest first."""
        return iter(self._runs.items())

    def start(self, spec: ModelConfig, life: Life, now: float) -> None:
        """Begin *life*, as soon as those that reloads have made it follow at the same port are gone."""
        run = Run(spec, self._spawn(spec, life, self._post), Upstream.for_model(spec), now)
        before = [other for other in self._runs.values() if other.outdated and _port(other.spec) == _port(spec)]
        self._runs[life] = run
        if self._quiet.is_set():
            self._quiet = trio.Event()
        assert self.nursery is not None
        self.nursery.start_soon(_live, run, before, name=f"model {spec.id} (life {life})")

    def stop(self, life: Life, grace: float, now: float) -> None:
        """Begin to stop *life*, or hurry its stop."""
        if run := self._runs.get(life):
            run.since = now
            run.process.stop(grace)
            run.holding.cancel("stopped before it began")

    def note(self, event: Event, now: float) -> None:
        """Take notice of what *event* says of a life, if anything."""
        match event:
            case Started(_, life) if run := self._runs.get(life):
                run.ready, run.since = True, now
            case Dying(_, life) if run := self._runs.get(life):
                run.since = now
            case StopFailed(_, life) if run := self._runs.get(life):
                run.gone.set()
            case StartFailed(_, life) | Exited(_, life) if run := self._runs.pop(life, None):
                run.upstream.close()
                run.gone.set()
                if not self._runs:
                    self._quiet.set()
            case _:
                pass

    def outdate(self, models: Mapping[ModelId, ModelConfig], changed: Container[ModelId]) -> None:
        """Note which lives cannot go on now that *models* hold: the *changed* ones, and those that are no more."""
        for run in self._runs.values():
            run.outdated = run.outdated or run.spec.id in changed or run.spec.id not in models

    async def all_gone(self) -> None:
        """Wait until none is left."""
        while self._runs:
            await self._quiet.wait()

    def kill_now(self) -> None:
        """SIGKILL to every model's process group."""
        for run in self._runs.values():
            pid = run.process.pid
            if pid is not None:
                with suppress(OSError):
                    os.killpg(pid, signal.SIGKILL)


async def _live(run: Run, before: Sequence[Run]) -> None:
    """Run it, once those *before* it are gone."""
    with run.holding:
        for other in before:
            await other.gone.wait()
    await run.process.run()


def _port(spec: ModelConfig) -> int | None:
    try:
        return urlsplit(spec.proxy).port
    except ValueError:
        return None
