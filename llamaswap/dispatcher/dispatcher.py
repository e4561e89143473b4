"""What the other rooms may ask of the dispatcher: a place in the queue, a load, an unload, the end."""

from collections.abc import Iterator
from contextlib import contextmanager

import trio

from llamaswap.config.schema import Config, ModelId
from llamaswap.dispatcher.core import Core
from llamaswap.dispatcher.lease import Lease
from llamaswap.dispatcher.lives import Spawn
from llamaswap.errors import ModelNotFoundError
from llamaswap.schedule.events import Arrived, Ask, Left, ShutdownAsked, Ticket, UnloadAsked
from llamaswap.schedule.scheduler import Scheduler


class Dispatcher(Core):
    """Turns what is asked into facts, and waits for what becomes of them. `run` must be running before."""

    def __init__(self, config: Config, scheduler: Scheduler, spawn: Spawn) -> None:
        super().__init__(config, scheduler, spawn)
        self._next_ticket = 1
        self._next_ask = 1
        #: The tickets of those that want a model loaded, and nothing of it.
        self.loads: set[Ticket] = set()

    def arrive(self, model: ModelId, deadline: float | None = None, earliest: float | None = None) -> Lease:
        """Queue a request for *model*. Exactly one `leave` must follow, however the request ends.

        Args:
            deadline: When the request is of no use any more unless it was granted before, on Trio's clock.
            earliest: Before that it cannot be granted.
        """
        ticket = Ticket(self._next_ticket)
        self._next_ticket += 1
        lease = Lease(ticket, model, self._way_out)
        self._leases[ticket] = lease
        self._turns.post(Arrived(ticket, model, deadline, earliest))
        return lease

    def leave(self, lease: Lease) -> None:
        """The request is over. Synchronous, so that it also runs in a `finally` while being cancelled."""
        del self._leases[lease.ticket]
        self._turns.post(Left(lease.ticket))

    @contextmanager
    def request(self, model: ModelId) -> Iterator[Lease]:
        """A request's place in the scheduler as a block: arrives on entry, leaves on exit."""
        lease = self.arrive(model)
        try:
            yield lease
        finally:
            self.leave(lease)

    async def load(self, model: ModelId) -> None:
        """Wait until *model* has been loaded, in its turn, without sending it a request.

        Raises:
            LlamaSwapError: it could not be loaded.
        """
        if model not in self._config.models:
            raise ModelNotFoundError("model not found")
        ticket = Ticket(self._next_ticket)
        self.loads.add(ticket)  # before it arrives, which may be all there is to it
        try:
            with self.request(model) as lease:
                await lease.wait()
        finally:
            self.loads.discard(ticket)

    async def unload(self, models: frozenset[ModelId] | None, grace: float | None = None) -> tuple[ModelId, ...]:
        """Stop *models* (None: all) and wait until they are gone.

        Cancelling the wait does not take the order back.

        Returns:
            Those that could not be stopped.
        """
        ask = Ask(self._next_ask)
        self._next_ask += 1
        done, stuck = trio.Event(), list[ModelId]()
        self._unloads[ask] = done, stuck
        self._turns.post(UnloadAsked(ask, models, grace))
        await done.wait()
        return tuple(stuck)

    async def shut_down(self, *, drain: bool, grace: float | None = None) -> None:
        """Refuse what waits, let what is served finish (with *drain*), stop every model; wait until all are gone."""
        self._turns.post(ShutdownAsked(drain, grace))
        await self._lives.all_gone()

    def kill_now(self) -> None:
        """SIGKILL to every model's process group: the last resort of a daemon that must end at once."""
        self._lives.kill_now()
