"""The way out: a few in each turn of the loop, in their order."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import chain, pairwise

import trio
from trio.testing import wait_all_tasks_blocked

from llamaswap.turnstile import AT_ONCE, Turnstile
from tests.loop_turns import counted_turns

MANY = 5 * AT_ONCE


@asynccontextmanager
async def kept_open(turnstile: Turnstile) -> AsyncIterator[trio.Nursery]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(turnstile.run)
        await wait_all_tasks_blocked()
        yield nursery
        nursery.cancel_scope.cancel()


async def test_a_few_go_through_in_each_turn_and_nobody_before_who_came_earlier() -> None:
    turnstile = Turnstile()
    came: list[int] = []
    gone: dict[int, list[int]] = {}

    async def go(number: int) -> None:
        came.append(number)
        await turnstile.go_through()
        gone.setdefault(turns.now, []).append(came.index(number))

    with counted_turns() as turns:
        async with kept_open(turnstile) as nursery:
            for number in range(MANY):
                nursery.start_soon(go, number)
            await wait_all_tasks_blocked()
    assert sorted(chain.from_iterable(gone.values())) == list(range(MANY))
    assert all(len(places) <= AT_ONCE for places in gone.values())
    ends = [(min(gone[turn]), max(gone[turn])) for turn in sorted(gone)]
    assert all(last < first for (_, last), (first, _) in pairwise(ends))


async def test_whoever_comes_alone_goes_at_once() -> None:
    """However many came before."""
    turnstile = Turnstile()
    with counted_turns() as turns:
        async with kept_open(turnstile):
            for _ in range(MANY):
                now = turns.now
                await turnstile.go_through()
                assert turns.now == now
                await wait_all_tasks_blocked()


async def test_who_gives_up_leaves_the_line() -> None:
    turnstile = Turnstile()
    gone: list[int] = []

    async def go(number: int) -> None:
        await turnstile.go_through()
        gone.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(AT_ONCE):
            await go(number)
        with trio.move_on_after(0):
            await go(AT_ONCE)
        nursery.start_soon(go, AT_ONCE + 1)
        await wait_all_tasks_blocked()
        assert gone == list(range(AT_ONCE))
        nursery.start_soon(turnstile.run)
        await wait_all_tasks_blocked()
        assert gone == [*range(AT_ONCE), AT_ONCE + 1]
        nursery.cancel_scope.cancel()
