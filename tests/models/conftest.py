"""Every test here ends with the proof that nothing is left of what it started."""

from collections.abc import AsyncIterator

import pytest
import trio

from llamaswap.models.markers import own_mark
from tests.models.living import Lives, survivors


@pytest.fixture
async def lives() -> AsyncIterator[Lives]:
    async with trio.open_nursery() as nursery:
        yield Lives(nursery)
        nursery.cancel_scope.cancel()
    assert survivors(own_mark()) == []
