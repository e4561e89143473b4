"""A crowd that leaves at once leaves a few at a time, so that nobody else waits for it."""

import socket
from collections import Counter

import trio

from llamaswap.gateway.listener import Listener
from llamaswap.gateway.site import Site
from llamaswap.proxy.request import Client, Request
from llamaswap.turnstile import AT_ONCE
from tests.loop_turns import counted_turns

MANY = 5 * AT_ONCE


async def test_of_a_crowd_that_leaves_at_once_a_few_are_forgotten_in_each_turn() -> None:
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

    with counted_turns() as turns, socket.create_server(("127.0.0.1", 0), backlog=MANY) as sock:
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
