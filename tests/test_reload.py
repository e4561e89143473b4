"""Reloads: one after the other, all or nothing, and never in the way of the end."""

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from llamaswap import reload as reloading
from llamaswap.config.load import Loaded, PortsInUse
from llamaswap.config.plan.plan import Plan
from llamaswap.config.schema import Config, ModelConfig, ModelId
from llamaswap.config.text.problems import Problem
from llamaswap.dispatcher import Dispatcher
from llamaswap.errors import ConfigError, ShuttingDownError
from llamaswap.reload import FromFiles, Reloader
from llamaswap.schedule.choose import scheduler_for
from llamaswap.schedule.events import Event, Exited, Life, Started

FILES = (Path("c.yaml"),)


def config(*names: str, **keys: object) -> Config:
    models = {ModelId(n): ModelConfig(ModelId(n), argv=("srv",), proxy="http://localhost:1") for n in names}
    return replace(Config(models=models, names={n: n for n in models}), **keys)  # type: ignore[arg-type] # by name


class Process:
    """Ready at once, gone when stopped."""

    pid = None

    def __init__(self, spec: ModelConfig, life: Life, post: Callable[[Event], None]) -> None:
        self._spec, self._life, self._post = spec, life, post
        self._stopped = trio.Event()

    async def run(self) -> None:
        self._post(Started(self._spec.id, self._life))
        await self._stopped.wait()
        self._post(Exited(self._spec.id, self._life))

    def stop(self, grace: float) -> None:
        self._stopped.set()


@dataclass
class Disk:
    """What reads give: one thing after the other, the last one for ever. A closed gate keeps them."""

    contents: list[Config | Exception]
    reads: int = 0
    in_use: list[PortsInUse] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    begun: threading.Event = field(default_factory=threading.Event)
    warnings: tuple[Problem, ...] = ()

    def __post_init__(self) -> None:
        self.gate.set()

    def read(self, in_use: PortsInUse) -> FromFiles:
        content = self.contents[min(self.reads, len(self.contents) - 1)]
        self.reads += 1
        self.in_use.append(in_use)
        self.begun.set()
        self.gate.wait(30)
        if isinstance(content, Exception):
            raise content
        return FromFiles(FILES, Loaded(content, self.warnings))


@dataclass
class House:
    disk: Disk
    dispatcher: Dispatcher
    reloader: Reloader
    adopted: list[tuple[Config, Plan]]


@asynccontextmanager
async def house(first: Config, *contents: Config | Exception) -> AsyncIterator[House]:
    disk, adopted = Disk(list(contents)), list[tuple[Config, Plan]]()
    dispatcher = Dispatcher(first, scheduler_for(first), Process)
    start = FromFiles(FILES, Loaded(first, ()))
    reloader = Reloader(disk.read, start, dispatcher, lambda new, plan: adopted.append((new, plan)))
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            await nursery.start(dispatcher.run)
            nursery.start_soon(reloader.run)
            try:
                yield House(disk, dispatcher, reloader, adopted)
            finally:
                disk.gate.set()
            nursery.cancel_scope.cancel()


async def test_a_good_configuration_is_adopted_and_told() -> None:
    new = config("a", "b")
    async with house(config("a"), new) as here:
        assert here.reloader.last is None
        attempt = await here.reloader.reload("SIGHUP")
        assert (attempt.trigger, attempt.error, attempt.problems) == ("SIGHUP", "", ())
        assert attempt.plan is not None
        assert [each.model for each in attempt.plan.of("added")] == ["b"]
        assert here.adopted == [(new, attempt.plan)]
        assert here.reloader.config is new
        assert here.reloader.last is attempt
        assert here.reloader.in_force.generation == 2
        await here.dispatcher.load(ModelId("b"))


async def test_a_bad_one_changes_nothing_and_says_why() -> None:
    first = config("a")
    problem = Problem("error", "x", ("models",), None, "is no good")
    async with house(first, ConfigError("it is no good", (problem,))) as here:
        attempt = await here.reloader.reload("SIGHUP")
        assert (attempt.plan, attempt.error, attempt.problems) == (None, "it is no good", (problem,))
        assert here.reloader.last is attempt
        assert here.reloader.config is first
        assert here.reloader.in_force.generation == 1
        assert here.adopted == []


async def test_a_mistake_of_ours_is_no_end_of_the_daemon(caplog: pytest.LogCaptureFixture) -> None:
    async with house(config("a"), RecursionError("planted"), config("b")) as here:
        attempt = await here.reloader.reload("SIGHUP")
        assert "an error of llamaswap itself while loading (RecursionError)" in attempt.error
        assert "planted" in caplog.text
        assert (await here.reloader.reload("SIGHUP")).plan is not None


async def test_who_asks_while_one_runs_shares_the_next_and_the_last_write_wins() -> None:
    """Three ask during a reload: one more follows, which reads what is there by then."""
    async with house(config("a"), config("b"), config("c"), config("d")) as here, trio.open_nursery() as askers:
        here.disk.gate.clear()
        here.reloader.ask("first")
        await trio.to_thread.run_sync(here.disk.begun.wait)
        attempts = []

        async def ask(trigger: str) -> None:
            attempts.append(await here.reloader.reload(trigger))

        for trigger in ("SIGHUP", "SIGHUP", "POST"):
            askers.start_soon(ask, trigger)
        await wait_all_tasks_blocked()
        here.disk.gate.set()
        while len(attempts) < 3:
            await wait_all_tasks_blocked(0.001)
        assert {each.trigger for each in attempts} <= {"SIGHUP, POST", "POST, SIGHUP"}
        assert len({id(each) for each in attempts}) == 1
        assert here.disk.reads == 2
        assert list(here.reloader.config.models) == ["c"]


async def test_who_leaves_does_not_take_the_reload_back() -> None:
    async with house(config("a"), config("b")) as here:
        here.disk.gate.clear()
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(here.reloader.reload, "POST")
                await trio.to_thread.run_sync(here.disk.begun.wait)
                scope.cancel()
        here.disk.gate.set()
        while here.reloader.last is None:
            await wait_all_tasks_blocked(0.001)
        assert list(here.reloader.config.models) == ["b"]


async def test_a_rehearsal_does_nothing() -> None:
    async with house(config("a"), config("b"), ConfigError("bad")) as here:
        attempt = await here.reloader.rehearse("POST")
        assert attempt.plan is not None
        assert [each.fate for each in attempt.plan.models] == ["added", "removed"]
        assert (await here.reloader.rehearse("POST")).error == "bad"
        assert (here.adopted, here.reloader.last, here.reloader.in_force.generation) == ([], None, 1)


async def test_a_disk_that_does_not_answer_costs_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    async with house(config("a"), config("b")) as here:
        here.disk.gate.clear()
        monkeypatch.setattr(reloading, "LOAD_S", 0.05)
        for _ in range(3):
            attempt = await here.reloader.reload("SIGHUP")
            assert "could not be read within 0.05 s" in attempt.error
        assert here.disk.reads == 1
        here.disk.gate.set()
        monkeypatch.setattr(reloading, "LOAD_S", 30)
        assert (await here.reloader.reload("SIGHUP")).plan is not None


async def test_nothing_is_replaced_once_the_end_has_begun() -> None:
    async with house(config("a"), config("b")) as here, trio.open_nursery() as nursery:
        here.disk.gate.clear()
        refused = []

        async def ask() -> None:
            with pytest.raises(ShuttingDownError):
                await here.reloader.reload("POST")
            refused.append(True)

        here.reloader.ask("SIGHUP")
        await trio.to_thread.run_sync(here.disk.begun.wait)
        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        here.reloader.close()
        await ask()
        here.disk.gate.set()
        while here.reloader.last is None:
            await wait_all_tasks_blocked(0.001)
        assert "shutting down" in here.reloader.last.error
        assert len(refused) == 2
        assert here.adopted == []


async def test_what_is_started_while_a_reload_reads_does_not_lose_its_port() -> None:
    """A is removed, and its port given to b; but a is started in the meantime. Then b gets another one."""
    a, b = (
        ModelConfig(ModelId(n), argv=("srv", "1"), proxy="http://localhost:1", port=5800, owns_port=True) for n in "ab"
    )
    elsewhere = replace(b, port=5801)
    first, taken, free = (Config(models={m.id: m}, names={m.id: m.id}) for m in (a, b, elsewhere))
    async with house(first, taken, free) as here:
        here.disk.gate.clear()
        asked = here.reloader.ask("SIGHUP")
        await trio.to_thread.run_sync(here.disk.begun.wait)
        await here.dispatcher.load(ModelId("a"))
        here.disk.gate.set()
        await asked.done.wait()
        assert here.reloader.config is free
        assert (dict(here.disk.in_use[0].kept), here.disk.in_use[0].busy) == ({"a": 5800}, frozenset())
        assert (dict(here.disk.in_use[1].kept), here.disk.in_use[1].busy) == ({"a": 5800}, frozenset({5800}))


async def test_a_warning_is_logged_when_it_is_new(caplog: pytest.LogCaptureFixture) -> None:
    async with house(config("a"), config("a")) as here:
        here.disk.warnings = (Problem("warning", "x", ("models",), None, "looks odd"),)
        for _ in range(2):
            attempt = await here.reloader.reload("SIGHUP")
            assert attempt.problems == here.disk.warnings
    assert caplog.text.count("looks odd") == 1


async def test_many_reloads_leave_no_task_behind() -> None:
    """Each changes the model whose request is being served, so that it is started anew for the next one."""
    first = config("a", "b")
    async with house(first, first) as here:
        tasks = []
        for number in range(50):
            with here.dispatcher.request(ModelId("a")) as lease:
                await lease.wait()
                models = {name: replace(model, argv=(str(number),)) for name, model in first.models.items()}
                here.disk.contents[:] = [replace(first, models=models)]
                attempt = await here.reloader.reload("POST")
                assert attempt.plan is not None
                assert attempt.plan.outdated == {"a", "b"}
            await wait_all_tasks_blocked()
            tasks.append(trio.lowlevel.current_statistics().tasks_living)
        assert max(tasks[1:]) <= tasks[0]
