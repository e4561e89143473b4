"""A crowd that leaves at once leaves a few at a time, so that nobody else waits for it."""

import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import chain, pairwise

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from llamaswap.gateway.listener import Listener
from llamaswap.gateway.site import Site
from llamaswap.gateway.turnstile import AT_ONCE, Turnstile
from llamaswap.proxy.request import Client, Request

MANY = 5 * AT_ONCE


class LoopTurns(trio.abc.Instrument):
    """Counts the turns of the loop."""

    now = 0

    def before_io_wait(self, timeout: float) -> None:
        self.now += 1


@pytest.fixture
async def turns() -> AsyncIterator[LoopTurns]:
    counter = LoopTurns()
    trio.lowlevel.add_instrument(counter)
    yield counter
    trio.lowlevel.remove_instrument(counter)


@asynccontextmanager
async def kept_open(turnstile: Turnstile) -> AsyncIterator[trio.Nursery]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(turnstile.run)
        await wait_all_tasks_blocked()
        yield nursery
        nursery.cancel_scope.cancel()


async def test_a_few_go_through_in_each_turn_and_nobody_before_who_came_earlier(turns: LoopTurns) -> None:
    turnstile = Turnstile()
    came: list[int] = []
    gone: dict[int, list[int]] = {}

    async def go(number: int) -> None:
        came.append(number)
        await turnstile.go_through()
        gone.setdefault(turns.now, []).append(came.index(number))

    async with kept_open(turnstile) as nursery:
        for number in range(MANY):
            nursery.start_soon(go, number)
        await wait_all_tasks_blocked()
    assert sorted(chain.from_iterable(gone.values())) == list(range(MANY))
    assert all(len(places) <= AT_ONCE for places in gone.values())
    ends = [(min(gone[turn]), max(gone[turn])) for turn in sorted(gone)]
    assert all(last < first for (_, last), (first, _) in pairwise(ends))


async def test_whoever_comes_alone_goes_at_once(turns: LoopTurns) -> None:
    """However many came before."""
    turnstile = Turnstile()
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


async def test_of_a_crowd_that_leaves_at_once_a_few_are_forgotten_in_each_turn(turns: LoopTurns) -> None:
    """Each of them has a request that waits."""
    waiting = 0
    left: Counter[int] = Counter()

    async def answer(request: Request, client: Client) -> None:
        nonlocal waiting
        waiting += 1
        try:
            await trio.sleep_forever()
        finally:
            left[turns.now] += 1

    with socket.create_server(("127.0.0.1", 0), backlog=MANY) as sock:
        sock.setblocking(False)
        port = sock.getsockname()[1]
        listener = Listener([sock], Site(answer, 60.0))
        async with trio.open_nursery() as nursery:
            await nursery.start(listener.serve)
            crowd = []
            for _ in range(MANY):
                crowd.append(socket.create_connection(("127.0.0.1", port)))
                crowd[-1].sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            with trio.fail_after(30):
                while waiting < MANY:
                    await trio.lowlevel.checkpoint()
                for client in crowd:
                    client.close()
                while listener.open_connections:
                    await listener.changed()
            listener.close()
    assert left.total() == MANY
    assert max(left.values()) <= AT_ONCE
