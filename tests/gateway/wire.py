"""The data plane on real sockets: its listener and rules, a client of bytes in front, a server of bytes behind.

Only the model's process is pretended; the server that stands for it is the test itself, which sends what it wants when
it wants.
"""

import logging
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from llamaswap.config.schema import Config, ModelConfig, ModelId
from llamaswap.dispatcher import Dispatcher, Lease
from llamaswap.gateway.listener import Listener
from llamaswap.gateway.routes import Plane
from llamaswap.gateway.rules import Rules
from llamaswap.gateway.site import Site
from llamaswap.models.upstream import Upstream
from llamaswap.proxy.handler import ModelHandler
from llamaswap.schedule.choose import rules_for
from llamaswap.schedule.events import Event, Exited, Life, Started
from llamaswap.schedule.serial import SerialScheduler

A, BASED, DEAD = ModelId("a"), ModelId("based"), ModelId("dead")
#: Nothing here takes long; what does is stuck.
PATIENCE_S = 30.0

BODY = b'{"model":"a"}'


def post(body: bytes = BODY, *headers: bytes, path: bytes = b"/v1/chat/completions") -> bytes:
    lines = [
        b"POST %b HTTP/1.1" % path,
        b"Host: localhost",
        b"Content-Type: application/json",
        *headers,
        b"Content-Length: %d" % len(body),
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def get(path: bytes, *headers: bytes, method: bytes = b"GET", host: bytes = b"localhost") -> bytes:
    return b"\r\n".join([b"%b %b HTTP/1.1" % (method, path), b"Host: " + host, *headers, b"", b""])


def answer(body: bytes = b"ok", *headers: bytes, status: bytes = b"200 OK") -> bytes:
    return b"\r\n".join([b"HTTP/1.1 " + status, *headers, b"Content-Length: %d" % len(body), b"", body])


class Wire:
    """One end of a connection, read by the byte."""

    def __init__(self, stream: trio.abc.Stream, sock: trio.socket.SocketType) -> None:
        self.stream = stream
        self.sock = sock
        self.buffer = b""

    async def send(self, data: bytes) -> None:
        with trio.fail_after(PATIENCE_S):
            await self.stream.send_all(data)

    async def more(self) -> bool:
        """Read what comes next; False at the end of the stream. Raises trio.BrokenResourceError after a reset."""
        with trio.fail_after(PATIENCE_S):
            data = await self.stream.receive_some(65536)
        self.buffer += data
        return bool(data)

    async def until(self, end: bytes) -> bytes:
        while end not in self.buffer:
            assert await self.more(), f"ended before {end!r}: {self.buffer!r}"
        cut = self.buffer.index(end) + len(end)
        taken, self.buffer = self.buffer[:cut], self.buffer[cut:]
        return taken

    async def exactly(self, count: int) -> bytes:
        while len(self.buffer) < count:
            assert await self.more(), f"ended after {len(self.buffer)} of {count} bytes: {self.buffer[:200]!r}"
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    async def all(self) -> bytes:
        """Everything until the orderly end of the stream."""
        while await self.more():
            pass
        taken, self.buffer = self.buffer, b""
        return taken

    async def ended(self) -> bool:
        """Wait for the end; whether it was an orderly one."""
        try:
            await self.all()
        except trio.BrokenResourceError:
            return False
        return True

    async def chunked(self) -> bytes:
        """The chunked body that comes next, unframed, to its final chunk."""
        body = b""
        while size := int((await self.until(b"\r\n")).split(b";")[0], 16):
            body += await self.exactly(size)
            assert await self.exactly(2) == b"\r\n"
        while await self.until(b"\r\n") != b"\r\n":
            pass
        return body

    async def message(self, *, bodiless: bool = False) -> "Message":
        """The request or the answer that comes next."""
        lines = (await self.until(b"\r\n\r\n")).split(b"\r\n")[:-2]
        headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines[1:])]
        message = Message(lines[0], headers)
        if bodiless:
            return message
        if message.get(b"transfer-encoding") == b"chunked":
            message.body = await self.chunked()
        else:
            message.body = await self.exactly(int(message.get(b"content-length") or 0))
        return message

    async def close(self) -> None:
        await trio.aclose_forcefully(self.stream)

    async def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await trio.aclose_forcefully(self.stream)


@dataclass
class Message:
    first: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""

    def get(self, name: bytes) -> bytes | None:
        values = self.all(name)
        assert len(values) < 2, f"{name!r} twice"
        return values[0] if values else None

    def all(self, name: bytes) -> list[bytes]:
        return [value for lower, value in self.headers if lower == name]

    @property
    def status(self) -> int:
        return int(self.first.split(b" ")[1])


class Server:
    """A server that does what the test tells it; `connections` counts those that were ever made to it."""

    def __init__(self, listener: trio.SocketListener) -> None:
        self._listener = listener
        self._open: list[Wire] = []
        self.port = int(listener.socket.getsockname()[1])
        self.connections = 0

    async def accept(self) -> Wire:
        with trio.fail_after(PATIENCE_S):
            stream = await self._listener.accept()
        self.connections += 1
        wire = Wire(stream, stream.socket)
        self._open.append(wire)
        return wire

    async def request(self) -> tuple[Wire, Message]:
        """The next connection and the request on it."""
        wire = await self.accept()
        return wire, await wire.message()

    async def close(self) -> None:
        for wire in self._open:
            await wire.close()
        await self._listener.aclose()


class PretendedProcess:
    """Ready when told so, gone when stopped."""

    pid: int | None = None

    def __init__(self, model: ModelId, life: Life, post: Callable[[Event], None]) -> None:
        self.model, self._life, self._post = model, life, post
        self._stopped = trio.Event()

    async def run(self) -> None:
        await self._stopped.wait()
        self._post(Exited(self.model, self._life))

    def stop(self, grace: float) -> None:
        self._stopped.set()

    def becomes_ready(self) -> None:
        self._post(Started(self.model, self._life))


class WatchedDispatcher(Dispatcher):
    """A dispatcher that says when its last lease has left."""

    outstanding = 0
    arrived = 0
    changed: trio.Event

    def arrive(self, model: ModelId, deadline: float | None = None, earliest: float | None = None) -> Lease:
        self.outstanding += 1
        self.arrived += 1
        self._wake()
        return super().arrive(model, deadline, earliest)

    def leave(self, lease: Lease) -> None:
        super().leave(lease)
        self.outstanding -= 1
        self._wake()

    def _wake(self) -> None:
        if hasattr(self, "changed"):
            self.changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until *condition* about arrivals and leaves holds."""
        with trio.fail_after(PATIENCE_S):
            while not condition():
                self.changed = trio.Event()
                await self.changed.wait()


class Complaints(logging.Handler):
    """Collects what is logged as wrong: nothing that a client or a server sends is our bug."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(self.format(record))


@dataclass
class Rig:
    config: Config
    server: Server
    control: Server
    loads_by_itself: bool
    parallel: int
    stall_s: float
    tls: ssl.SSLContext | None
    processes: list[PretendedProcess] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    clients: list[Wire] = field(default_factory=list)

    def __post_init__(self) -> None:
        models = {m: rules_for(c) for m, c in self.config.models.items()}
        self.dispatcher = WatchedDispatcher(self.config, SerialScheduler(models, parallel=self.parallel), self._spawn)
        ready = trio.Event()
        ready.set()
        self.plane = Plane(
            rules=Rules(self.config, loopback_only=True, names=frozenset()),
            handler=ModelHandler(lambda: self.config, self.dispatcher),
            alive=lambda: self.dispatcher.alive,
            control=Upstream(f"http://127.0.0.1:{self.control.port}"),
            control_ready=lambda: ready,
            log_line=self.lines.append,
        )
        sock = socket.create_server(("127.0.0.1", 0))
        sock.setblocking(False)
        self.port = int(sock.getsockname()[1])
        self.site = Site(self.plane.answer, self.stall_s)
        self.listener = Listener([sock], self.site, self.tls)

    def _spawn(self, spec: ModelConfig, life: Life, post: Callable[[Event], None]) -> PretendedProcess:
        process = PretendedProcess(spec.id, life, post)
        self.processes.append(process)
        if self.loads_by_itself:
            # In a task of its own: the dispatcher is in the middle of its step.
            trio.lowlevel.spawn_system_task(_become_ready, process)
        return process

    async def connect(self) -> Wire:
        stream = await trio.open_tcp_stream("127.0.0.1", self.port)
        self.clients.append(Wire(stream, stream.socket))
        return self.clients[-1]

    async def end(self) -> None:
        """Clients first, so that what they asked for ends; then the models, the listener and the servers."""
        for client in self.clients:
            await client.close()
        await self.dispatcher.shut_down(drain=False, grace=0)
        self.listener.close()
        self.plane.control.close()
        await self.server.close()
        await self.control.close()

    async def ask(self, raw: bytes) -> Wire:
        wire = await self.connect()
        await wire.send(raw)
        return wire

    async def idle(self) -> None:
        """Wait until no request holds or awaits a lease."""
        await self.dispatcher.until(lambda: not self.dispatcher.outstanding)

    async def no_connections(self) -> None:
        with trio.fail_after(PATIENCE_S):
            while self.listener.open_connections:
                await self.listener.changed()


async def _become_ready(process: PretendedProcess) -> None:
    process.becomes_ready()


@asynccontextmanager
async def running(
    *,
    loads_by_itself: bool = True,
    parallel: int = 1,
    stall_s: float = 60.0,
    max_body: int = 64 << 20,
    use_model_name: str = "",
    api_keys: tuple[str, ...] = (),
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Rig]:
    """The data plane, serving; at the end nothing may have been logged as wrong, and nothing may be left."""
    server, control = [Server((await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]) for _ in range(2)]
    url = f"http://127.0.0.1:{server.port}"
    with socket.create_server(("127.0.0.1", 0)) as unused:
        nobody = unused.getsockname()[1]
    models = {
        A: ModelConfig(A, proxy=url, use_model_name=use_model_name),
        BASED: ModelConfig(BASED, proxy=f"{url}/base/?k=v"),
        DEAD: ModelConfig(DEAD, proxy=f"http://127.0.0.1:{nobody}"),
    }
    names = {"a": A, "org/model": A, "based": BASED, "dead": DEAD}
    config = Config(models=models, names=names, api_keys=api_keys, max_request_body=max_body)
    rig = Rig(config, server, control, loads_by_itself, parallel, stall_s, tls)
    complaints = Complaints()
    logger = logging.getLogger("llamaswap")
    logger.addHandler(complaints)
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(rig.dispatcher.run)
            await nursery.start(rig.listener.serve)
            try:
                yield rig
            finally:
                with trio.move_on_after(PATIENCE_S, shield=True):
                    await rig.end()
            nursery.cancel_scope.cancel()
    finally:
        logger.removeHandler(complaints)
    assert rig.listener.open_connections == 0
    assert rig.dispatcher.outstanding == 0
    assert complaints.records == []
