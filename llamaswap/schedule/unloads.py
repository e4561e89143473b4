"""The unloads that have not been answered yet. An unload means lives, not models."""

from collections.abc import Iterable

from llamaswap.schedule.commands import Unloaded
from llamaswap.schedule.events import Ask, Life
from llamaswap.schedule.residents import Resident, Residents


class Unloads:
    """Each unload, with the lives it waits for: those of its models that were there when it was asked."""

    def __init__(self) -> None:
        self._pending: dict[Ask, tuple[Life, ...]] = {}

    def add(self, ask: Ask, going: Iterable[Resident]) -> None:
        """Somebody waits until all of *going* are gone."""
        self._pending[ask] = tuple(resident.life for resident in going)

    def awaits(self, life: Life) -> bool:
        """Whether somebody waits for the end of *life*."""
        return any(life in lives for lives in self._pending.values())

    def answers(self, residents: Residents) -> list[Unloaded]:
        """The answers to those for which nothing more can be done, oldest first; they are forgotten."""
        answers: list[Unloaded] = []
        for ask, lives in list(self._pending.items()):
            left = [resident for resident in map(residents.find, lives) if resident is not None]
            if all(resident.state == "stuck" for resident in left):
                del self._pending[ask]
                answers.append(Unloaded(ask, tuple(resident.model for resident in left)))
        return answers
