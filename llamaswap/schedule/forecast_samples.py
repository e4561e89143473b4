"""What was measured of one kind of duration, as a distribution to draw from.

Few samples say little, and the draws show it: after one service, 80 % of the next ones are expected to take between a
quarter of its time and four times as long. With more, the samples themselves are the distribution, recent ones counting
more; nothing is assumed about its shape. Durations that never vary are foretold exactly, once there are `FEW` of them.
"""

import math
from bisect import bisect_right, insort
from collections import deque
from collections.abc import Iterable
from statistics import NormalDist
from typing import NamedTuple

#: The newest so many are kept; each counts for so much of the next newer one.
KEPT = 64
FADE = 0.97
#: With fewer samples than `FEW` an expectation of how much they vary counts as well, as if it were `EXPECTED` samples.
FEW = 8
EXPECTED = 2
#: Anything shorter counts as this, so that it has a logarithm.
SHORTEST_S = 1e-4
#: Points at which a distribution is kept.
_POINTS = 64
#: 80 % lie between the first and the last of these quantiles.
LOW, LIKELY, HIGH = 0.1, 0.5, 0.9
_NORMAL = NormalDist()
_SCORES = [_NORMAL.inv_cdf((point + 0.5) / _POINTS) for point in range(_POINTS)]
#: Beyond the longest ever seen: half of those get past `elapsed` times 1.41, a tenth past 3.2.
_TAIL = 0.5


def normal_score(chance: float) -> float:
    """The standard normal value that is exceeded with probability ``1 - chance``; *chance* within (0, 1)."""
    return _NORMAL.inv_cdf(chance)


class Range(NamedTuple):
    """Seconds from now: with 80 % probability between `low` and `high`. `high` is infinite if it cannot be foreseen."""

    low: float
    likely: float
    high: float

    def later(self, seconds: float) -> "Range":
        """The same, as seen *seconds* later."""
        return Range(*(max(0.0, each - seconds) for each in self))


class Distribution:
    """What *values*, the oldest first, say of the next one. Never changes.

    Args:
        spread: How much they are expected to vary: the standard deviation of their logarithms.
    """

    __slots__ = ("_points", "_spread", "_uncertainty", "_values")

    def __init__(self, values: tuple[float, ...], spread: float) -> None:
        self._values = values
        self._spread = spread
        self._points: list[float] = []
        self._uncertainty = 0.0

    def __bool__(self) -> bool:
        """Whether there is anything to draw from."""
        return bool(self._values)

    @property
    def uncertainty(self) -> float:
        """How far all draws may be off together, as the standard deviation of a factor's logarithm."""
        self._settle()
        return self._uncertainty

    def remaining(self, chance: float, elapsed: float = 0.0, factor: float = 1.0) -> float:
        """What is left of a duration that has lasted *elapsed*, at the quantile *chance*; infinite without samples.

        Args:
            chance: Within (0, 1).
            factor: All that was measured is multiplied by this.
        """
        if not self._values:
            return math.inf
        self._settle()
        passed = self._rank(elapsed / factor)
        if passed >= 1.0:
            return elapsed * (float((1.0 - chance) ** -_TAIL) - 1.0)
        return max(0.0, factor * self._at(passed + chance * (1.0 - passed)) - elapsed)

    def range(self, elapsed: float) -> Range | None:
        """What is left of a duration that has lasted *elapsed*; None without samples."""
        if not self._values:
            return None
        return Range(*(self.remaining(chance, elapsed) for chance in (LOW, LIKELY, HIGH)))

    def _at(self, rank: float) -> float:
        points, place = self._points, rank * _POINTS - 0.5
        if place <= 0.0:
            return points[0]
        below = int(place)
        if below >= _POINTS - 1:
            return points[-1]
        return points[below] + (place - below) * (points[below + 1] - points[below])

    def _rank(self, seconds: float) -> float:
        """The part of the distribution that lasts no longer than *seconds*."""
        points = self._points
        if seconds < points[0]:
            return 0.0
        above = bisect_right(points, seconds)
        if above == _POINTS:
            return 1.0
        return (above - 0.5 + (seconds - points[above - 1]) / (points[above] - points[above - 1])) / _POINTS

    def _settle(self) -> None:
        if not self._points and self._values:
            self._points, self._uncertainty = _distribution(self._values, self._spread)


class Samples:
    """The last `KEPT` durations of one kind, in seconds, oldest first. *spread* as in `Distribution`."""

    __slots__ = ("_distribution", "_spread", "values")

    def __init__(self, values: Iterable[float] = (), spread: float = 0.7) -> None:
        self.values = deque(values, KEPT)
        self._spread = spread
        self._distribution: Distribution | None = None

    def add(self, seconds: float) -> None:
        """Take in one more; the oldest may go for it."""
        self.values.append(seconds)
        self._distribution = None

    def distribution(self) -> Distribution:
        """What they say now."""
        if self._distribution is None:
            self._distribution = Distribution(tuple(self.values), self._spread)
        return self._distribution


def _distribution(values: Iterable[float], expected: float) -> tuple[list[float], float]:
    """Quantiles in order, and the standard deviation of the common factor's logarithm."""
    by_size: list[tuple[float, float]] = []
    weight = 1.0
    for value in reversed(list(values)):
        insort(by_size, (math.log(max(value, SHORTEST_S)), weight))
        weight *= FADE
    total = sum(weight for _, weight in by_size)
    count = total**2 / sum(weight**2 for _, weight in by_size)  # so many equal ones would say as much
    mean = sum(log * weight for log, weight in by_size) / total
    variance = sum((log - mean) ** 2 * weight for log, weight in by_size) / total
    if len(by_size) < FEW:
        variance = (count * variance + EXPECTED * expected**2) / (count + EXPECTED)
    uncertainty = math.sqrt((variance + variance**2 / 2) / count)  # of the mean, were it lognormal
    smoothing = math.sqrt(variance) / count
    points = [math.exp(log + smoothing * score) for log, score in zip(_quantiles(by_size, total), _SCORES, strict=True)]
    return points, uncertainty


def _quantiles(by_size: list[tuple[float, float]], total: float) -> list[float]:
    """The logarithms at `_POINTS` evenly spaced ranks, straight lines between the samples."""
    ranks, before = [], 0.0
    for _, weight in by_size:
        ranks.append((before + weight / 2) / total)
        before += weight
    found = []
    for point in range(_POINTS):
        rank = (point + 0.5) / _POINTS
        above = bisect_right(ranks, rank)
        if above in (0, len(ranks)):
            found.append(by_size[min(above, len(ranks) - 1)][0])
            continue
        low, high = ranks[above - 1], ranks[above]
        part = (rank - low) / (high - low)
        found.append(by_size[above - 1][0] + part * (by_size[above][0] - by_size[above - 1][0]))
    return found
