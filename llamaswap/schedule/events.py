"""Facts the scheduler takes in. All are past tense, frozen, and comparable, so a test is an equality of data.

A *ticket* is one request's admission; the dispatcher numbers them in arrival order and never reuses one. A *life* is
one run of a model's process, numbered by the scheduler in `Start`; every fact about a process carries its life, so a
late fact about an earlier life can be told apart and ignored.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NewType

from llamaswap.config.schema import ModelId

Ticket = NewType("Ticket", int)
Life = NewType("Life", int)
Ask = NewType("Ask", int)


@dataclass(frozen=True, slots=True)
class ModelRules:
    """What the scheduler must know of a model. `ttl` and `grace` in seconds; `limit` 0 means none, `ttl` 0 never.

    Attributes:
        limit: Most outstanding requests.
        parallel: How many of them are served at once, where the scheduler leaves that to the model.
    """

    ttl: float = 0.0
    grace: float = 10.0
    limit: int = 0
    parallel: int = 1


@dataclass(frozen=True, slots=True)
class Arrived:
    """A request for *model* was accepted. Times are those of the scheduler's clock.

    Attributes:
        deadline: When it is of no use any more unless it has been granted before; None: never.
        earliest: Before that it cannot be granted, as far as the one who brings it knows; None: nobody knows.
    """

    ticket: Ticket
    model: ModelId
    deadline: float | None = None
    earliest: float | None = None


@dataclass(frozen=True, slots=True)
class Left:
    """The request is over, however it ended: served, refused, or its client gave up. Exactly one per `Arrived`."""

    ticket: Ticket


@dataclass(frozen=True, slots=True)
class Started:
    """The process of *life* is healthy."""

    model: ModelId
    life: Life


@dataclass(frozen=True, slots=True)
class StartFailed:
    """The process of *life* never became healthy, and nothing of it is left. *detail* is for people."""

    model: ModelId
    life: Life
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Dying:
    """*life* has failed or ended by itself; what is left of it is being ended. `StartFailed` or `Exited` follows."""

    model: ModelId
    life: Life
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Exited:
    """The last process of *life* is gone: it was stopped, or ended by itself."""

    model: ModelId
    life: Life
    detail: str = ""


@dataclass(frozen=True, slots=True)
class StopFailed:
    """*life* could not be stopped: something of it survives SIGKILL. `Exited` still follows if it ever ends."""

    model: ModelId
    life: Life
    detail: str = ""


@dataclass(frozen=True, slots=True)
class UnloadAsked:
    """Somebody wants *models* (None: all) gone. *grace* overrides each model's own. Answered by one `Unloaded`."""

    ask: Ask
    models: frozenset[ModelId] | None = None
    grace: float | None = None


@dataclass(frozen=True, slots=True)
class ConfigReplaced:
    """A new configuration holds: its models, and those among the old ones whose start parameters changed."""

    models: Mapping[ModelId, ModelRules]
    changed: frozenset[ModelId] = frozenset()


@dataclass(frozen=True, slots=True)
class ShutdownAsked:
    """The daemon stops. With *drain*, requests being served may finish; without, everything stops now."""

    drain: bool = True
    grace: float | None = None


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed `next_deadline` without another event."""


Event = (
    Arrived
    | Left
    | Started
    | Dying
    | StartFailed
    | Exited
    | StopFailed
    | UnloadAsked
    | ConfigReplaced
    | ShutdownAsked
    | Tick
)
