"""The walls: builds the rooms, runs them in one nursery tree, and ends them in order.

::

    services   signals, dispatcher (and below it the models' lives), control plane, preload, listener and connections
    body       waits for the signal to stop, drains them in order (`shutdown`), and ends the services

Services open first and close last. A service that fails for good ends the daemon, non-zero, and takes every model
with it; the control plane alone may fail and is started again.
"""

import logging
import math
import signal
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from llamaswap import __version__, runtime_dir
from llamaswap.config.plan.plan import Plan
from llamaswap.config.schema import Config, ModelConfig, ModelId
from llamaswap.control.context import ControlContext, VersionInfo
from llamaswap.controlplane import ControlPlane
from llamaswap.dispatcher import Dispatcher
from llamaswap.errors import LlamaSwapError, ShuttingDownError
from llamaswap.forecaster import Forecaster
from llamaswap.gateway import address
from llamaswap.gateway.listener import Listener
from llamaswap.gateway.routes import Plane
from llamaswap.gateway.rules import Rules
from llamaswap.gateway.site import Site
from llamaswap.models.reclaim import reclaim_orphans
from llamaswap.proxy.handler import ModelHandler
from llamaswap.reload import FromFiles, ReadFiles, Reloader
from llamaswap.schedule.choose import rules_for, scheduler_for
from llamaswap.schedule.events import Event, Life
from llamaswap.shutdown import Shutdown
from llamaswap.state_dir import state_dir, timings_path
from llamaswap.stillness import Seen
from llamaswap.telemetry.logs import LogHub
from llamaswap.telemetry.timings import Timings
from llamaswap.watch import watch

if TYPE_CHECKING:
    from llamaswap.models.supervisor import ModelLife

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line settles.

    Attributes:
        read: Reads the configuration again; raises `ConfigError`.
        watched: The files to watch for a reload, or None not to.
        in_force: What they contained before they were loaded; changes since then count.
        afterwards: What else there is to do, once the daemon listens.
    """

    sockets: list[socket.socket]
    tls: ssl.SSLContext | None
    runtime_dir: Path
    read: ReadFiles
    watched: Callable[[], list[Path]] | None
    version: VersionInfo
    in_force: Seen = None
    afterwards: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint


class Daemon:
    """One run of the daemon."""

    def __init__(self, options: Options, first: FromFiles) -> None:
        self._options = options
        self._first = first
        self._preloads, self._preloading = trio.open_memory_channel[tuple[ModelId, ...]](math.inf)

    async def run(self) -> None:
        """Serve until a signal ends it, in good order.

        Raises:
            Exception: the core failed. No model outlives us all the same.
        """
        config = self._first.loaded.config
        hub = LogHub(config.log_to_stdout, config.log_level, config.log_time_format, stdout_fd=1)
        try:
            with hub.attached(logging.getLogger("llamaswap")):
                await self._run(hub)
                log.info("shutdown complete")
        finally:
            hub.close()

    async def _run(self, hub: LogHub) -> None:
        self._hub = hub
        self._build()
        self._announce()
        with self._journal():
            async with trio.open_nursery() as services:
                await services.start(self._watch_signals)
                await trio.to_thread.run_sync(reclaim_orphans)
                await services.start(self._dispatcher.run)
                await services.start(self._listener.serve)
                services.start_soon(self._options.afterwards)
                services.start_soon(self._control.run, self._shutdown.begun)
                services.start_soon(self._reloader.run)
                services.start_soon(self._preload)
                services.start_soon(self._timings.run)
                if self._options.watched is not None:
                    services.start_soon(watch, self._options.watched, self._reload_changed, self._options.in_force)
                await self._shutdown.run()
                services.cancel_scope.cancel("drained")

    def _build(self) -> None:
        config, options = self._first.loaded.config, self._options
        self._dispatcher = Dispatcher(config, scheduler_for(config), self._spawn)
        self._timings = Timings(timings_path(state_dir(), self._first.files))
        forecaster = Forecaster(self._dispatcher, self._timings.measured)
        self._reloader = Reloader(options.read, self._first, self._dispatcher, self._adopt)
        port = options.sockets[0].getsockname()[1]
        context = ControlContext(
            self._current, self._dispatcher, self._hub, options.version, self._reloader, forecaster
        )
        self._control = ControlPlane(runtime_dir.socket_path(options.runtime_dir, port), context)
        self._plane = Plane(
            rules=self._rules(config),
            handler=ModelHandler(self._current, self._dispatcher, forecaster),
            alive=lambda: self._dispatcher.alive,
            control=self._control.upstream,
            control_ready=lambda: self._control.ready,
            log_line=partial(self._hub.proxy_line, "info"),
        )
        self._site = Site(self._plane.answer, config.stall_timeout)
        self._listener = Listener(options.sockets, self._site, options.tls)
        self._shutdown = Shutdown(self._hub, self._reloader, self._listener, self._dispatcher, self._control)

    @contextmanager
    def _journal(self) -> Iterator[None]:
        """Keep the scheduler's journal while the block runs, if the configuration names a directory for it."""
        config = self._first.loaded.config
        if not config.journal.path:
            yield
            return
        from llamaswap.telemetry.journal_file import JournalFile  # noqa: PLC0415 - few keep one

        rules = {model: rules_for(spec) for model, spec in config.models.items()}
        journal = JournalFile(config.journal, lambda: self._dispatcher.scheduling, rules, trio.current_time())
        self._dispatcher.observe(journal.on_pass)
        try:
            yield
        finally:
            journal.close()

    def _current(self) -> Config:
        return self._reloader.config

    def _rules(self, config: Config) -> Rules:
        return Rules(config, loopback_only=all(address.is_loopback(sock) for sock in self._options.sockets))

    def _spawn(self, spec: ModelConfig, life: Life, post: Callable[[Event], None]) -> "ModelLife":
        from llamaswap.models.supervisor import ModelLife  # noqa: PLC0415 - the daemon listens without it

        return ModelLife(spec, life, post, self._hub.model(spec.id))

    def _announce(self) -> None:
        for problem in self._first.loaded.warnings:
            log.warning("config: %s", problem)
        scheme = "https" if self._options.tls else "http"
        for sock in self._options.sockets:
            log.info("llamaswap %s listening on %s://%s", __version__, scheme, address.shown(sock))
        if not all(address.is_loopback(sock) for sock in self._options.sockets) and not self._current().api_keys:
            log.warning("every machine that can reach this address may use it: set apiKeys, or -listen 127.0.0.1:PORT")

    async def _preload(self) -> None:
        """Load what the configuration lists, and after a reload what is new or changed of it; one after the other."""
        self._preloads.send_nowait(self._current().preload)
        async for models in self._preloading:
            for model in models:
                try:
                    await self._dispatcher.load(model)
                except LlamaSwapError as error:
                    log.error("failed to preload model %s: %s", model, error)

    # -- signals ----------------------------------------------------------------------------------------------------

    async def _watch_signals(self, *, task_status: trio.TaskStatus[None]) -> None:
        received = trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        with received as signals:
            task_status.started()
            async for number in signals:
                if number == signal.SIGHUP:
                    self._reloader.ask("SIGHUP")
                else:
                    self._shutdown.signalled(signal.Signals(number).name)

    # -- reloads ----------------------------------------------------------------------------------------------------

    async def _reload_changed(self) -> None:
        with suppress(ShuttingDownError):
            await self._reloader.reload("a change of the files")

    def _adopt(self, config: Config, plan: Plan) -> None:
        """Let *config* hold everywhere outside the dispatcher."""
        self._plane.rules = self._rules(config)
        self._site.stall_s = config.stall_timeout
        self._hub.configure(config.log_level, config.log_time_format, config.log_to_stdout)
        self._hub.keep_only(frozenset(config.models))
        self._preloads.send_nowait(plan.preload)
