"""The model servers: HTTP/1.1 over the kernel's streams, with the manners of their trees and of each answer.

Written apart from our own parsers, and knows of a request only what it reads. Keeps the ledger of deliveries.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import trio

from tests.sim.kernel import Kernel
from tests.sim.plan import FIRST_PORT, NAMES, NEVER, Asked
from tests.sim.sockets import End
from tests.sim.trees import Tree

#: After these the connection may carry another request.
KEPT = ("whole", "stream")


@dataclass(eq=False)
class Delivery:
    """A request that has reached a model. `finished_at`: its answer's last byte was sent, and nothing is missing."""

    number: int
    tree: Tree
    at: float
    end: End
    path: str
    whole: bool = False
    finished_at: float | None = None
    over_at: float | None = None

    @property
    def going_on(self) -> bool:
        """The model is busy with it, as far as it can know."""
        return self.over_at is None and not self.end.closed and not (self.end.peer is None or self.end.peer.closed)


def content(asked: Asked) -> bytes:
    """What the answer to *asked* says, however it is framed."""
    line = b"%d:%b;" % (asked.number, asked.model.encode())
    return line + b"x" * (asked.answer.piece_bytes * asked.answer.pieces)


class Servers:
    """Every model's server, and what was delivered to them."""

    def __init__(self, kernel: Kernel, asked: Mapping[int, Asked]) -> None:
        self.kernel = kernel
        self.asked = asked
        self.ledger: list[Delivery] = []
        self.troubles: list[str] = []
        self.progress_at = 0.0

    def serve(self, tree: Tree) -> None:
        """From now on *tree* serves, in its own time."""
        self.kernel.after(tree.fate.listens_s, lambda: self._listen(tree))
        self.kernel.after(tree.fate.healthy_s, lambda: self._get_ready(tree))

    def _get_ready(self, tree: Tree) -> None:
        tree.ready = True
        self.progress_at = trio.current_time()

    def _listen(self, tree: Tree) -> None:
        if not tree.leader.alive:
            return
        try:
            listener = self.kernel.listen(FIRST_PORT + NAMES.index(tree.model), str(tree))
        except OSError:
            self.troubles.append(f"{tree} finds its port taken")
            return
        with_it: list[End] = [listener]

        def close_all() -> None:
            if not tree.leader.alive:
                for end in with_it:
                    end.abort()

        tree.watchers.append(close_all)
        self.kernel.nursery.start_soon(self._accept, tree, listener, with_it)

    async def _accept(self, tree: Tree, listener: End, with_it: list[End]) -> None:
        while True:
            while not listener.readable:
                await listener.can_read.park()
            if listener.closed:
                return
            end, _ = listener.accept()
            with_it.append(end)
            self.kernel.nursery.start_soon(self._talk, tree, end)

    async def _talk(self, tree: Tree, end: End) -> None:
        buffer = bytearray()
        while not end.closed:
            while b"\r\n\r\n" not in buffer:
                with trio.move_on_after(tree.fate.keeps_s if not buffer else NEVER) as patience:
                    data = await end.read()
                if patience.cancelled_caught or not data:
                    end.close()
                    return
                buffer += data
            head, _, rest = bytes(buffer).partition(b"\r\n\r\n")
            buffer = bytearray(rest)
            if not await self._answer(tree, end, head, buffer):
                return

    async def _answer(self, tree: Tree, end: End, head: bytes, buffer: bytearray) -> bool:
        """Answer one request; False when the connection is over."""
        path = head.split(b" ", 2)[1].decode()
        if path == "/health":
            status = b"200 OK" if tree.ready else b"503 Loading"
            return await end.write(b"HTTP/1.1 %b\r\nContent-Length: 2\r\n\r\nok" % status)
        fields = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:])
        length = int(fields.get(b"content-length", b"0"))
        delivery = Delivery(int(fields[b"x-number"]), tree, trio.current_time(), end, path)
        self.ledger.append(delivery)
        self.kernel.tell(f"request {delivery.number} reaches {tree}")
        while len(buffer) < length:
            data = await end.read()
            if not data:
                end.close()
                return False
            buffer += data
        body = json.loads(bytes(buffer[:length]))
        del buffer[:length]
        delivery.whole = True
        if body["model"] != tree.model or body["number"] != delivery.number:
            self.troubles.append(f"request {delivery.number} for {body['model']} reached {tree}")
        goes_on = False
        with trio.CancelScope() as scope:
            tree.watchers.append(partial(_end_with_leader, tree, scope))
            goes_on = await self._reply(end, self.asked[delivery.number], delivery)
        delivery.over_at = self.progress_at = trio.current_time()
        self.kernel.tell(f"{tree} is done with {delivery.number}, whole={delivery.finished_at is not None}")
        if not goes_on:
            end.close()
        return goes_on

    async def _reply(self, end: End, asked: Asked, delivery: Delivery) -> bool:
        answer, said = asked.answer, content(asked)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_see_hang_up, end, nursery.cancel_scope)
            if answer.kind == "silent":
                await trio.sleep_forever()
            await trio.sleep(answer.delay_s)
            if answer.kind == "hang up":
                nursery.cancel_scope.cancel()
                await trio.lowlevel.checkpoint()
            sent = await self._send(delivery.tree, end, asked, said)
            if sent:
                delivery.finished_at = trio.current_time()
            nursery.cancel_scope.cancel()
        return delivery.finished_at is not None and bool(delivery.tree.fate.keeps_s) and answer.kind in KEPT

    async def _send(self, tree: Tree, end: End, asked: Asked, said: bytes) -> bool:
        """Send the answer in its pieces; False if it does not become whole."""
        answer = asked.answer
        if answer.kind == "whole":
            closes = b"" if tree.fate.keeps_s else b"Connection: close\r\n"
            return await end.write(b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n%b" % (closes, len(said), said))
        chunked = answer.kind != "to end"
        framing = b"Transfer-Encoding: chunked" if chunked else b"Connection: close"
        if not await end.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n%b\r\n\r\n" % framing):
            return False
        size = -(-len(said) // answer.pieces)
        for first in range(0, len(said), size):
            if first and answer.gap_s:
                await trio.sleep(answer.gap_s)
            piece = said[first : first + size]
            broken = answer.kind in ("break", "reset") and first + size >= len(said)
            if broken:
                piece = piece[: len(piece) // 2]
                await end.write(b"%x\r\n%b" % (len(piece) + 1, piece))
                if answer.kind == "reset":
                    end.abort()
                return False
            if not await end.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece):
                return False
        while answer.kind == "endless":
            await trio.sleep(max(answer.gap_s, 1.0))
            if not await end.write(b"1\r\nx\r\n"):
                return False
        return not chunked or await end.write(b"0\r\n\r\n")


def _end_with_leader(tree: Tree, scope: trio.CancelScope) -> None:
    if not tree.leader.alive:
        scope.cancel()


async def _see_hang_up(end: End, scope: trio.CancelScope) -> None:
    """A server that nobody listens to any more stops working."""
    while not end.hung_up:
        await end.can_read.park()
    scope.cancel()
