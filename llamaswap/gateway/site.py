"""What all connections of a listener share."""

from collections.abc import Awaitable, Callable

import trio

from llamaswap.proxy.request import Client, Request
from llamaswap.turnstile import Turnstile

Answer = Callable[[Request, Client], Awaitable[None]]


class Site:
    """Shared by connections.

    Attributes:
        answer: Answers one request whole, with an error, or by cutting the connection.
        stall_s: A client that takes no byte for so long is dropped.
        now: A coarse clock (s), moved once a second by the listener.
        way_out: Of those who hang up; kept open by the listener.
    """

    def __init__(self, answer: Answer, stall_s: float) -> None:
        self.answer = answer
        self.stall_s = stall_s
        self.now = trio.current_time()
        self.way_out = Turnstile()
