"""Accepts connections and keeps them: each behind a fence, each under the eye of one sweeper."""

import errno
import logging
import socket
import ssl

import trio

from llamaswap.gateway.connection import Connection
from llamaswap.gateway.site import Site

log = logging.getLogger(__name__)

#: No descriptors or memory just now: wait for some to be freed instead of spinning.
_EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
_RETRY_S = 0.1
_SWEEP_S = 1.0


class Listener:
    """Owns the listening sockets and every connection. `serve` runs until the last connection has ended."""

    def __init__(self, sockets: list[socket.socket], site: Site, tls: ssl.SSLContext | None = None) -> None:
        self._sockets = sockets
        self._site = site
        self._tls = tls
        self._connections: set[Connection] = set()
        self._accepting = trio.CancelScope()
        self._serving = trio.CancelScope()
        self._changed = trio.Event()

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Accept and serve until `stop_accepting` was called and every connection has ended, or `close`."""
        with self._serving:
            async with trio.open_nursery() as sweeping:
                sweeping.start_soon(self._sweep)
                sweeping.start_soon(self._site.way_out.run)
                async with trio.open_nursery() as connections:
                    with self._accepting:
                        async with trio.open_nursery() as accepting:
                            for sock in self._sockets:
                                accepting.start_soon(self._accept, sock, connections)
                            task_status.started()
                    self._end_idle()
                sweeping.cancel_scope.cancel("nobody is connected")

    def stop_accepting(self) -> None:
        """Close the listening sockets and the connections on which nothing happens; the others may finish."""
        self._accepting.cancel("the daemon stops")
        self._end_idle()

    def close(self) -> None:
        """End everything now."""
        self._accepting.cancel("the daemon stops")
        self._serving.cancel("the daemon stops")

    @property
    def open_connections(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    async def changed(self) -> None:
        """Wait until the next connection has ended."""
        await self._changed.wait()

    async def _accept(self, sock: socket.socket, connections: trio.Nursery) -> None:
        with sock:
            try:
                while True:
                    await trio.lowlevel.wait_readable(sock)
                    await self._accept_waiting(sock, connections)
            finally:
                trio.lowlevel.notify_closing(sock)

    async def _accept_waiting(self, sock: socket.socket, connections: trio.Nursery) -> None:
        """Take every client that waits; a turn for everybody else now and then."""
        for _ in range(64):
            try:
                client, address = sock.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    log.warning("cannot accept connections error=%r open=%d", error.strerror, len(self._connections))
                    await trio.sleep(_RETRY_S)
                continue
            host = str(address[0]).removeprefix("::ffff:")
            try:
                client.setblocking(False)
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # for a peer that vanished in silence
                if self._tls is not None:
                    client.getpeername()  # wrapping one that is gone would fail halfway, and leave it open
                    client = self._tls.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
            except OSError:  # gone already; and ssl complains about one that has left bytes behind
                client.close()
                continue
            connections.start_soon(self._fenced, Connection(client, host, self._site), name=f"client {host}")

    async def _fenced(self, connection: Connection) -> None:
        """Run one connection; whatever goes wrong in it, it is the only one that ends."""
        self._connections.add(connection)
        try:
            await connection.run()
        except* Exception:
            log.exception("connection failed")
        finally:
            self._connections.discard(connection)
            self._changed.set()
            self._changed = trio.Event()

    async def _sweep(self) -> None:
        """Move the coarse clock, and end connections that keep us waiting."""
        while True:
            now = self._site.now = trio.current_time()
            for connection in self._connections:
                if connection.overdue(now):
                    connection.scope.cancel("the client kept us waiting too long")
            await trio.sleep(_SWEEP_S)

    def _end_idle(self) -> None:
        for connection in self._connections:
            if connection.idle:
                connection.scope.cancel("the daemon stops")
