"""A request's claim to an upstream, and the wait for it."""

import trio

from llamaswap.config.schema import ModelId
from llamaswap.errors import LlamaSwapError
from llamaswap.models.upstream import Upstream
from llamaswap.schedule.events import Ticket
from llamaswap.turnstile import Turnstile


class Lease:
    """The right to use an upstream, from grant to `Dispatcher.leave`. Made by `Dispatcher.arrive`, in arrival order."""

    __slots__ = ("_error", "_event", "_way_out", "model", "ticket", "upstream")

    def __init__(self, ticket: Ticket, model: ModelId, way_out: Turnstile) -> None:
        self._way_out = way_out
        self.ticket = ticket
        self.model = model
        self.upstream: Upstream | None = None
        self._error: LlamaSwapError | None = None
        self._event: trio.Event | None = None

    async def wait(self) -> Upstream:
        """Wait for the scheduler's decision.

        Raises:
            LlamaSwapError: the request was turned away; its class says why.
        """
        if self.upstream is None and self._error is None:
            self._event = trio.Event()
            await self._event.wait()
            if self._error is not None:  # as perhaps thousands of others were, by the same fact
                await self._way_out.go_through()
        if self._error is not None:
            raise self._error
        assert self.upstream is not None
        return self.upstream

    def decide(self, decision: Upstream | LlamaSwapError) -> None:
        """Take the scheduler's one decision. Never waits for the one who is to read it."""
        if isinstance(decision, LlamaSwapError):
            self._error = decision
        else:
            self.upstream = decision
        if self._event is not None:
            self._event.set()
