"""One possible future: how long everything will take in it, drawn from what was measured.

Draws are *common*: a request keeps its luck in the draw of each number from one forecast to the next, so that forecasts
change because of what happens, not by chance.
"""

import math
from collections.abc import Iterator
from random import Random
from zlib import crc32

from llamaswap.config.names import ModelId
from llamaswap.schedule.events import Arrived, Event, Ticket
from llamaswap.schedule.forecast_samples import Distribution, normal_score
from llamaswap.schedule.forecast_stopwatch import Known
from llamaswap.schedule.simulation.durations import Load

#: Tickets from here on are those of requests that are only imagined.
IMAGINED = 1 << 60
_TABLE = 4096
_SERVICE, _LOAD, _STOP, _PATIENCE, _FACTOR, _GAP, _PLACE = range(7)


class Luck:
    """A fixed table of chances; *draw* numbers the future, *key* what is drawn for."""

    def __init__(self, seed: int) -> None:
        random = Random(seed)
        self._chances = [min(max(random.random(), 1e-6), 1 - 1e-6) for _ in range(_TABLE)]

    def chance(self, draw: int, *key: int) -> float:
        """Within (0, 1)."""
        return self._chances[hash((draw, *key)) % _TABLE]  # of whole numbers only: the same in every process


class Drawn:
    """Implements `llamaswap.schedule.simulation.durations.Durations` for the future number *draw*."""

    def __init__(self, known: Known, impatience: float, luck: Luck, draw: int) -> None:
        self._known = known
        self._impatience = impatience
        self._luck = luck
        self._draw = draw
        self._factors: dict[tuple[int, ModelId], float] = {}
        self._count = 0

    def service(self, ticket: Ticket, model: ModelId, elapsed: float) -> float:
        """See `Durations`."""
        return self._take(_SERVICE, model, self._known.service(model), ticket, elapsed)

    def patience(self, ticket: Ticket, elapsed: float) -> float:
        """See `Durations`: who has waited long is as likely to give up as any other."""
        if not self._impatience:
            return math.inf
        return -math.log(self._luck.chance(self._draw, _PATIENCE, ticket)) / self._impatience

    def load(self, model: ModelId, elapsed: float) -> Load:
        """See `Durations`: no start fails."""
        self._count += 1
        return Load(self._take(_LOAD, model, self._known.load(model), self._count, elapsed))

    def stop(self, model: ModelId, elapsed: float) -> float:
        """See `Durations`."""
        self._count += 1
        return self._take(_STOP, model, self._known.stop(model), self._count, elapsed)

    def _take(self, kind: int, model: ModelId, known: Distribution, key: int, elapsed: float) -> float:
        factor = self._factors.get((kind, model))
        if factor is None:
            score = normal_score(self._luck.chance(self._draw, _FACTOR, kind, crc32(model.encode(errors="replace"))))
            factor = self._factors[kind, model] = math.exp(score * known.uncertainty)
        return known.remaining(self._luck.chance(self._draw, kind, key), elapsed, factor)


def imagined_arrivals(
    rates: dict[ModelId, float], luck: Luck, draw: int, now: float, most: int
) -> Iterator[tuple[float, Event]]:
    """Requests that may yet come, at *rates* a second for each model."""
    models = [model for model, rate in rates.items() if rate > 0]
    total = sum(rates[model] for model in models)
    at = now
    for number in range(most if models else 0):
        at -= math.log(luck.chance(draw, _GAP, number)) / total
        place = luck.chance(draw, _PLACE, number) * total
        for model in models:
            place -= rates[model]
            if place <= 0:
                break
        yield at, Arrived(Ticket(IMAGINED + number), model)
