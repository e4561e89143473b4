"""One model's life: from the spawn of its process, under a guard, to the end of the last process of its tree.

    starting --healthy--> ready --stop, or its own end--> stopping --tree gone--> stopped
        `--exit, time-out, stop--------------------------^

`state` is for display. Decisions are taken by the scheduler from the facts posted here: `Started` at most once, then
exactly one of `Exited` and `StartFailed`, and that only when nothing of the tree is left. `Dying` may come before: at
once if a ready model's leader ends, and if a tree outlives its chance to become ready by half a second. So may
`StopFailed`.
"""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal, Protocol

import trio

from llamaswap.config.effective import masks
from llamaswap.config.schema import ModelConfig
from llamaswap.models.command import command_for, stop_command_for
from llamaswap.models.health import HealthProbe
from llamaswap.models.ports import describe_listener, listening_inodes
from llamaswap.models.process import GuardedProcess
from llamaswap.models.proctable import read_process
from llamaswap.models.readiness import Stir, tree_listens, wait_until_healthy
from llamaswap.models.reports import LeaderExited, Report, Spawned, SpawnFailed, Stuck
from llamaswap.schedule.events import Dying, Event, Exited, Life, Started, StartFailed, StopFailed

logger = logging.getLogger(__name__)

State = Literal["starting", "ready", "stopping", "stopped"]

FAILED_START_GRACE_S = 5.0
#: A tree that fails to start usually goes at once; if not, those who wait are told by then, without its last words.
LINGER_S = 0.5
TAIL_BYTES = 2048


class OutputSink(Protocol):
    """Where a model's output goes."""

    def write(self, data: bytes) -> None:
        """Take in a piece; must not block."""

    def tail(self, limit_bytes: int) -> bytes:
        """The last bytes written, at most so many."""


class ModelLife:
    """One run of one model's process tree.

    Args:
        spec: The model.
        life: The number the scheduler gave this run.
        post: Called with each fact, synchronously, from within `run`.
        log: Takes everything the tree writes.

    Attributes:
        state: For display only.
        pid: The model's own process, once spawned.
        started_at: When `run` began, on Trio's clock.
        ready_at: When the model became ready.
    """

    def __init__(self, spec: ModelConfig, life: Life, post: Callable[[Event], None], log: OutputSink) -> None:
        self.state: State = "starting"
        self.pid: int | None = None
        self.started_at: float | None = None
        self.ready_at: float | None = None
        self._spec = spec
        self._life = life
        self._post = post
        self._log = log
        self._written = 0
        self._stir = Stir()
        self._spawned = trio.Event()
        self._doomed = trio.Event()
        self._starting = trio.CancelScope()
        self._stop_asked = False
        self._failure: str | None = None
        self._ending = ""
        self._stuck = False
        self._process: GuardedProcess | None = None

    def __repr__(self) -> str:
        return f"<ModelLife {self._spec.id}#{self._life} {self.state} pid={self.pid}>"

    def stop(self, grace: float) -> None:
        """End the life: the stop command or SIGTERM, then SIGKILL after *grace* seconds.

        Returns at once; `Exited` follows. Repeatable, also before `run`: the earliest kill time counts.
        """
        if self.state == "stopped":
            return
        self._stop_asked = True
        self._end(grace)

    async def run(self) -> None:
        """Live the life; return when the tree is gone and the last fact is posted. Expected failures are not raised.

        Cancelling it ends the tree with 1 s grace, which is waited for.
        """
        self.started_at = trio.current_time()
        try:
            await self._live()
        finally:
            self.state = "stopped"
            if self._process is None or not self._process.abandoned:
                self._post(self._last_fact())

    async def _live(self) -> None:
        try:
            self._starting.deadline = trio.current_time() + self._spec.health_check_timeout
            probe = self._make_probe()
            self._process = GuardedProcess(command_for(self._spec), self._hear, self._write)
        except (OSError, ValueError) as error:
            self._failure = str(error)
            return
        if self._spec.owns_port and probe is not None and listening_inodes(probe.port):
            listener = await trio.to_thread.run_sync(describe_listener, probe.port)
            if listener is not None:
                self._failure = f"port {probe.port} is already in use by {listener}: stop it or change startPort"
                return
        if self._stop_asked:
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._become_ready, probe)
            nursery.start_soon(self._tell_if_lingering)
            await self._process.run()
            nursery.cancel_scope.cancel("the tree is gone")

    async def _tell_if_lingering(self) -> None:
        """Post `Dying` when a start has failed, and its tree takes its time."""
        await self._doomed.wait()
        await trio.sleep(LINGER_S)
        self._tell_dying()

    def _tell_dying(self) -> None:
        self._post(Dying(self._spec.id, self._life, self._explain_failure() if self._failure else self._ending))

    def _make_probe(self) -> HealthProbe | None:
        endpoint = self._spec.check_endpoint.strip()
        probe = HealthProbe(self._spec.proxy, endpoint)
        return None if endpoint == "none" else probe

    async def _become_ready(self, probe: HealthProbe | None) -> None:
        """Post `Started` when the model is; end the tree when that takes too long."""
        timeout = self._spec.health_check_timeout
        with self._starting:
            await self._spawned.wait()
            self._starting.deadline = trio.current_time() + timeout
            if probe is not None:
                try:
                    await wait_until_healthy(probe, self._stir, partial(self._answers_itself, probe.port))
                    if self._leader_is_dead():
                        await trio.sleep_forever()  # whoever answered, the report of its end is on the way
                finally:
                    await probe.aclose()
                logger.info("<%s> Health check passed on %s", self._spec.id, probe.url)
            if not self._starting.cancel_called:
                self._announce_ready()
                return
        if not self._leaving():
            self._failure = f"health check timed out after {timeout:g}s"
            self._doomed.set()
            logger.warning("model not ready in time model=%s timeout_s=%g", self._spec.id, timeout)
            self._end(FAILED_START_GRACE_S)

    async def _answers_itself(self, port: int) -> bool:
        """Our tree listens on *port*, as far as can be known. A port that we did not give out may be anybody's."""
        guard = self._process.guard_pid if self._process else None
        return not self._spec.owns_port or not guard or await tree_listens(port, self.pid or 0, guard)

    def _leader_is_dead(self) -> bool:
        row = read_process(self.pid or 0)
        return row.state in "ZX" if row else Path("/proc/self/stat").exists()

    def _announce_ready(self) -> None:
        self.state = "ready"
        self.ready_at = trio.current_time()
        logger.info("model ready model=%s pid=%s load_s=%.2f", self._spec.id, self.pid, self._age())
        self._post(Started(self._spec.id, self._life))

    def _hear(self, report: Report) -> None:
        match report:
            case Spawned(pid):
                self.pid = pid
                self._spawned.set()
                logger.info("model started model=%s pid=%d", self._spec.id, pid)
            case SpawnFailed(reason):
                self._failure = f"failed to start command {masks.command(self._spec.cmd)!r}: {reason}"
            case LeaderExited(how):
                self._leader_exited(how)
            case Stuck(pids) if not self._stuck:
                self._stuck = True
                detail = f"processes {', '.join(map(str, pids))} survive SIGKILL"
                logger.error("model cannot be stopped model=%s pids=%s", self._spec.id, pids)
                self._post(StopFailed(self._spec.id, self._life, detail))

    def _leader_exited(self, how: str) -> None:
        self._starting.cancel("the model's process has ended")
        self._ending = how
        if self._leaving():
            return
        if self.state == "ready":
            logger.warning("<%s> upstream process exited unexpectedly how=%r", self._spec.id, how)
            self.state = "stopping"
            self._tell_dying()  # now: whoever was let through to a dead process would get an error
            return
        self._failure = "upstream command exited prematurely"
        self.state = "stopping"
        self._doomed.set()

    def _leaving(self) -> bool:
        return self.state in ("stopping", "stopped")

    def _end(self, grace: float) -> None:
        logger.info("model stopping model=%s grace_s=%g", self._spec.id, grace)
        self.state = "stopping"
        self._starting.cancel("stopping")
        if self._process is not None:
            command = stop_command_for(self._spec)
            if self._spec.cmd_stop and not command:
                logger.warning("stop command not found, using SIGTERM model=%s", self._spec.id)
            self._process.stop(grace, command)

    def _write(self, data: bytes) -> None:
        self._written += len(data)
        self._stir.set()
        self._log.write(data)

    def _last_fact(self) -> Event:
        model = self._spec.id
        if self.ready_at is not None or self._stop_asked or self._failure is None:
            logger.info("model stopped model=%s how=%r", model, self._ending)
            return Exited(model, self._life, self._ending)
        detail = self._explain_failure()
        logger.warning("model failed to start model=%s reason=%r how=%r", model, self._failure, self._ending)
        return StartFailed(model, self._life, detail)

    def _explain_failure(self) -> str:
        """The reason, how the process ended, and what it said last: the three things its owner will ask."""
        ending = f" ({self._ending})" if self._ending else ""
        tail = self._log.tail(min(TAIL_BYTES, self._written)).decode(errors="replace").strip() if self._written else ""
        return f"{self._failure}{ending}" + (f"; last output:\n{tail}" if tail else "")

    def _age(self) -> float:
        return trio.current_time() - (self.started_at or 0.0)
