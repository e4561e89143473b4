"""The real dispatcher and scheduler of a configuration, over lives that the test's clock rules."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio
from trio.testing import wait_all_tasks_blocked

from llamaswap.config.load import load_text
from llamaswap.config.schema import Config, ModelConfig, ModelId
from llamaswap.dispatcher import Dispatcher, Lease
from llamaswap.errors import LlamaSwapError
from llamaswap.schedule.choose import scheduler_for
from llamaswap.schedule.events import Event, Exited, Life, Started, StartFailed

APART = {"one": {"exclusive": False, "members": ["a"]}, "two": {"exclusive": False, "members": ["b"]}}
TOGETHER = {"all": {"swap": False, "members": ["a", "b", "c"]}}


def configured(use: str, models: dict[str, Any], **keys: Any) -> Config:
    """The configuration of *models*, each with a command and an address, and with the scheduler *use*."""
    entries = {name: {"cmd": f"serve {name}", "proxy": "http://127.0.0.1:1", **entry} for name, entry in models.items()}
    groups = keys.pop("groups", None)
    routing: dict[str, Any] = {"scheduler": {"use": use}}
    if groups is not None:
        routing["router"] = {"use": "group", "settings": {"groups": groups}}
    return load_text(json.dumps({"models": entries, "routing": routing, **keys}), "c.yaml", {}).config


class FakeLife:
    """A model's life, which takes as long as the world says to load and to stop, and ends when it is told to."""

    def __init__(self, spec: ModelConfig, life: Life, post: Callable[[Event], None], world: "RouterWorld") -> None:
        self.spec, self.model, self.life, self._post, self._world = spec, spec.id, life, post, world
        self.pid: int | None = None
        self.graces: list[float] = []
        self.ready = False
        self.gone = False
        self._end = trio.Event()

    async def run(self) -> None:
        assert not [other for other in self._world.alive() if other.model == self.model], f"two lives of {self.model}"
        self._world.lives.append(self)
        self._world.history.append(f"start {self.model}")
        try:
            with trio.move_on_after(self._world.load_s.get(self.model, 1.0)):
                await self._end.wait()
            if not self._end.is_set():
                self.become_ready()
                await self._end.wait()
            await trio.sleep(self._world.stop_s.get(self.model, 0.5))
        finally:
            self.gone = True
        self._world.history.append(f"gone {self.model}")
        self._post(Exited(self.model, self.life, "exit code 0"))

    def become_ready(self) -> None:
        """At this very moment, if it is not ready yet."""
        if self.ready or self._end.is_set():
            return
        if self.model in self._world.failing:
            self.die()
        else:
            self.ready = True
            self._world.history.append(f"ready {self.model}")
            self._post(Started(self.model, self.life))

    def die(self) -> None:
        """At this very moment, and nothing is left of it."""
        self.gone = True
        self._end.set()
        fact = Exited if self.ready else StartFailed
        self._post(fact(self.model, self.life, "signal SIGKILL"))

    def stop(self, grace: float) -> None:
        self.graces.append(grace)
        self._world.history.append(f"stop {self.model} {grace:g}")
        self._end.set()


class RouterWorld:
    """A dispatcher, and what happened to the models.

    Attributes:
        load_s, stop_s: By model, where they are not a second and half a second.
        failing: Models whose lives die instead of becoming ready.
        lives: In the order in which they began.
        history: ``start``, ``ready``, ``stop`` (with the grace) and ``gone``, each with the model.
    """

    def __init__(self, config: Config) -> None:
        self.load_s: dict[str, float] = {}
        self.stop_s: dict[str, float] = {}
        self.failing: set[str] = set()
        self.lives: list[FakeLife] = []
        self.history: list[str] = []
        self.dispatcher = Dispatcher(config, scheduler_for(config), self._spawn)

    def _spawn(self, spec: ModelConfig, life: Life, post: Callable[[Event], None]) -> FakeLife:
        return FakeLife(spec, life, post, self)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Dispatcher]:
        """The dispatcher at work. At the end nobody may be counted any more."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.dispatcher.run)
            yield self.dispatcher
            assert self.dispatcher.waiting() == []
            assert [running for running in self.dispatcher.running() if running.requests] == []
            nursery.cancel_scope.cancel()

    def alive(self) -> list[FakeLife]:
        return [life for life in self.lives if not life.gone]

    def loaded(self) -> list[str]:
        return sorted(life.model for life in self.alive())

    def told(self, what: str) -> list[str]:
        """The models of which the history tells *what*, in order."""
        return [line.split()[1] for line in self.history if line.split()[0] == what]

    async def life(self, model: str) -> FakeLife:
        """The life of *model* that has just been ordered, once it runs."""
        await wait_all_tasks_blocked()
        return next(life for life in reversed(self.lives) if life.model == model)


class Client:
    """A request, and what became of it.

    Attributes:
        outcome: ``served`` once it was, or the error; None while it waits, and if it leaves before.
        scope: Cancel it, and the client is gone.
    """

    def __init__(self, model: str, for_s: float = 0.0) -> None:
        self.model = ModelId(model)
        self.for_s = for_s
        self.outcome: str | LlamaSwapError | None = None
        self.scope = trio.CancelScope()
        self.lease: Lease | None = None
        self.ended_at = 0.0

    async def run(self, dispatcher: Dispatcher) -> None:
        try:
            with self.scope, dispatcher.request(self.model) as lease:
                self.lease = lease
                await lease.wait()
                self.outcome = "served"
                await trio.sleep(self.for_s)
        except LlamaSwapError as error:
            self.outcome = error
        self.ended_at = trio.current_time()


async def arrive(nursery: trio.Nursery, dispatcher: Dispatcher, model: str, for_s: float = 0.0) -> Client:
    """A client whose request has arrived."""
    client = Client(model, for_s)
    nursery.start_soon(client.run, dispatcher)
    await wait_all_tasks_blocked()
    return client
