"""Hypercorn on the private Unix socket, one fenced connection at a time.

Two of its traits would reach beyond the control plane, so the accept loop and the stream are ours: an exception in one
connection ends its whole server (here it ends the connection), and its sends are shielded from cancellation, so that a
reader who stalls holds the shutdown for ever (here each send has a deadline, and leaving closes the sockets).
"""

import importlib
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from llamaswap.control.connections import BoundedStream, Connections
from llamaswap.control.context import ControlContext
from llamaswap.runtime_dir import remove_stale

if TYPE_CHECKING:
    from hypercorn.config import Config as HypercornConfig
    from hypercorn.typing import ASGIFramework, ASGIReceiveCallable, ASGISendCallable, ASGISendEvent, Scope

log = logging.getLogger(__name__)

#: A client that takes no byte for so long is dropped, as on the data plane.
_STALL_S = 60.0

#: How long answers under way may go on after the shutdown began. Log streams end by themselves before that.
_GRACE_S = 1.0

_MAX_HEAD_BYTES = 1024 * 1024
_DAY_S = 24 * 3600
_BACKLOG = 128


async def serve_control(
    socket_path: Path,
    context: ControlContext,
    *,
    shutdown_trigger: Callable[[], Awaitable[None]],
    stall_s: float = _STALL_S,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve the management routes on *socket_path* (made 0600, removed at the end) until *shutdown_trigger* returns.

    `started` means that connections are taken. What it needs is imported when the first one comes, which then waits a
    moment: a daemon that nobody manages stays small. At the end every log stream ends, other answers get a second,
    then all is closed. Cancelling closes at once.

    Raises:
        OSError: the socket cannot be made.
    """
    with _listening(socket_path) as listener:
        task_status.started()
        if await _first_contact(listener, shutdown_trigger):
            await trio.to_thread.run_sync(_import_frameworks)
            await _serve(listener, context, shutdown_trigger, stall_s)


async def _first_contact(listener: trio.SocketListener, shutdown_trigger: Callable[[], Awaitable[None]]) -> bool:
    """Wait until somebody connects; False when the daemon stops before that."""
    contacted = False

    async def until_stopped(scope: trio.CancelScope) -> None:
        await shutdown_trigger()
        scope.cancel("the daemon stops")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(until_stopped, nursery.cancel_scope)
        await trio.lowlevel.wait_readable(listener.socket)
        contacted = True
        nursery.cancel_scope.cancel("somebody is there")
    return contacted


def _import_frameworks() -> None:
    """In a thread: together they take a good part of a second, for which the event loop must not stand still."""
    for name in ("hypercorn.trio.tcp_server", "hypercorn.utils", "llamaswap.control.app", "llamaswap.control.http1"):
        importlib.import_module(name)


async def _serve(
    listener: trio.SocketListener,
    context: ControlContext,
    shutdown_trigger: Callable[[], Awaitable[None]],
    stall_s: float,
) -> None:
    from hypercorn.trio.worker_context import WorkerContext  # noqa: PLC0415 - imported at first contact
    from hypercorn.typing import ConnectionState  # noqa: PLC0415 - as above
    from hypercorn.utils import wrap_app  # noqa: PLC0415 - as above

    from llamaswap.control.app import make_app  # noqa: PLC0415 - as above
    from llamaswap.control.http1 import Http1Server  # noqa: PLC0415 - as above

    config = _hypercorn_config()
    worker = WorkerContext(None)
    app = wrap_app(_ending_properly(make_app(context)), 0, "asgi")

    async def handle(stream: BoundedStream) -> None:
        # It takes whatever has the methods of a stream; ours stands in for trio's.
        await Http1Server(app, config, worker, ConnectionState({}), stream)  # type: ignore[arg-type]

    connections = Connections(handle, stall_s)
    async with connections.owned() as nursery:
        async with trio.open_nursery() as accepting:
            accept = partial(trio.serve_listeners, connections.serve, [listener], handler_nursery=nursery)
            await accepting.start(accept)
            await shutdown_trigger()
            accepting.cancel_scope.cancel("the daemon stops")
        listener.socket.close()  # newcomers are refused from here on, not left waiting
        context.logs.end_streams()
        await worker.terminated.set()
        with trio.move_on_after(_GRACE_S):
            await connections.wait_until_none()
        nursery.cancel_scope.cancel("the daemon stops")


def _ending_properly(app: "ASGIFramework") -> "ASGIFramework":
    """Let the last message of an answer go out whole.

    Hypercorn tells the application that the client is gone while it still sends that message; Quart then cancels the
    sender, who had been about to close the socket or to make it ready for the next request.
    """

    async def call(scope: "Scope", receive: "ASGIReceiveCallable", send: "ASGISendCallable") -> None:
        async def send_whole(message: "ASGISendEvent") -> None:
            is_last = message["type"] == "http.response.body" and not message.get("more_body", False)
            with trio.CancelScope(shield=is_last):  # bounded: `BoundedStream` gives up on a client that stalls
                await send(message)

        await app(scope, receive, send_whole)

    return call


@contextmanager
def _listening(path: Path) -> Iterator[trio.SocketListener]:
    """Listen on *path* while the block runs. Whatever is there then is removed only if it is still ours."""
    remove_stale(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.bind(str(path))
        path.chmod(0o600)
        ours = path.stat().st_ino
        sock.listen(_BACKLOG)
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(sock))
        try:
            yield listener
        finally:
            listener.socket.close()
            with suppress(FileNotFoundError):
                if path.lstat().st_ino == ours:
                    path.unlink()


def _hypercorn_config() -> "HypercornConfig":
    """Every limit that could end a living answer is lifted: the data plane in front has its own."""
    from hypercorn.config import Config  # noqa: PLC0415 - see serve_control

    config = Config()
    config.accesslog = None
    config.errorlog = log
    config.include_server_header = False
    config.keep_alive_timeout = _DAY_S
    config.keep_alive_max_requests = 1 << 62
    config.h11_max_incomplete_size = _MAX_HEAD_BYTES
    return config
