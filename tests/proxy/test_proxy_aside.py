"""Large bodies are worked on beside the loop, small ones on it."""

import threading

import pytest
import trio
import trio.testing

from llamaswap.errors import BadRequestError
from llamaswap.proxy.aside import AT_ONCE_BYTES, PLACES, Aside


def where() -> int:
    return threading.get_ident()


async def test_a_small_body_costs_no_thread() -> None:
    assert await Aside().work(AT_ONCE_BYTES, where) == where()


async def test_a_large_body_stops_nobody() -> None:
    """The loop goes on while the work waits for what only the loop can do."""
    allowed = threading.Event()

    def work(number: int) -> tuple[int, int]:
        allowed.wait(30)
        return number, where()

    aside = Aside()
    async with trio.open_nursery() as nursery:
        done: list[tuple[int, int]] = []

        async def one() -> None:
            done.append(await aside.work(AT_ONCE_BYTES + 1, work, 7))

        for _ in range(PLACES + 1):
            nursery.start_soon(one)
        await trio.testing.wait_all_tasks_blocked()
        assert done == []
        allowed.set()
    assert [number for number, _ in done] == [7] * (PLACES + 1)
    assert where() not in [thread for _, thread in done]


async def test_who_leaves_does_not_wait_for_the_work() -> None:
    begun, allowed, aside = threading.Event(), threading.Event(), Aside()

    def work() -> None:
        begun.set()
        allowed.wait(30)

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(aside.work, AT_ONCE_BYTES + 1, work)
            await trio.to_thread.run_sync(begun.wait)
            nursery.cancel_scope.cancel("the client has gone")
    finally:
        allowed.set()


async def test_its_errors_are_the_caller_s() -> None:
    def work() -> None:
        raise BadRequestError("odd")

    with pytest.raises(BadRequestError, match="odd"):
        await Aside().work(AT_ONCE_BYTES + 1, work)
