"""Orders the scheduler gives out. Frozen and comparable; carried out synchronously, in order, by the dispatcher."""

from dataclasses import dataclass
from enum import Enum

from llamaswap.config.schema import ModelId
from llamaswap.schedule.events import Ask, Life, Ticket


class Refusal(Enum):
    """Why a request is turned away."""

    UNKNOWN_MODEL = "unknown model"
    LIMIT = "concurrency limit"
    UNLOADED = "model unloaded"
    START_FAILED = "start failed"
    CANNOT_STOP = "another model cannot be stopped"
    SHUTTING_DOWN = "shutting down"
    DEADLINE = "deadline"


@dataclass(frozen=True, slots=True)
class Grant:
    """The request may use the process of *life* until its `Left`."""

    ticket: Ticket
    model: ModelId
    life: Life


@dataclass(frozen=True, slots=True)
class Reject:
    """The request is turned away. `Left` still follows. *retry_after* in seconds, where the scheduler knows one."""

    ticket: Ticket
    why: Refusal
    detail: str = ""
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """Begin a life of *model*; answered by `Started` then `Exited`, or by `StartFailed`."""

    model: ModelId
    life: Life


@dataclass(frozen=True, slots=True)
class Stop:
    """End *life*: the stop signal, *grace* seconds, then SIGKILL. Again with a shorter grace hurries it."""

    model: ModelId
    life: Life
    grace: float


@dataclass(frozen=True, slots=True)
class Unloaded:
    """The unload *ask* is complete: nothing of what it named is alive, or *stuck* names what could not be stopped."""

    ask: Ask
    stuck: tuple[ModelId, ...] = ()


Command = Grant | Reject | Start | Stop | Unloaded
