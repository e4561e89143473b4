"""The books of requests for schedulers that decide by model: each model's requests form a line of their own."""

from collections import OrderedDict
from collections.abc import Set

from llamaswap.config.names import ModelId
from llamaswap.schedule.events import Life, Ticket
from llamaswap.schedule.requests import Requests, Waiting


class Lines(Requests):
    """`Requests`, kept by model as well, so that no event has to look for a model's requests in the queue.

    Attributes:
        lines: The queued requests of each model that has any, in arrival order.
        serving: How many requests of each model were granted and have not left, also where their life has ended;
            models without any are absent.
    """

    __slots__ = ("lines", "serving")

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[ModelId, OrderedDict[Ticket, Waiting]] = {}
        self.serving: dict[ModelId, int] = {}

    def first(self, model: ModelId) -> Waiting | None:
        """The first of those who wait for *model*."""
        line = self.lines.get(model)
        return None if line is None else next(iter(line.values()))

    def firsts(self, models: Set[ModelId] | None = None) -> list[Waiting]:
        """The first of each line, or of those for *models* that wait, in arrival order."""
        lines = self.lines
        chosen = lines if models is None else lines.keys() & models
        return sorted(next(iter(lines[model].values())) for model in chosen)

    def enqueue(self, ticket: Ticket, model: ModelId, now: float) -> None:
        """Admit *ticket* at the end of the queue, and of its model's line."""
        super().enqueue(ticket, model, now)
        if model not in self.lines:
            self.lines[model] = OrderedDict()
        self.lines[model][ticket] = self.queue[ticket]

    def grant(self, ticket: Ticket, life: Life) -> None:
        """Move *ticket* from the queue to those being served, by *life*."""
        waiting = self.queue[ticket]
        self._leave_line(waiting)
        self.serving[waiting.model] = self.serving.get(waiting.model, 0) + 1
        super().grant(ticket, life)

    def finish(self, ticket: Ticket) -> Life | None:
        """Forget the served *ticket* and return the life that served it; None if it is not being served."""
        if ticket in self.active:
            model, _ = self.active[ticket]
            self.serving[model] -= 1
            if not self.serving[model]:
                del self.serving[model]
        return super().finish(ticket)

    def drop(self, ticket: Ticket) -> bool:
        """Take *ticket* out of the queue; False if it was not there."""
        if ticket in self.queue:
            self._leave_line(self.queue[ticket])
        return super().drop(ticket)

    def _leave_line(self, waiting: Waiting) -> None:
        line = self.lines[waiting.model]
        del line[waiting.ticket]
        if not line:
            del self.lines[waiting.model]
