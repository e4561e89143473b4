"""A control plane over the real dispatcher and scheduler; only the processes are pretended."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import trio

from llamaswap.config.load import Loaded, PortsInUse
from llamaswap.config.plan.plan import Plan
from llamaswap.config.schema import Config, ModelConfig, ModelId
from llamaswap.control.context import ControlContext, VersionInfo
from llamaswap.control.server import serve_control
from llamaswap.dispatcher import Dispatcher
from llamaswap.forecaster import Forecaster
from llamaswap.reload import FromFiles, Reloader
from llamaswap.schedule.choose import rules_for
from llamaswap.schedule.events import Event, Exited, Life, Started, StartFailed, StopFailed
from llamaswap.schedule.serial import SerialScheduler
from llamaswap.telemetry.logs import LogHub

A, B, C = ModelId("a"), ModelId("org/b"), ModelId("c")

CONFIG = Config(
    models={
        C: ModelConfig(C, cmd="serve c", proxy="http://127.0.0.1:5803", unlisted=True),
        B: ModelConfig(B, cmd="serve b", proxy="http://127.0.0.1:5802", aliases=("bee", "x/y"), name=" Bee ", ttl=1.5),
        A: ModelConfig(A, cmd="serve a --é", proxy="http://127.0.0.1:5801", ttl=300.0, description="first"),
    },
    names={"a": A, "org/b": B, "bee": B, "x/y": B, "c": C},
)


class PretendedProcess:
    """Ready when told so, gone when stopped (unless stuck)."""

    def __init__(self, model: ModelConfig, life: Life, post: Callable[[Event], None]) -> None:
        self.model = model.id
        self.pid: int | None = 4711
        self.stuck = False
        self._life = life
        self._post = post
        self._stopped = trio.Event()

    async def run(self) -> None:
        await self._stopped.wait()
        self._post(StopFailed(self.model, self._life, "D state") if self.stuck else Exited(self.model, self._life))
        if self.stuck:
            await trio.sleep_forever()

    def stop(self, grace: float) -> None:
        self._stopped.set()

    def becomes_ready(self) -> None:
        self._post(Started(self.model, self._life))

    def fails(self, detail: str) -> None:
        self._post(StartFailed(self.model, self._life, detail))


@dataclass
class Rig:
    socket: Path
    logs: LogHub
    config: Config = CONFIG
    #: What the next reload reads; an exception is raised.
    on_disk: Loaded | Exception = field(default_factory=lambda: Loaded(CONFIG, ()))
    processes: list[PretendedProcess] = field(default_factory=list)
    end: trio.Event = field(default_factory=trio.Event)

    def __post_init__(self) -> None:
        rules = {m: rules_for(c) for m, c in self.config.models.items()}
        self.dispatcher = Dispatcher(self.config, SerialScheduler(rules), self._spawn)
        first = FromFiles((Path("c.yaml"),), Loaded(self.config, ()))
        self.reloader = Reloader(self._read, first, self.dispatcher, self._adopt)
        self.forecaster = Forecaster(self.dispatcher)
        self.context = ControlContext(
            lambda: self.config,
            self.dispatcher,
            self.logs,
            VersionInfo("1.2", "abc", "today"),
            self.reloader,
            self.forecaster,
        )

    def _read(self, in_use: PortsInUse) -> FromFiles:
        if isinstance(self.on_disk, Exception):
            raise self.on_disk
        return FromFiles((Path("c.yaml"),), self.on_disk)

    def _adopt(self, config: Config, plan: Plan) -> None:
        self.config = config

    def _spawn(self, model: ModelConfig, life: Life, post: Callable[[Event], None]) -> PretendedProcess:
        self.processes.append(PretendedProcess(model, life, post))
        return self.processes[-1]

    async def started(self, model: ModelId) -> PretendedProcess:
        """Wait until the newest process is one of *model*."""
        while not self.processes or self.processes[-1].model != model:
            await trio.lowlevel.checkpoint()
        return self.processes[-1]

    async def ask(self, method: str, target: str, *headers: str) -> "Answer":
        async with await trio.open_unix_socket(str(self.socket)) as stream:
            await stream.send_all(_head(method, target, *headers, "Connection: close"))
            return parse(b"".join([piece async for piece in stream]))


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@asynccontextmanager
async def control_plane(directory: Path, config: Config = CONFIG, stall_s: float = 60.0) -> AsyncIterator[Rig]:
    """Everything up, and down again at the end as at the daemon's."""
    rig = Rig(directory / "control-1.sock", LogHub("both"), config)
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            await nursery.start(rig.dispatcher.run)
            nursery.start_soon(rig.reloader.run)
            serve = partial(serve_control, rig.socket, rig.context, shutdown_trigger=rig.end.wait, stall_s=stall_s)
            async with trio.open_nursery() as serving:
                await serving.start(serve)
                yield rig
                rig.end.set()
            nursery.cancel_scope.cancel()


def _head(method: str, target: str, *headers: str) -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode()


def parse(raw: bytes) -> Answer:
    head, _, body = raw.partition(b"\r\n\r\n")
    status, *fields = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (f.partition(": ") for f in fields)}
    if headers.get("transfer-encoding") == "chunked":
        body = b"".join(body.split(b"\r\n")[1::2]) if body else b""
    return Answer(int(status.split()[1]), headers, body)


async def open_stream(rig: Rig, target: str) -> trio.SocketStream:
    """Ask for *target* and return when its head is there; what follows is left in the stream."""
    stream = await trio.open_unix_socket(str(rig.socket))
    await stream.send_all(_head("GET", target))
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = await stream.receive_some(1)
        assert piece, head
        head += piece
    return stream


async def read_until(stream: trio.SocketStream, end: bytes) -> bytes:
    got = b""
    while not got.endswith(end):
        piece = await stream.receive_some(65536)
        assert piece, got
        got += piece
    return got
