"""A model that fails at each start is given a rest, so that its requests fail at once and others keep their turn."""

from collections.abc import KeysView
from dataclasses import dataclass

from llamaswap.config.schema import ModelId

#: So many failed starts, the first no longer ago than this, begin a rest.
FAILURES = 3
WINDOW_S = 60.0
#: The first rest; each further failed start doubles it up to the longest.
FIRST_REST_S = 5.0
LONGEST_REST_S = 60.0


@dataclass(frozen=True, slots=True)
class Rest:
    """A rest under way: *remaining* seconds of it, and what a client is told."""

    remaining: float
    detail: str


@dataclass(frozen=True, slots=True)
class _Record:
    """The failed starts of one model since its last success. `rest` is 0 as long as none was earned."""

    recent: tuple[float, ...]
    rest: float
    until: float
    error: str


class BackOff:
    """The failed starts of each model. Small: one record a failing model, none for the others."""

    def __init__(self) -> None:
        self._records: dict[ModelId, _Record] = {}

    def failed(self, model: ModelId, now: float, error: str) -> None:
        """A start of *model* failed with *error*."""
        old = self._records.get(model)
        recent = (*(t for t in old.recent if now - t <= WINDOW_S), now) if old else (now,)
        if old and old.rest:
            rest = min(2 * old.rest, LONGEST_REST_S)
        else:
            rest = FIRST_REST_S if len(recent) >= FAILURES else 0.0
        self._records[model] = _Record(recent[-FAILURES:], rest, now + rest, error)

    def models(self) -> KeysView[ModelId]:
        """Every model that may be resting."""
        return self._records.keys()

    def forget(self, model: ModelId) -> None:
        """*model* started, was unloaded, or is configured anew: its failures do not count any more."""
        self._records.pop(model, None)

    def rest(self, model: ModelId, now: float) -> Rest | None:
        """The rest *model* takes at *now*, or None: it may be started."""
        record = self._records.get(model)
        if record is None or now >= record.until:
            return None
        remaining = record.until - now
        return Rest(
            remaining,
            f"not tried again for {remaining:.1f} s because it keeps failing to start; the last error: {record.error}",
        )
