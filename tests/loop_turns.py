"""In which turn of Trio's loop something happens."""

from collections.abc import Iterator
from contextlib import contextmanager

import trio


class LoopTurns(trio.abc.Instrument):
    """Counts the turns of the loop."""

    now = 0

    def before_io_wait(self, timeout: float) -> None:
        self.now += 1


@contextmanager
def counted_turns() -> Iterator[LoopTurns]:
    """Count while the block runs."""
    turns = LoopTurns()
    trio.lowlevel.add_instrument(turns)
    try:
        yield turns
    finally:
        trio.lowlevel.remove_instrument(turns)
