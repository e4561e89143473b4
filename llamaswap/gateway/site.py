"""What all connections of a listener share."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import trio

from llamaswap.proxy.request import Request

if TYPE_CHECKING:
    from llamaswap.gateway.connection import Connection

Answer = Callable[[Request, "Connection"], Awaitable[None]]


class Site:
    """Shared by connections.

    Attributes:
        answer: Answers one request whole, with an error, or by cutting the connection.
        stall_s: A client that takes no byte for so long is dropped.
        now: A coarse clock (s), moved once a second by the listener.
    """

    def __init__(self, answer: Answer, stall_s: float) -> None:
        self.answer = answer
        self.stall_s = stall_s
        self.now = trio.current_time()
