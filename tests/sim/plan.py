"""What will happen in a world: configurations, clients, operators. `draw` makes one out of a seed, `fates` the rest."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from llamaswap.config.schema import Config, ModelId

NAMES = "abcde"
FIRST_PORT = 9000
NEVER = math.inf

AnswerKind = Literal["whole", "stream", "endless", "to end", "break", "reset", "silent", "hang up"]
OrderKind = Literal["unload", "unload all", "load", "reload"]


@dataclass(frozen=True)
class Answer:
    """What the model makes of one request: the first byte after *delay_s*, then a piece every *gap_s*."""

    kind: AnswerKind = "whole"
    delay_s: float = 1.0
    pieces: int = 1
    gap_s: float = 0.0
    piece_bytes: int = 40


@dataclass(frozen=True)
class Asked:
    """One request of a client.

    Attributes:
        leaves_s: After how long the client hangs up, whatever it has got.
        deadline_s: What it says of when its answer is of no use any more; None: nothing.
        stalls_s: How long it reads nothing of an answer that has begun.
        number: Names it everywhere.
    """

    number: int
    at: float
    model: ModelId
    answer: Answer
    leaves_s: float = NEVER
    stalls_s: float = 0.0
    deadline_s: float | None = None


@dataclass(frozen=True)
class Order:
    """What an operator does."""

    at: float
    kind: OrderKind
    model: ModelId
    grace: float | None = None


@dataclass(frozen=True)
class Plan:
    """A whole world.

    Attributes:
        configs: The first one, and those that reloads bring, one after the other.
        sets: What may be loaded together, where a matrix says so.
        loads_s: Models of which every load that goes well takes so long.
        unguarded: Models of which some lives lose their guard while they serve.
    """

    seed: str
    configs: tuple[Config, ...]
    requests: tuple[Asked, ...]
    orders: tuple[Order, ...]
    ends_at: float
    hurried_after: float = NEVER
    sets: Mapping[str, str] = field(default_factory=dict)
    loads_s: Mapping[str, float] = field(default_factory=dict)
    unguarded: frozenset[str] = frozenset()
