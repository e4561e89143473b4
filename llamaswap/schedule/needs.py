"""What the waiting models need, remembered while the same models are there.

Most of them need the same, and wait for the same: then one look tells that none of them can get on, however many.
"""

from collections.abc import Iterable, KeysView, Set

from llamaswap.config.names import ModelId
from llamaswap.schedule.eviction import Eviction

Models = tuple[ModelId, ...]


class Needs:
    """Whom models would have to replace. Answers as the policy would; what is remembered only makes it faster.

    It is called as a function, and is one for all that others can see: machines may share it, and it is no part of
    their state.
    """

    __slots__ = ("_alike", "_known", "_policy", "_running")

    def __init__(self, policy: Eviction) -> None:
        self._policy = policy
        self._running: Models = ()
        self._known: set[ModelId] = set()
        self._alike: dict[Models, list[ModelId]] = {}

    def __call__(self, models: KeysView[ModelId], running: Models) -> Iterable[tuple[Models, list[ModelId]]]:
        """Victims, each time with the models that have to replace them while *running* are there.

        All *models* are among these, and may be others that were asked about before.
        """
        if running != self._running:
            self._running, self._known, self._alike = running, set(), {}
        for model in models - self._known:
            self._alike.setdefault(self._policy.victims(model, running), []).append(model)
            self._known.add(model)
        return self._alike.items()


def undecided(
    needs: Iterable[tuple[Models, list[ModelId]]], held: Set[ModelId], stuck: Set[ModelId] = frozenset()
) -> set[ModelId]:
    """The models that need nothing of what is *held*, or something that is *stuck*."""
    return {
        model
        for victims, models in needs
        if held.isdisjoint(victims) or not stuck.isdisjoint(victims)
        for model in models
    }
