"""Tell a scheduler a story fact by fact, and read its orders as data."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from llamaswap.config.schema import ModelId
from llamaswap.schedule.commands import Command, Grant, Refusal, Reject, Start, Stop, Unloaded
from llamaswap.schedule.events import (
    Arrived,
    Ask,
    ConfigReplaced,
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
from llamaswap.schedule.residents import State
from llamaswap.schedule.scheduler import Scheduler
from llamaswap.schedule.serial import SerialScheduler

GRACE = 10.0
RETRY_SHUTDOWN_S = 5.0
RETRY_LIMIT_S = 1.0


def start(model: str, life: int) -> Start:
    return Start(ModelId(model), Life(life))


def stop(model: str, life: int, grace: float = GRACE) -> Stop:
    return Stop(ModelId(model), Life(life), grace)


def grant(ticket: int, model: str, life: int) -> Grant:
    return Grant(Ticket(ticket), ModelId(model), Life(life))


def unloaded(ask: int, *stuck: str) -> Unloaded:
    return Unloaded(Ask(ask), tuple(map(ModelId, stuck)))


def unknown(ticket: int) -> Reject:
    return Reject(Ticket(ticket), Refusal.UNKNOWN_MODEL)


def taken_away(ticket: int) -> Reject:
    return Reject(Ticket(ticket), Refusal.UNLOADED)


def start_failed(ticket: int, detail: str) -> Reject:
    return Reject(Ticket(ticket), Refusal.START_FAILED, detail)


def too_many(ticket: int) -> Reject:
    return Reject(Ticket(ticket), Refusal.LIMIT, retry_after=RETRY_LIMIT_S)


def closing(ticket: int) -> Reject:
    return Reject(Ticket(ticket), Refusal.SHUTTING_DOWN, retry_after=RETRY_SHUTDOWN_S)


class Story:
    """A scheduler and a hand on its clock.

    Args:
        residents: Lives at the beginning, as ``"a:ready"``, numbered from 1.
        rules: Of models that differ from the default; every model named a to z exists.
        make: The scheduler's class, or what makes one.
        settings: What it is made with besides.
    """

    def __init__(
        self,
        *residents: str,
        rules: Mapping[str, ModelRules] | None = None,
        make: Callable[..., Scheduler] = SerialScheduler,
        **settings: Any,
    ) -> None:
        self.now = 0.0
        self.models = {ModelId(letter): ModelRules(grace=GRACE) for letter in "abcdefghijklmnopqrstuvwxyz"}
        self.models |= {ModelId(model): rule for model, rule in (rules or {}).items()}
        self.machine = make(self.models, residents=[_resident(text) for text in residents], **settings)

    def tell(self, event: Event) -> list[Command]:
        return self.machine.handle(event, self.now)

    def arrives(self, ticket: int, model: str) -> list[Command]:
        return self.tell(Arrived(Ticket(ticket), ModelId(model)))

    def all_arrive(self, models: str) -> list[Command]:
        """Requests numbered from 1, one for each letter."""
        return [order for ticket, model in enumerate(models, 1) for order in self.arrives(ticket, model)]

    def leaves(self, ticket: int) -> list[Command]:
        return self.tell(Left(Ticket(ticket)))

    def started(self, model: str, life: int) -> list[Command]:
        return self.tell(Started(ModelId(model), Life(life)))

    def start_fails(self, model: str, life: int, detail: str = "boom") -> list[Command]:
        return self.tell(StartFailed(ModelId(model), Life(life), detail))

    def exits(self, model: str, life: int, detail: str = "") -> list[Command]:
        return self.tell(Exited(ModelId(model), Life(life), detail))

    def stop_fails(self, model: str, life: int, detail: str = "unkillable") -> list[Command]:
        return self.tell(StopFailed(ModelId(model), Life(life), detail))

    def unload(self, ask: int, models: Iterable[str] | None, grace: float | None = None) -> list[Command]:
        named = None if models is None else frozenset(map(ModelId, models))
        return self.tell(UnloadAsked(Ask(ask), named, grace))

    def shutdown(self, *, drain: bool = True, grace: float | None = None) -> list[Command]:
        return self.tell(ShutdownAsked(drain, grace))

    def reconfigure(self, models: Mapping[str, ModelRules], *changed: str) -> list[Command]:
        rules = {ModelId(model): rule for model, rule in models.items()}
        return self.tell(ConfigReplaced(rules, frozenset(map(ModelId, changed))))

    def tick(self, seconds: float = 0.0) -> list[Command]:
        self.now += seconds
        return self.tell(Tick())

    @property
    def queue(self) -> list[tuple[int, str]]:
        return [(waiting.ticket, waiting.model) for waiting in self.machine.waiting()]

    @property
    def positions(self) -> dict[int, int]:
        return dict(self.machine.positions())

    @property
    def states(self) -> list[str]:
        return [f"{view.model}:{view.state}" for view in self.machine.residents()]

    def is_quiet(self) -> bool:
        """Nobody waits, nobody is served, and all counts are back at zero."""
        requests = self.machine._requests
        return not (requests.queue or requests.active or requests.outstanding)


def _resident(text: str) -> tuple[ModelId, State]:
    model, _, state = text.partition(":")
    states: dict[str, State] = {"starting": "starting", "ready": "ready", "stopping": "stopping", "stuck": "stuck"}
    return ModelId(model), states[state]
