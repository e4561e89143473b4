"""What is around a scheduler: fake processes and clients, and what each fact makes of them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol, Self

from llamaswap.config.schema import ModelId
from llamaswap.schedule.commands import Command
from llamaswap.schedule.events import (
    Arrived,
    Ask,
    ConfigReplaced,
    Dying,
    Event,
    Exited,
    Left,
    Life,
    ModelRules,
    ShutdownAsked,
    Started,
    StartFailed,
    StopFailed,
    Tick,
    Ticket,
    UnloadAsked,
)
from llamaswap.schedule.requests import Waiting
from llamaswap.schedule.residents import ResidentView, State
from tests.schedule.crowd import NEVER, Crowd


class Machine(Protocol):
    """What the world needs of a scheduler."""

    def handle(self, event: Event, now: float) -> list[Command]: ...
    @property
    def next_deadline(self) -> float | None: ...
    @property
    def queued(self) -> int: ...
    def waiting(self) -> Iterator[Waiting]: ...
    def residents(self) -> list[ResidentView]: ...
    def positions(self) -> Iterator[tuple[Ticket, int]]: ...


class Process:
    """A fake process: alive as long as it is in the world.

    Attributes:
        told: It was told to stop.
        dying: It ends by itself.
        state: What follows from that, as the machine should see it; `running` if it is starting or ready.
    """

    __slots__ = ("dying", "healthy", "idle_since", "kill_at", "model", "obsolete", "running", "state", "stuck", "told")

    def __init__(self, model: ModelId, state: State = "starting") -> None:
        self.model = model
        self.healthy = state == "ready"
        self.told = state == "stopping"
        self.dying = False
        self.stuck = state == "stuck"
        self.obsolete = False
        self.idle_since = 0.0
        self.kill_at = NEVER
        self.state: State = state
        self.running = not self.told and not self.stuck

    def copy(self) -> "Process":
        new = Process.__new__(Process)
        new.model = self.model
        new.healthy = self.healthy
        new.told = self.told
        new.dying = self.dying
        new.stuck = self.stuck
        new.obsolete = self.obsolete
        new.idle_since = self.idle_since
        new.kill_at = self.kill_at
        new.state = self.state
        new.running = self.running
        return new

    def become(self, **flags: bool) -> None:
        """Set *flags*, and the state that follows."""
        for name, value in flags.items():
            setattr(self, name, value)
        self.running = not (self.told or self.dying or self.stuck)
        if self.stuck:
            self.state = "stuck"
        elif not self.running:
            self.state = "stopping"
        else:
            self.state = "ready" if self.healthy else "starting"


class Surroundings:
    """A machine and what is around it.

    Attributes:
        processes: Every process alive, by life.
        crowd: Every client that has not left.
        failures: Times of each model's failed starts since its last success, unload or change.
    """

    def __init__(
        self, machine: Machine, models: Mapping[ModelId, ModelRules], residents: Iterable[tuple[ModelId, State]]
    ) -> None:
        self.machine = machine
        self.models = dict(models)
        self.now = 0.0
        self.processes = {Life(life): Process(model, state) for life, (model, state) in enumerate(residents, 1)}
        self.crowd = Crowd()
        self.failures: dict[ModelId, tuple[float, ...]] = {}
        self.asks: dict[Ask, frozenset[Life]] = {}
        self.last_life = Life(len(self.processes))
        self.closed = False
        self.draining = True
        self.most_grace = NEVER
        self._failed: set[Ticket] = set()  # those whose start has failed in this pass, until they are told

    def clone(self, clone_machine: Callable[[Machine], Machine]) -> Self:
        """An independent copy."""
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__)
        new.machine = clone_machine(self.machine)
        new.processes = {life: process.copy() for life, process in self.processes.items()}
        new.crowd = self.crowd.copy()
        new.failures = self.failures.copy()
        new.asks = self.asks.copy()
        return new

    def key(self) -> tuple[Any, ...]:
        """What the machine does not remember, or not as long, for telling situations apart."""
        ends = tuple([(p.healthy, p.told, p.dying) for p in self.processes.values() if not p.running])
        failures = tuple([(model, *[t - self.now for t in times]) for model, times in self.failures.items()])
        return tuple(self.crowd.rejected), ends, failures

    def rest(self, model: ModelId) -> float:
        """Seconds for which *model* is still not to be tried again."""
        times = self.failures.get(model)
        if times is None:
            return 0.0
        length, until = 0.0, 0.0
        for count, time in enumerate(times, 1):
            recent = sum(1 for earlier in times[:count] if time - earlier <= 60)
            if length:
                length = min(60.0, length * 2)
            elif recent >= 3:
                length = 5.0
            until = time + length if length else 0.0
        return max(0.0, until - self.now)

    def serves(self, life: Life) -> int:
        """How many requests of *life* have not left."""
        return self.crowd.by_life.get(life, 0)

    def in_state(self, state: State) -> list[ModelId]:
        return [process.model for process in self.processes.values() if process.state == state]

    def _process(self, model: ModelId, life: Life) -> Process | None:
        process = self.processes.get(life)
        return process if process is not None and process.model == model else None

    def _callers(self, model: ModelId) -> Iterable[Ticket]:
        """Whose start a failed one of *model* was: the one whose turn it is."""
        first = self.crowd.first()
        return () if first is None or first[1] != model else (first[0],)

    # Facts

    def _happen(self, event: Event) -> None:  # noqa: PLR0912 - one branch for each kind of fact
        if self._failed:
            self._failed = set()
        match event:
            case Arrived(ticket, model, deadline):
                self.crowd.arrive(ticket, model, self.now, deadline)
            case Left(ticket):
                life = self.crowd.leave(ticket)
                if life in self.processes:
                    self.processes[life].idle_since = self.now
            case Tick():
                pass
            case Started(model, life):
                self._become_healthy(model, life)
            case StartFailed(model, life) | Exited(model, life):
                self._exit(model, life)
            case Dying(model, life):
                self._die(model, life)
            case StopFailed(model, life):
                process = self._process(model, life)
                if process is not None:
                    process.become(stuck=True)
            case UnloadAsked(ask, models):
                self._unload(ask, models)
            case ConfigReplaced(models, changed):
                self._reconfigure(models, changed)
            case ShutdownAsked(drain, grace):
                self.closed = True
                self.draining = self.draining and drain
                self.most_grace = min(self.most_grace, self.most_grace if grace is None else grace)

    def _become_healthy(self, model: ModelId, life: Life) -> None:
        process = self._process(model, life)
        if process is None or process.healthy:
            return
        process.become(healthy=True)
        process.idle_since = self.now
        if process.running:
            self.failures.pop(model, None)

    def _exit(self, model: ModelId, life: Life) -> None:
        process = self._process(model, life)
        if process is None:
            return
        del self.processes[life]
        if process.state == "starting":
            self._fail(model)

    def _die(self, model: ModelId, life: Life) -> None:
        process = self._process(model, life)
        if process is None or not process.running:
            return
        if process.state == "starting":
            self._fail(model)
        process.become(dying=True)

    def _fail(self, model: ModelId) -> None:
        self.failures[model] = (*self.failures.get(model, ()), self.now)
        self._failed = set(self._callers(model))

    def _unload(self, ask: Ask, models: frozenset[ModelId] | None) -> None:
        self.asks[ask] = frozenset(
            life for life, process in self.processes.items() if models is None or process.model in models
        )
        self._forgive(lambda model: models is None or model in models)

    def _reconfigure(self, models: Mapping[ModelId, ModelRules], changed: frozenset[ModelId]) -> None:
        self._forgive(lambda model: model in changed or model not in models)
        for process in self.processes.values():
            if process.model in changed or process.model not in models:
                process.obsolete = True
        self.models = dict(models)

    def _forgive(self, forgiven: Callable[[ModelId], bool]) -> None:
        for model in list(self.failures):
            if forgiven(model):
                del self.failures[model]
