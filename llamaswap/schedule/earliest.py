"""The earliest time at which a request that came now could start: to refuse at once what cannot be in time.

A copy of the machine is played with everything as quick as it has hardly ever been, and what nobody has measured taking
no time at all. Only the front of the queue is played, and only for so long; what is left out could only delay it. So
the answer costs the same however many wait.
"""

import math
from itertools import islice

from llamaswap.config.names import ModelId
from llamaswap.schedule.commands import Grant, Reject
from llamaswap.schedule.events import Arrived, Ticket
from llamaswap.schedule.forecast import NEWCOMER, situation
from llamaswap.schedule.forecast_samples import Distribution
from llamaswap.schedule.forecast_stopwatch import Known, Stopwatch
from llamaswap.schedule.scheduler import Scheduler
from llamaswap.schedule.simulation.durations import Load
from llamaswap.schedule.simulation.engine import Simulation

MOST_WAITING = 16
MOST_PASSES = 96


def earliest_start(machine: Scheduler, stopwatch: Stopwatch, model: ModelId, now: float) -> float | None:
    """On the machine's clock; *now* if nothing speaks against it. None: it would be turned away for other reasons."""
    given = situation(machine, stopwatch, now, MOST_WAITING)
    arrival = [(now, Arrived(NEWCOMER, model))]
    simulation = Simulation(given.machine, _AtLeast(given.known), arrival, now=now, under_way=given.under_way)
    for at, _, orders in islice(simulation.passes(), MOST_PASSES):
        for order in orders:
            if isinstance(order, Grant) and order.ticket == NEWCOMER:
                return at
            if isinstance(order, Reject) and order.ticket == NEWCOMER:
                return None
    return simulation.now


class _AtLeast:
    """Implements `Durations`: nine of ten took longer."""

    def __init__(self, known: Known) -> None:
        self._known = known

    def service(self, ticket: Ticket, model: ModelId, elapsed: float) -> float:
        """See `Durations`."""
        return _low(self._known.service(model), elapsed)

    def patience(self, ticket: Ticket, elapsed: float) -> float:
        """See `Durations`: nobody gives up, though somebody might; see `earliest_start`."""
        return math.inf

    def load(self, model: ModelId, elapsed: float) -> Load:
        """See `Durations`."""
        return Load(_low(self._known.load(model), elapsed))

    def stop(self, model: ModelId, elapsed: float) -> float:
        """See `Durations`."""
        return _low(self._known.stop(model), elapsed)


def _low(known: Distribution, elapsed: float) -> float:
    found = known.range(elapsed)
    return 0.0 if found is None else found.low
