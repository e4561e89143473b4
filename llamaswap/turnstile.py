"""The way out for a crowd that leaves together.

Trio wakes in one turn of its loop all who have something to do: clients that have hung up, or requests that have been
refused. Each costs some 0.2 ms until it is gone; when thousands leave at once, everybody else waits for all of them.
Those who leave are in no hurry, so they go a few at a time, and others have their turns in between.
"""

import trio
from trio.lowlevel import ParkingLot

#: So many go in one turn of the loop, which then takes some 5 ms.
AT_ONCE = 24


class Turnstile:
    """Lets `AT_ONCE` through, and the next ones after a turn of the loop, in the order in which they came.

    `run` must be running: it lets those through who have to wait.
    """

    def __init__(self) -> None:
        self._places = AT_ONCE
        self._line = ParkingLot()
        self._taken = ParkingLot()

    async def go_through(self) -> None:
        """Go on as soon as it is one's turn: a checkpoint only if that is not now. Cancelling leaves the line."""
        if not self._places:
            await self._line.park()
            return
        self._places -= 1
        if not self._places:
            self._taken.unpark()

    async def run(self) -> None:
        """Offer new places a turn after the last one was taken, until cancelled."""
        while True:
            if self._places:
                await self._taken.park()
            else:
                await trio.lowlevel.checkpoint()
            self._places = AT_ONCE - len(self._line.unpark(count=AT_ONCE))
