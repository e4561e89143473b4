"""Reading and changing bodies. Small ones at once; large ones in a thread, so that an odd one stops nobody else.

What a body costs depends on how many keys and values it has, not on its length: a megabyte of tiny members takes half a
second or more where a picture of that size takes a millisecond, and that cannot be told before.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import trio

T = TypeVar("T")

#: Up to this size the oddest body takes less than a tenth of a second; for larger ones the way to a thread is cheap.
AT_ONCE_BYTES = 64 << 10
#: So many threads at once; who comes later waits. They share one processor, whatever the machine has.
PLACES = 2


class Aside:
    """Where the work on large bodies is done. The interpreter lets the event loop in every few milliseconds."""

    def __init__(self) -> None:
        self._places = trio.CapacityLimiter(PLACES)

    async def work(self, size: int, function: Callable[..., T], *arguments: object) -> T:
        """Return what *function* does with *arguments*, of which one is a body of *size* bytes.

        Cancelling gives up waiting; the thread works to its end, and holds its place until then.
        """
        if size <= AT_ONCE_BYTES:
            return function(*arguments)
        call = partial(function, *arguments)
        return await trio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=self._places)
