"""The clients: each request on a connection of its own or the last one's, read by a parser of their own."""

import json
from dataclasses import dataclass
from typing import Literal

import trio

from tests.sim.kernel import Kernel
from tests.sim.plan import Asked
from tests.sim.server import content
from tests.sim.sockets import End

PORT = 8080
Ending = Literal["whole", "error", "cut", "left"]


@dataclass(eq=False)
class Call:
    """One request as its client sees it. `ending` is None while it goes on.

    Attributes:
        wrong: The answer was whole, and not what the model says.
        retry_after: What it was told of when to try again.
    """

    asked: Asked
    at: float
    ending: Ending | None = None
    ended_at: float | None = None
    status: int = 0
    said: str = ""
    retry_after: str = ""
    wrong: bool = False

    def __str__(self) -> str:
        return f"request {self.asked.number} for {self.asked.model}"


class Clients:
    """Everybody who asks, and what they got."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.calls: dict[int, Call] = {}
        self.refused = 0

    def pending(self) -> list[Call]:
        return [call for call in self.calls.values() if call.ending is None]

    async def ask(self, asked: Asked) -> None:
        """One request from its time to its end."""
        await trio.sleep_until(asked.at)
        end = self.kernel.dial(PORT, "client")
        if end is None:
            self.refused += 1
            return
        call = self.calls[asked.number] = Call(asked, trio.current_time())
        self.kernel.tell(f"{call} arrives")
        with trio.move_on_after(asked.leaves_s) as patience:
            await self._talk(end, call)
        if patience.cancelled_caught:
            call.ending = "left"
        call.ended_at = trio.current_time()
        self.kernel.tell(f"{call} ends: {call.ending} {call.status} {call.said[:80]}")
        end.close()

    async def _talk(self, end: End, call: Call) -> None:
        asked = call.asked
        body = json.dumps({"model": asked.model, "number": asked.number, "stream": True}).encode()
        head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        if asked.deadline_s is not None:
            head += b"X-Request-Deadline-Ms: %d\r\n" % round(1000 * asked.deadline_s)
        await end.write(b"%bX-Number: %d\r\nContent-Length: %d\r\n\r\n%b" % (head, asked.number, len(body), body))
        reader = _Reader(end)
        fields = await reader.head()
        call.status = reader.status
        call.retry_after = fields.get(b"retry-after", b"").decode()
        if call.status == 200:
            await trio.sleep(asked.stalls_s)
        said = await reader.body(fields) if fields else None
        if said is None:
            call.ending = "cut"
        elif reader.status == 200:
            call.ending, call.wrong = "whole", said != content(asked)
        else:
            call.ending = "error"
            call.said = str(json.loads(said)["error"]["message"])


class _Reader:
    """Reads one answer. A body that the framing does not show to be whole is None."""

    def __init__(self, end: End) -> None:
        self._end = end
        self._buffer = bytearray()
        self.status = 0

    async def head(self) -> dict[bytes, bytes]:
        head = await self._until(b"\r\n\r\n")
        if head is None:
            return {}
        first, *lines = head.split(b"\r\n")
        self.status = int(first.split(b" ")[1])
        return dict(line.lower().split(b": ", 1) for line in lines)

    async def body(self, fields: dict[bytes, bytes]) -> bytes | None:
        if b"content-length" in fields:
            return await self._exactly(int(fields[b"content-length"]))
        if fields.get(b"transfer-encoding") != b"chunked":
            raise AssertionError(f"no framing that a client of HTTP/1.1 could trust: {fields}")
        whole = bytearray()
        while True:
            size = await self._until(b"\r\n")
            if size is None:
                return None
            piece = await self._exactly(int(size, 16) + 2)
            if piece is None:
                return None
            whole += piece[:-2]
            if len(piece) == 2:
                return bytes(whole)

    async def _until(self, mark: bytes) -> bytes | None:
        while mark not in self._buffer:
            if not await self._more():
                return None
        found, _, rest = bytes(self._buffer).partition(mark)
        self._buffer = bytearray(rest)
        return found

    async def _exactly(self, size: int) -> bytes | None:
        while len(self._buffer) < size:
            if not await self._more():
                return None
        found = bytes(self._buffer[:size])
        del self._buffer[:size]
        return found

    async def _more(self) -> bool:
        data = await self._end.read()
        self._buffer += data
        return bool(data)
