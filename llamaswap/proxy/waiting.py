"""A request that has to wait for its model: how long it did, and what is to be expected when it is turned away."""

import trio

from llamaswap.dispatcher import Dispatcher, Lease
from llamaswap.errors import LlamaSwapError, TooManyRequestsError
from llamaswap.forecaster import Forecaster
from llamaswap.models.upstream import Upstream
from llamaswap.proxy.request import Request

#: What the answer to a request that did not wait says of it.
AT_ONCE = b"X-Queue-Wait-Ms: 0\r\nX-Load-Ms: 0"
#: A refusal is held back no longer than this to say when trying again makes sense.
PATIENCE_S = 0.25


class WaitingRoom:
    """Where requests wait for their lease."""

    def __init__(self, dispatcher: Dispatcher, forecaster: Forecaster) -> None:
        self._dispatcher = dispatcher
        self._forecaster = forecaster

    async def upstream_for(self, lease: Lease, request: Request) -> Upstream:
        """Wait for the decision about *lease*; what the wait came to is noted in *request*, for the answer's head.

        Raises:
            LlamaSwapError: the request was turned away.
        """
        begin = trio.current_time()
        try:
            upstream = await lease.wait()
        except LlamaSwapError as error:
            await self._advise(error, lease)
            raise
        request.told = self._told(lease, begin, trio.current_time())
        return upstream

    def _told(self, lease: Lease, begin: float, end: float) -> bytes:
        load = self._forecaster.load_within(lease.model, begin, end)
        queue_ms, load_ms = round(1000 * (end - begin - load)), round(1000 * load)
        return b"X-Queue-Wait-Ms: %d\r\nX-Load-Ms: %d" % (queue_ms, load_ms)

    async def _advise(self, error: LlamaSwapError, lease: Lease) -> None:
        """Say when trying again makes sense, where that is known better than by a rule of thumb."""
        if not isinstance(error, TooManyRequestsError):
            return
        with trio.move_on_after(PATIENCE_S):
            expected = await self._forecaster.place_for(lease.model)
            if expected is not None:
                error.retry_after_s = max(1.0, expected.likely)
