"""How long things take in a simulation: the one thing that the scheduler does not decide."""

import math
from typing import NamedTuple, Protocol

from llamaswap.config.schema import ModelId
from llamaswap.schedule.events import Ticket


class Load(NamedTuple):
    """How a start ends: after *seconds*; healthy, or failed for the reason *failure*."""

    seconds: float
    failure: str | None = None


class Durations(Protocol):
    """Asked once for each thing that begins, in the order in which they begin.

    *elapsed*: so many seconds of it have passed already; the answer is what is left of it.
    """

    def service(self, ticket: Ticket, model: ModelId, elapsed: float) -> float:
        """Seconds from the grant until the request leaves."""

    def patience(self, ticket: Ticket, elapsed: float) -> float:
        """Seconds after which the request leaves if it still waits; infinite if it would wait for ever."""

    def load(self, model: ModelId, elapsed: float) -> Load:
        """How the start of *model* ends."""

    def stop(self, model: ModelId, elapsed: float) -> float:
        """Seconds from the order to stop until nothing of the process is left."""


class Fixed:
    """The same for all: for tests, and where nothing is known."""

    def __init__(self, service: float = 0.0, load: float = 0.0, stop: float = 0.0) -> None:
        self._service, self._load, self._stop = service, load, stop

    def service(self, ticket: Ticket, model: ModelId, elapsed: float) -> float:
        """See `Durations`."""
        return max(0.0, self._service - elapsed)

    def patience(self, ticket: Ticket, elapsed: float) -> float:
        """See `Durations`: nobody gives up."""
        return math.inf

    def load(self, model: ModelId, elapsed: float) -> Load:
        """See `Durations`: no start fails."""
        return Load(max(0.0, self._load - elapsed))

    def stop(self, model: ModelId, elapsed: float) -> float:
        """See `Durations`."""
        return max(0.0, self._stop - elapsed)
