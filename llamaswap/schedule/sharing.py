"""What the schedulers have in common that let several models in together, as far as an eviction policy allows.

The policy says whom a model would have to replace, given who is there. A *claim* is that answer put to use: a model and
its victims. While it holds, nobody takes away what it names, so models whose claims do not collide can be loaded side
by side. Victims are told to stop when the claim begins to act; when the last of them is gone, and nothing of an earlier
life of the model itself is left, the model starts.

The policy is asked with everything that is alive or claimed. A process that is stopping counts as there until nothing
of it is left, but a model's own process counts only if it may serve: an ending one gives its model no right to stay.

Nothing here looks at more than the first request of a line, and each decision is about a model. Models that have no
life and need the same are looked at together (`needs`): an event that changes nothing for them costs next to nothing,
however many wait. The policy is asked about each of them only when somebody else is alive or claimed than before.
"""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from llamaswap.config.names import ModelId
from llamaswap.schedule.commands import Command, Refusal, Reject
from llamaswap.schedule.events import ModelRules, Ticket
from llamaswap.schedule.eviction import Eviction
from llamaswap.schedule.lines import Lines
from llamaswap.schedule.needs import Needs
from llamaswap.schedule.residents import Resident, State
from llamaswap.schedule.scheduler import Scheduler


@dataclass(frozen=True, slots=True)
class Claim:
    """*target* is to be served, and *victims* have to go for it."""

    target: ModelId
    victims: tuple[ModelId, ...]

    def collides(self, other: "Claim") -> bool:
        """One would take what the other needs, or both want the same one gone."""
        mine, theirs = frozenset(self.victims), frozenset(other.victims)
        return self.target in theirs or other.target in mine or not mine.isdisjoint(theirs)


class SharingScheduler(Scheduler):
    """Books, room and lives for the schedulers that share.

    Args:
        models: What may be asked for.
        eviction: Who must go for whom.
        residents: Lives that are there from the beginning, for tests.
    """

    _requests: Lines

    def __init__(
        self,
        models: Mapping[ModelId, ModelRules],
        eviction: Eviction,
        residents: Iterable[tuple[ModelId, State]] = (),
    ) -> None:
        super().__init__(models, residents)
        self._requests = Lines()
        self._eviction = eviction
        self._needs = Needs(eviction)

    @abstractmethod
    def _acting(self, now: float) -> Iterable[Claim]:
        """The claims for which room is being made, or which are loading."""

    def _claim(self, model: ModelId, others: Iterable[ModelId], *, there: bool = False) -> Claim:
        """What *model* needs while *others* stay, besides who is alive; *there*: as if it were running itself."""
        return Claim(model, self._eviction.victims(model, self._beside(model, others, there=there)))

    def _beside(self, model: ModelId, others: Iterable[ModelId], *, there: bool = False) -> list[ModelId]:
        running = {*self._residents.models(), *others, model}
        own = self._residents.of(model)
        if not there and (own is None or not own.stays):
            running.discard(model)
        return sorted(running)

    def _there(self, others: Iterable[ModelId]) -> tuple[ModelId, ...]:
        """Who counts as running for a model that has no life, nor is among *others*."""
        return tuple(sorted({*self._residents.models(), *others}))

    def _stuck(self, claim: Claim) -> Resident | None:
        """The life that keeps *claim* from ever being met."""
        return next((each for each in self._in_the_way(claim) if each.state == "stuck"), None)

    def _in_the_way(self, claim: Claim) -> list[Resident]:
        """The lives that must end before the target can be served, oldest first."""
        return [
            life
            for life in self._residents
            if life.model in claim.victims or (life.model == claim.target and not life.stays)
        ]

    def _turn_away(self, model: ModelId, stuck: Resident) -> list[Command]:
        """Nobody waits for what cannot be stopped."""
        detail = f"{stuck.model} cannot be stopped: {stuck.trouble}"
        tickets: list[Ticket] = list(self._requests.lines.get(model, ()))
        for ticket in tickets:
            self._requests.drop(ticket)
        return [Reject(ticket, Refusal.CANNOT_STOP, detail) for ticket in tickets]

    def _begin(self, now: float) -> list[Command]:
        claims = list(self._acting(now))
        doomed = {victim for claim in claims for victim in claim.victims}
        stops: list[Command] = [
            self._residents.stop(resident, now)
            for resident in self._residents
            if resident.running and self._must_go(resident, doomed, now)
        ]
        return stops + [self._start(claim.target) for claim in claims if self._has_room(claim)]

    def _has_room(self, claim: Claim) -> bool:
        return self._residents.of(claim.target) is None and not self._in_the_way(claim)

    def _must_go(self, resident: Resident, doomed: set[ModelId], now: float) -> bool:
        if self._closed and not self._draining:
            return True
        if resident.in_flight:
            return False
        if self._closed or resident.obsolete or resident.model in doomed:
            return True
        return self._may_expire(resident) and now >= resident.expires_at
