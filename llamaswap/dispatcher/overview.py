"""What people see of the scheduler and the lives: for display, never to decide upon."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

import trio

from llamaswap.config.plan.plan import Alive
from llamaswap.config.schema import ModelId
from llamaswap.dispatcher.lives import Lives
from llamaswap.models.upstream import Upstream
from llamaswap.schedule.events import Life, Ticket
from llamaswap.schedule.scheduler import Scheduler


@dataclass(frozen=True, slots=True)
class RunningModel:
    """A model that is not stopped. `state` as on the wire; `since_s` seconds in that state; `requests` in flight.

    `idle_s`: seconds since its last request left; None unless it is ready and serves nobody.
    """

    model: ModelId
    state: str
    pid: int | None
    since_s: float
    requests: int
    idle_s: float | None = None


@dataclass(frozen=True, slots=True)
class WaitingRequest:
    """A request that has no lease yet: its place among those, from 1, and the seconds it has waited."""

    ticket: Ticket
    model: ModelId
    position: int
    waited_s: float


class Overview:
    """Reads in the books of the scheduler at work (a reload may bring another), and in ours of the lives."""

    _scheduler: Scheduler
    _lives: Lives

    def running(self) -> list[RunningModel]:
        """Every model that is not stopped, by ID."""
        now = trio.current_time()
        shown = []
        for resident in self._scheduler.residents():
            run = self._lives.find(resident.life)
            state = "stopping" if resident.state == "stuck" else resident.state
            since = now - run.since if run else 0.0
            pid = run.process.pid if run else None
            idle = None if resident.idle_since is None else now - resident.idle_since
            shown.append(RunningModel(resident.model, state, pid, since, resident.in_flight, idle))
        return sorted(shown, key=lambda r: r.model)

    def alive_models(self) -> list[Alive]:
        """Every life of which something may live, those too that no configuration names any more."""
        serving = {resident.life: resident.in_flight for resident in self._scheduler.residents()}
        return [
            Alive(run.spec.id, run.spec.port, serving.get(life, 0), run.outdated) for life, run in self._lives.items()
        ]

    def state(self, model: ModelId) -> str:
        """`stopped`, `starting`, `ready` or `stopping`."""
        return next((r.state for r in self._scheduler.residents() if r.model == model), "stopped")

    def ready_upstream(self, model: ModelId) -> Upstream | None:
        """Where *model* is served at this moment, for what takes no place in the queue; None unless it is ready."""
        ready = (r.life for r in self._scheduler.residents() if r.model == model and r.state == "ready")
        run = self._lives.find(next(ready, Life(0)))
        return run.upstream if run else None

    @property
    def queued(self) -> int:
        """How many requests wait, for whatever model."""
        return self._scheduler.queued

    def waiting_counts(self) -> Mapping[ModelId, int]:
        """How many requests wait for each model."""
        return Counter(waiting.model for waiting in self._scheduler.waiting())

    def waiting(self, most: int | None = None) -> list[WaitingRequest]:
        """The requests without a decision (the first *most* of them), in the order in which they will run."""
        now = trio.current_time()
        return [
            WaitingRequest(ticket, model, place, now - arrived_at)
            for place, (ticket, model, arrived_at) in enumerate(islice(self._scheduler.waiting(), most), start=1)
        ]
