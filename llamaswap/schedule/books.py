"""What every scheduler has in its books, and what becomes of a life in them.

The theory is in `scheduler`: a life is entered by `Start`, is moved by facts and by `Stop`, and leaves the books when
nothing of it is alive.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping

from llamaswap.config.schema import ModelId
from llamaswap.schedule.backoff import BackOff
from llamaswap.schedule.commands import Command, Grant, Refusal, Reject, Start
from llamaswap.schedule.deadlines import Deadlines
from llamaswap.schedule.events import Life, ModelRules, Ticket
from llamaswap.schedule.requests import Requests, Waiting
from llamaswap.schedule.residents import Resident, Residents, State
from llamaswap.schedule.unloads import Unloads


class Books(ABC):
    """Requests, lives, and what people have asked for.

    Args:
        models: What may be asked for.
        residents: Lives that are there from the beginning, for tests; they are numbered from 1.
    """

    def __init__(self, models: Mapping[ModelId, ModelRules], residents: Iterable[tuple[ModelId, State]] = ()) -> None:
        self._rules = dict(models)
        self._requests = Requests()
        self._residents = Residents()
        self._unloads = Unloads()
        self._deadlines = Deadlines()
        self._backoff = BackOff()
        self._closed = False
        self._draining = True
        for model, state in residents:
            self._residents.begin(model, self._rules[model]).state = state

    def take_over(self, other: "Books") -> None:
        """Go on where *other* stands, which must not be used any more; to be called before the first fact.

        Requests keep their order of arrival, and lives are as they were. For whom room is made is decided anew.
        """
        self._rules = other._rules
        self._requests.take_over(other._requests)
        self._residents = other._residents
        self._unloads = other._unloads
        self._deadlines = other._deadlines
        self._backoff = other._backoff
        self._closed = other._closed
        self._draining = other._draining

    @abstractmethod
    def _callers(self, resident: Resident) -> list[Ticket]:
        """The queued requests for which *resident* is starting."""

    def _serve(self, waiting: Waiting, resident: Resident) -> Grant:
        self._requests.grant(waiting.ticket, resident.life)
        resident.in_flight += 1
        return Grant(waiting.ticket, resident.model, resident.life)

    def _start(self, model: ModelId) -> Start:
        return Start(model, self._residents.begin(model, self._rules[model]).life)

    def _may_expire(self, resident: Resident) -> bool:
        return resident.state == "ready" and resident.rules.ttl > 0 and not self._is_wanted(resident)

    def _is_wanted(self, resident: Resident) -> bool:
        return resident.model in self._requests.outstanding

    def _become_ready(self, model: ModelId, life: Life, now: float) -> list[Command]:
        resident = self._known(model, life)
        if resident is not None and resident.state == "starting":  # else its end was ordered in the meantime
            resident.state = "ready"
            resident.idle_since = now
            self._backoff.forget(model)
        return []

    def _lose(self, model: ModelId, life: Life, reason: str, now: float) -> list[Command]:
        """It serves nobody any more, though it is not gone: who wants its model waits for the next life."""
        resident = self._known(model, life)
        if resident is None or not resident.running:
            return []
        was_loading = resident.state == "starting"
        resident.state = "stopping"
        return self._fail_start(resident, reason, now) if was_loading else []

    def _end(self, model: ModelId, life: Life, reason: str, now: float) -> list[Command]:
        resident = self._known(model, life)
        if resident is None:
            return []
        self._residents.remove(life)
        failed = self._fail_start(resident, reason, now) if resident.state == "starting" else []
        return [*failed, *self._unloads.answers(self._residents)]

    def _fail_start(self, resident: Resident, reason: str, now: float) -> list[Command]:
        self._backoff.failed(resident.model, now, reason)
        callers = self._callers(resident)
        for ticket in callers:
            self._requests.drop(ticket)
        return [Reject(ticket, Refusal.START_FAILED, reason) for ticket in callers]

    def _get_stuck(self, model: ModelId, life: Life, trouble: str) -> list[Command]:
        resident = self._known(model, life)
        if resident is None:
            return []
        resident.state = "stuck"
        resident.trouble = trouble
        return [*self._unloads.answers(self._residents)]

    def _known(self, model: ModelId, life: Life) -> Resident | None:
        resident = self._residents.find(life)
        return resident if resident is not None and resident.model == model else None
