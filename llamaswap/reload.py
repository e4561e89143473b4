"""Reloads: load everything, compare, say what will happen, and only then let it happen, in one step.

One task carries them out, one after the other. Whoever asks while one runs shares the next one with all others who do:
that one begins after they asked, so the last of several writes is always read. A configuration that cannot be loaded
changes nothing; why, can be read in the log and as `Reloader.last`.
"""

import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import trio

from llamaswap.config.load import Loaded, PortsInUse
from llamaswap.config.plan.plan import Alive, Plan, make_plan
from llamaswap.config.schema import Config
from llamaswap.config.text.problems import Problem
from llamaswap.configfiles import FromFiles, ReadFiles
from llamaswap.dispatcher import Dispatcher
from llamaswap.errors import ConfigError, LlamaSwapError, ShuttingDownError

__all__ = ["Attempt", "FromFiles", "InForce", "ReadFiles", "Reloader"]

log = logging.getLogger(__name__)

#: A disk that takes longer does not answer.
LOAD_S = 30.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One reload, or what one would do.

    Attributes:
        trigger: Who asked for it, for people.
        at: Seconds since 1970 when it began.
        took_s: How long it took.
        plan: What it did; None if it failed.
        error: Why it failed, for people; empty if it did not.
        problems: One by one, what is wrong with the configuration that was read; its warnings, if it can be used.
    """

    trigger: str
    at: float
    took_s: float
    plan: Plan | None = None
    error: str = ""
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class InForce:
    """The configuration that holds, since when (seconds since 1970), and how many there were before it, plus one."""

    config: Config
    files: tuple[Path, ...]
    warnings: tuple[Problem, ...]
    since: float
    generation: int


@dataclass(slots=True)
class Asked:
    """A reload that somebody has asked for. Once `done` is set, `attempt` is what came of it; None if there is none."""

    triggers: list[str]
    done: trio.Event = field(default_factory=trio.Event)
    attempt: Attempt | None = None


class Reloader:
    """Owns the configuration in force.

    Args:
        read: Reads the files. Runs in a thread.
        first: What the daemon begins with.
        dispatcher: Whose models and queue are compared, and who is told first.
        adopt: Lets all others have the new configuration. Synchronous; must not fail.

    Attributes:
        in_force: The configuration that holds.
        last: The last attempt that was made to replace it; None if there was none.
    """

    def __init__(
        self, read: ReadFiles, first: FromFiles, dispatcher: Dispatcher, adopt: Callable[[Config, Plan], None]
    ) -> None:
        loaded = first.loaded
        self.in_force = InForce(loaded.config, first.files, loaded.warnings, time.time(), 1)
        self.last: Attempt | None = None
        self._read = read
        self._dispatcher = dispatcher
        self._adopt = adopt
        self._asked: Asked | None = None
        self._wake = trio.Event()
        self._closed = False
        # A read that was given up still holds its place, so that a dead disk costs one thread and not one a reload.
        self._limiter = trio.CapacityLimiter(1)

    @property
    def config(self) -> Config:
        """The configuration that holds at this moment."""
        return self.in_force.config

    async def run(self) -> None:
        """Carry reloads out until cancelled."""
        while True:
            await self._wake.wait()
            asked, self._asked, self._wake = self._asked, None, trio.Event()
            assert asked is not None
            asked.attempt = await self._reload(", ".join(dict.fromkeys(asked.triggers)))
            asked.done.set()

    async def reload(self, trigger: str) -> Attempt:
        """Wait for a reload that begins after this call, and return what came of it.

        Cancelling the wait does not take the reload back.

        Raises:
            ShuttingDownError: there will be none.
        """
        asked = self.ask(trigger)
        await asked.done.wait()
        if asked.attempt is None:
            raise ShuttingDownError("the daemon is shutting down")
        return asked.attempt

    def ask(self, trigger: str) -> Asked:
        """Have a reload carried out without waiting for it."""
        if self._asked is None:
            self._asked = Asked([])
            self._wake.set()
        self._asked.triggers.append(trigger)
        if self._closed:
            self._asked.done.set()
        return self._asked

    async def rehearse(self, trigger: str) -> Attempt:
        """Return what a reload would do now, and do nothing."""
        at, began = time.time(), trio.current_time()
        try:
            new, plan = await self._prepare()
        except LlamaSwapError as error:
            return _failed(trigger, at, began, error)
        return Attempt(trigger, at, trio.current_time() - began, plan, problems=new.loaded.warnings)

    def close(self) -> None:
        """The daemon stops: nothing is replaced any more."""
        self._closed = True
        if self._asked is not None:
            self._asked.done.set()

    async def _reload(self, trigger: str) -> Attempt:
        at, began = time.time(), trio.current_time()
        log.info("reload: started trigger=%s", trigger)
        try:
            new, plan = await self._prepare()
            if self._closed:
                raise ShuttingDownError("the daemon is shutting down")
        except LlamaSwapError as error:
            log.warning("reload: the configuration is unchanged: %s", error)
            self.last = _failed(trigger, at, began, error)
            return self.last
        from llamaswap.config.plan.text import plan_lines  # noqa: PLC0415 - the daemon listens without it

        log.info("reload: %s", "\n  ".join(plan_lines(plan)))
        self._carry_out(new, plan)
        log.info("reload: done models=%d generation=%d", len(self.config.models), self.in_force.generation)
        self.last = Attempt(trigger, at, trio.current_time() - began, plan, problems=new.loaded.warnings)
        return self.last

    async def _prepare(self) -> tuple[FromFiles, Plan]:
        """Load what would hold, and compare it with what holds at this very moment. Raises `LlamaSwapError`."""
        from llamaswap.config.plan.sticky import fits  # noqa: PLC0415 - as above

        for careful in (False, True):
            new = await self._load(self._dispatcher.alive_models(), careful=careful)
            alive = self._dispatcher.alive_models()
            if fits(new.loaded.config, alive):
                break  # else models have come up meanwhile whose ports were thought to be free
        return new, make_plan(self.config, new.loaded.config, alive, self._dispatcher.waiting_counts())

    async def _load(self, alive: Collection[Alive], *, careful: bool) -> FromFiles:
        with trio.move_on_after(LOAD_S):
            load = partial(_load, self._read, self.config, alive, careful=careful)
            return await trio.to_thread.run_sync(load, abandon_on_cancel=True, limiter=self._limiter)
        raise ConfigError(f"the files could not be read within {LOAD_S:g} s: is their disk there?")

    def _carry_out(self, new: FromFiles, plan: Plan) -> None:
        """One step for the event loop: nobody ever sees a part of it."""
        known = set(map(str, self.in_force.warnings))
        for problem in new.loaded.warnings:
            if str(problem) not in known:
                log.warning("config: %s", problem)
        config, generation = new.loaded.config, self.in_force.generation + 1
        self.in_force = InForce(config, new.files, new.loaded.warnings, time.time(), generation)
        self._dispatcher.replace_config(config, plan.outdated)
        self._adopt(config, plan)


def _load(read: ReadFiles, current: Config, alive: Collection[Alive], *, careful: bool) -> FromFiles:
    from llamaswap.config.plan.sticky import load_again  # noqa: PLC0415 - as above

    files: tuple[Path, ...] = ()

    def load(in_use: PortsInUse) -> Loaded:
        nonlocal files
        new = read(in_use)
        files = new.files
        return new.loaded

    try:
        loaded = load_again(load, current, alive, careful=careful)
    except LlamaSwapError:
        raise
    except Exception as bug:
        log.exception("reload: the configuration could not be loaded")
        raise ConfigError(f"an error of llamaswap itself while loading ({type(bug).__name__}); see the log") from bug
    return FromFiles(files, loaded)


def _failed(trigger: str, at: float, began: float, error: LlamaSwapError) -> Attempt:
    problems = tuple(each for each in getattr(error, "problems", ()) if isinstance(each, Problem))
    return Attempt(trigger, at, trio.current_time() - began, error=str(error), problems=problems)
