"""A request that has to wait for its model: what it is told meanwhile, how long it did, and when to try again.

Normally nothing is sent before the model answers, so that its status is the answer's. With ``sendLoadingState``, a chat
that asked for a stream gets the stream's head once it has waited for a second, and then a comment every second, which
says what to expect; programs ignore comments, people and proxies see that something goes on.
"""

import math
from collections.abc import Awaitable, Callable

import trio

from llamaswap.dispatcher import Lease
from llamaswap.errors import DeadlineError, LlamaSwapError, TooManyRequestsError
from llamaswap.forecaster import Forecaster
from llamaswap.models.upstream import Upstream
from llamaswap.proxy.envelope import error_object
from llamaswap.proxy.eventstream import EventStream
from llamaswap.proxy.request import Client, ClientGoneError, Request

#: What the answer to a request that did not wait says of it.
AT_ONCE = b"X-Queue-Wait-Ms: 0\r\nX-Load-Ms: 0"
#: A refusal is held back no longer than this to say when trying again makes sense.
PATIENCE_S = 0.25
#: Whoever waits no longer than this is answered as if there were no stream; then a comment each so often.
QUIET_S, EVERY_S = 1.0, 1.0


class WaitingRoom:
    """Where requests wait for their lease."""

    def __init__(self, forecaster: Forecaster) -> None:
        self._forecaster = forecaster

    async def upstream_for(self, lease: Lease, request: Request) -> Upstream:
        """Wait for the decision about *lease*; what the wait came to is noted in *request*, for the answer's head.

        Raises:
            LlamaSwapError: the request was turned away.
        """
        begin = trio.current_time()
        refused: LlamaSwapError | None = None
        try:
            upstream = await lease.wait()
        except LlamaSwapError as error:
            refused = error
        if refused is not None:  # outside of the handler, which a cancelled wait would leave without its error
            await self._advise(refused, lease)
            raise refused
        request.told = self._told(lease, begin, trio.current_time())
        return upstream

    async def stream(
        self, lease: Lease, request: Request, client: Client, go_on: Callable[[Upstream], Awaitable[None]]
    ) -> None:
        """Answer with an event stream: comments while it waits, then what *go_on* makes of it.

        Raises:
            LlamaSwapError: nothing has been sent to the client.
        """
        stream = EventStream(request, client)
        try:
            with trio.move_on_after(QUIET_S) as quiet:
                upstream = await self.upstream_for(lease, request)
            if quiet.cancelled_caught:
                await stream.begin()
                upstream = await self._while_commenting(lease, stream)
            await go_on(upstream)
        except LlamaSwapError as error:
            if not request.early:
                raise
            await stream.fail(error_object(error), error.status)

    async def _while_commenting(self, lease: Lease, stream: EventStream) -> Upstream:
        failure: Exception | None = None
        upstream: Upstream | None = None

        async def comment(scope: trio.CancelScope) -> None:
            nonlocal failure
            try:
                await self._comment(lease, stream)
            except ClientGoneError as error:
                failure = error
                scope.cancel("the client has gone")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(comment, nursery.cancel_scope)
            try:
                upstream = await lease.wait()
            except LlamaSwapError as error:
                failure = error
            nursery.cancel_scope.cancel("decided")
        if not stream.whole and failure is None:
            failure = ClientGoneError("it does not read what it is sent")
        if failure is not None:
            raise failure  # here, since a nursery would wrap it
        assert upstream is not None
        return upstream

    async def _comment(self, lease: Lease, stream: EventStream) -> None:
        while True:
            await stream.comment(await self._outlook(lease))
            await trio.sleep(EVERY_S)

    async def _outlook(self, lease: Lease) -> str:
        expected = await self._forecaster.fresh()
        place = expected.order.get(lease.ticket)
        if place is None:
            return "waiting"
        start = self._forecaster.seen_now(expected, expected.start(lease.ticket))
        told = "" if start is None else f", starts in about {math.ceil(start.likely)} s"
        return f"position {place}{told}"

    def _told(self, lease: Lease, begin: float, end: float) -> bytes:
        load = self._forecaster.load_within(lease.model, begin, end)
        queue_ms, load_ms = round(1000 * (end - begin - load)), round(1000 * load)
        return b"X-Queue-Wait-Ms: %d\r\nX-Load-Ms: %d" % (queue_ms, load_ms)

    async def _advise(self, error: LlamaSwapError, lease: Lease) -> None:
        """Say when trying again makes sense, where that is known better than by a rule of thumb."""
        if isinstance(error, TooManyRequestsError):
            ask = self._forecaster.place_for
        elif isinstance(error, DeadlineError):
            ask = self._forecaster.newcomer
        else:
            return
        with trio.move_on_after(PATIENCE_S):
            expected = await ask(lease.model)
            if expected is not None:
                error.retry_after_s = max(1.0, expected.likely)
