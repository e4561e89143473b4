"""The fuzzer: many hostile clients against the real listener, a strict server behind it.

It fails when the listener or a task of it dies or hangs, when anything is logged as wrong, when the server behind gets
bytes that are not a well-formed request, or a request that h11, reading what the client sent, does not see, or more
often than it was sent. A client's own loopback address says whose request it was.
"""

import argparse
import logging
import secrets
import socket
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import h11
import trio

from llamaswap.config.schema import Config, ModelConfig
from llamaswap.gateway.listener import Listener
from llamaswap.gateway.routes import Plane
from llamaswap.gateway.rules import Rules
from llamaswap.gateway.site import Site
from llamaswap.models.upstream import Upstream
from llamaswap.proxy.handler import ModelHandler
from llamaswap.schedule.choose import rules_for
from llamaswap.schedule.events import Event, Life
from llamaswap.schedule.serial import SerialScheduler
from tests.gateway.fuzz_streams import Seen, Stream, oracle, stream
from tests.gateway.wire import A, Complaints, PretendedProcess, WatchedDispatcher

SHORT = 20_000
CLIENTS = 48
#: How long a client waits for more of an answer before it gives up, and when something counts as stuck.
QUIET_S, STUCK_S = 0.05, 20.0
#: So many waits make up the quiet: when the machine stands still, one of them is over, but not all.
WAITS = 5

_REPLIES = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
)


class TroubleError(Exception):
    """The daemon did something it must not."""


@dataclass
class Strict:
    """The server behind: takes nothing but well-formed requests, and keeps a ledger of them by client."""

    delivered: dict[str, list[Seen]] = field(default_factory=lambda: defaultdict(list))
    malformed: list[str] = field(default_factory=list)
    count: int = 0

    async def serve(self, conversation: trio.SocketStream) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 22)
        try:
            async with conversation:
                while await self._one(conversation, connection):
                    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 22)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return

    async def _one(self, conversation: trio.SocketStream, connection: h11.Connection) -> bool:
        seen: Seen | None = None
        while True:
            try:
                event = connection.next_event()
            except h11.RemoteProtocolError as error:
                if "closed" not in str(error):
                    self.malformed.append(f"{error}: {connection.trailing_data!r}")
                return False
            if event is h11.NEED_DATA:
                connection.receive_data(await conversation.receive_some(65536))
            elif isinstance(event, h11.Request):
                seen = self._note(event)
            elif isinstance(event, h11.Data):
                assert seen is not None
                seen.body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                assert seen is not None
                seen.whole = True
                self.count += 1
                if connection.trailing_data[0]:
                    self.malformed.append(f"bytes behind a request: {connection.trailing_data!r}")
                reply = _REPLIES[self.count % len(_REPLIES)]
                await conversation.send_all(reply)
                return b"Connection: close" not in reply
            else:
                return False

    def _note(self, event: h11.Request) -> Seen:
        headers = [(bytes(name), bytes(value)) for name, value in event.headers]
        names = [name for name, _ in headers]
        if names.count(b"host") != 1 or {b"content-length", b"transfer-encoding"} <= set(names):
            self.malformed.append(f"odd head: {headers!r}")
        client = dict(headers).get(b"x-forwarded-for", b"").rpartition(b", ")[2].decode()
        self.delivered[client].append(Seen(bytes(event.method), bytes(event.target)))
        return self.delivered[client][-1]


class Fuzz:
    """One run."""

    def __init__(self, seed: str, numbers: range) -> None:
        self._seed, self._numbers = seed, iter(numbers)
        self._strict = Strict()
        self._complaints = Complaints()
        self.delivered = self.requests = 0

    async def run(self) -> None:
        logging.getLogger("llamaswap").addHandler(self._complaints)
        async with trio.open_nursery() as nursery:
            port = (await nursery.start(trio.serve_tcp, self._strict.serve, 0))[0].socket.getsockname()[1]
            self._build(port)
            await nursery.start(self._dispatcher.run)
            await nursery.start(self._listener.serve)
            try:
                async with trio.open_nursery() as clients:
                    for _ in range(CLIENTS):
                        clients.start_soon(self._clients)
                await self._all_quiet()
            finally:
                with trio.move_on_after(STUCK_S, shield=True):
                    await self._end()
            nursery.cancel_scope.cancel("done")

    async def _end(self) -> None:
        logging.getLogger("llamaswap").removeHandler(self._complaints)
        self._plane.control.close()
        await self._dispatcher.shut_down(drain=False, grace=0)

    def _build(self, port: int) -> None:
        config = Config(models={A: ModelConfig(A, proxy=f"http://127.0.0.1:{port}")}, names={"a": A})

        def spawn(spec: ModelConfig, life: Life, post: Callable[[Event], None]) -> PretendedProcess:
            process = PretendedProcess(spec.id, life, post)
            trio.lowlevel.spawn_system_task(_become_ready, process)
            return process

        scheduler = SerialScheduler({A: rules_for(config.models[A])}, parallel=CLIENTS)
        self._dispatcher = WatchedDispatcher(config, scheduler, spawn)
        ready = trio.Event()
        ready.set()
        self._plane = Plane(
            rules=Rules(config, loopback_only=True, names=frozenset()),
            handler=ModelHandler(lambda: config, self._dispatcher),
            alive=lambda: self._dispatcher.alive,
            control=Upstream(f"http://127.0.0.1:{port}"),
            control_ready=lambda: ready,
            log_line=lambda line: None,
        )
        sock = socket.create_server(("127.0.0.1", 0))
        sock.setblocking(False)
        self._address = sock.getsockname()
        self._listener = Listener([sock], Site(self._plane.answer, 60.0))

    async def _clients(self) -> None:
        for number in self._numbers:
            sends = stream(self._seed, number)
            address = f"127.{1 + (number >> 16 & 127)}.{number >> 8 & 255}.{number & 255}"
            try:
                with trio.fail_after(STUCK_S):
                    got = await self._one(sends, address)
            except trio.TooSlowError:
                raise self._trouble(number, "it is stuck") from None
            self._judge(number, address, sends, got)

    async def _one(self, sends: Stream, address: str) -> bytes:
        sock = trio.socket.socket()
        with sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await sock.bind((address, 0))
            await sock.connect(self._address)
            try:
                for piece in sends.pieces:
                    await trio.SocketStream(sock).send_all(piece)
                    await trio.lowlevel.checkpoint()
                return b"" if sends.hangs_up else await _read(sock)
            except (OSError, trio.BrokenResourceError):
                return b""

    def _judge(self, number: int, address: str, sends: Stream, got: bytes) -> None:
        """What was delivered must be among what was sent, in its order, each once."""
        delivered = self._strict.delivered.pop(address, [])
        sent = iter(oracle(sends.raw))
        for seen in delivered:
            if not any(seen.may_be(one) for one in sent):
                raise self._trouble(number, f"delivered {delivered!r}, sent {oracle(sends.raw)!r}")
        self.delivered += len(delivered)
        self.requests += 1
        if got and not got.startswith(b"HTTP/1.1 "):
            raise self._trouble(number, f"answered {got[:200]!r}")
        if self._strict.malformed or self._complaints.records:
            raise self._trouble(number, f"{self._strict.malformed or self._complaints.records} (or one near it)")

    async def _all_quiet(self) -> None:
        with trio.move_on_after(STUCK_S) as stuck:
            while self._listener.open_connections:
                await self._listener.changed()
            await self._dispatcher.until(lambda: not self._dispatcher.outstanding)
        if stuck.cancelled_caught:
            raise TroubleError(
                f"{self._listener.open_connections} connections, {self._dispatcher.outstanding} leases are left"
            )
        if self._strict.malformed or self._complaints.records:
            raise TroubleError(f"{self._strict.malformed} {self._complaints.records}")

    def _trouble(self, number: int, what: str) -> TroubleError:
        return TroubleError(f"connection {number} (--seed {self._seed} --only {number}): {what}")


async def _read(sock: trio.socket.SocketType) -> bytes:
    """All that comes; what comes no more after a while is asked to end by our own end."""
    got = b""
    for _ in range(WAITS):
        with trio.move_on_after(QUIET_S / WAITS):
            while data := await sock.recv(65536):
                got += data
            return got
    sock.shutdown(socket.SHUT_WR)
    while data := await sock.recv(65536):
        got += data
    return got


async def _become_ready(process: PretendedProcess) -> None:
    process.becomes_ready()


def run(fuzz: Fuzz) -> list[str]:
    """Run it to its end, or to the first trouble, which is described; empty if there was none."""
    troubles: list[str] = []
    try:
        trio.run(fuzz.run)
    except* TroubleError as group:
        troubles += [str(trouble) for trouble in _leaves(group)]
    return troubles


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="fuzz", description="Hostile byte streams against the real listener.")
    parser.add_argument("--short", action="store_true", help=f"{SHORT} connections, as each build runs it")
    parser.add_argument("--connections", type=int, default=1_000_000, help="how many (default: %(default)s)")
    parser.add_argument("--seed", default=secrets.token_hex(4), help="repeat the run that printed it")
    parser.add_argument("--only", type=int, help="only the connection with this number")
    options = parser.parse_args()
    count = SHORT if options.short else options.connections
    numbers = range(count) if options.only is None else range(options.only, options.only + 1)
    print(f"fuzz: {len(numbers)} connections, --seed {options.seed}", flush=True)
    logging.getLogger("llamaswap").propagate = False
    before = time.monotonic()
    fuzz = Fuzz(options.seed, numbers)
    troubles = run(fuzz)
    for trouble in troubles:
        print(f"fuzz: {trouble}", file=sys.stderr)
    if troubles:
        return 1
    print(f"fuzz: {fuzz.requests} connections, {fuzz.delivered} requests delivered, {time.monotonic() - before:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
