"""A model server's address and the kept-alive connections to it.

The pool is small and its connections are young: llama-server closes an idle connection after five seconds or a hundred
requests and binds a thread to each one that is kept.
"""

import errno
import os
import select
import socket
import ssl
import time
from urllib.parse import urlsplit

import trio

from llamaswap.config.schema import ModelConfig
from llamaswap.errors import UpstreamError

#: Most idle connections kept, and the seconds for which one is kept (well under the five of llama-server and uvicorn).
MAX_IDLE = 256
MAX_IDLE_S = 2.0
#: Larger reads make the allocator map and unmap memory for each short message.
RECV_BYTES = 65536
#: Large bodies go out in slices, with a turn for everybody else between them.
SLICE_BYTES = 256 * 1024
READS_PER_TURN = 32
#: Seconds to connect, and to agree on TLS.
CONNECT_S, HANDSHAKE_S = 30.0, 10.0
#: What a socket says when it cannot go on just now; the ssl kinds come from TLS sockets.
WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
#: A Unix socket whose backlog is full refuses at once, and nothing tells when there is room again.
_BACKLOG_POLL_S = 0.01


class UpstreamConnection:
    """One open connection to a model server, owned by one exchange at a time, which gives it back or closes it.

    Attributes:
        reused: It has carried an exchange before.
        sent: Bytes the kernel has taken of the exchange under way.
        reader: What the exchange keeps with the connection from one use to the next.
    """

    __slots__ = ("_eager", "_fd", "_tls", "_turns", "idle_since", "reader", "reused", "sent", "sock")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.reused = False
        self.sent = 0
        self.idle_since = 0.0
        self.reader: object | None = None
        self._fd = sock.fileno()
        self._tls = self._eager = isinstance(sock, ssl.SSLSocket)
        self._turns = 0

    async def receive(self) -> bytes:
        """What is there, waiting for something; empty at the end of the stream. Raises OSError when it is broken."""
        if not self._eager:
            await trio.lowlevel.wait_readable(self._fd)
        elif self._turns == READS_PER_TURN:
            self._turns = 0
            await trio.lowlevel.checkpoint()
        while True:
            try:
                data = self.sock.recv(RECV_BYTES)
                break
            except WOULD_BLOCK:
                self._turns = 0
                await trio.lowlevel.wait_readable(self._fd)
        self._turns += 1
        # A full read means that more is waiting; a TLS socket may hold more than the kernel knows of.
        self._eager = self._tls or len(data) == RECV_BYTES
        return data

    async def send(self, data: bytes | bytearray | memoryview, *, answered: bool = True) -> bool:
        """Write *data*.

        Args:
            answered: Whether an answer ends it: then nobody is reading one meanwhile.

        Returns:
            False when the server answers before it has taken everything: nothing more need be sent.

        Raises:
            OSError: the connection is broken.
        """
        if len(data) <= SLICE_BYTES:
            try:
                sent = self.sock.send(data)
            except WOULD_BLOCK:
                sent = 0
            self.sent += sent
            if sent == len(data):
                return True
            data = memoryview(data)[sent:]
        return await self._send_slices(memoryview(data), answered)

    async def _send_slices(self, rest: memoryview, answered: bool) -> bool:
        while rest:
            try:
                sent = self.sock.send(rest[:SLICE_BYTES])
            except WOULD_BLOCK:
                with trio.move_on_after(1):
                    await trio.lowlevel.wait_writable(self._fd)
                    continue
                if answered and readable(self.sock):
                    return False
                continue
            self.sent += sent
            rest = rest[sent:]
            await trio.lowlevel.checkpoint()
        return True

    def close(self) -> None:
        """Close the socket; whoever waits for it gets `trio.ClosedResourceError`."""
        if self.sock.fileno() >= 0:
            trio.lowlevel.notify_closing(self.sock)
            self.sock.close()


class Upstream:
    """Where requests for one life of a model go.

    Attributes:
        base_path: Path of the configured URL without a trailing slash; request paths are appended to it.
        base_query: Query of the configured URL; joined to the request's with ``&``.
        host: What to send as ``Host`` where the client's own is not passed on.
    """

    __slots__ = ("_addresses", "_closed", "_idle", "_tls", "base_path", "base_query", "host")

    def __init__(self, url: str, *, unix_path: str | None = None) -> None:
        parts = urlsplit(url)
        self.base_path = parts.path.rstrip("/").encode()
        self.base_query = parts.query.encode()
        self.host = parts.netloc.rpartition("@")[2].encode()
        self._idle: list[UpstreamConnection] = []
        self._closed = False
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._addresses = _Addresses(unix_path, parts.hostname or "", parts.port or (443 if self._tls else 80))

    @classmethod
    def for_model(cls, spec: ModelConfig) -> "Upstream":
        """The upstream of *spec*'s ``proxy`` URL. One that cannot be used refuses: the start fails and says why."""
        try:
            return cls(spec.proxy)
        except ValueError:
            nowhere = cls("http://localhost")
            nowhere.close()
            return nowhere

    def take_idle(self) -> UpstreamConnection | None:
        """A kept connection that is still open and quiet, or None."""
        idle = self._idle
        oldest_allowed = time.monotonic() - MAX_IDLE_S
        while idle:
            connection = idle.pop()
            if connection.idle_since >= oldest_allowed and not readable(connection.sock):
                connection.sent = 0
                return connection
            connection.close()
        return None

    def give_back(self, connection: UpstreamConnection) -> None:
        """Keep *connection* for the next exchange, or close it if there is no room for it."""
        if self._closed or len(self._idle) >= MAX_IDLE:
            connection.close()
            return
        connection.reused = True
        connection.idle_since = time.monotonic()
        self._idle.append(connection)

    async def open(self) -> UpstreamConnection:
        """Open a new connection.

        Raises:
            UpstreamError: nobody accepts connections there.
        """
        if self._closed:
            raise UpstreamError("upstream proxy error: the model has been stopped")
        return UpstreamConnection(await self._addresses.connect(self._tls))

    def close(self) -> None:
        """Close every idle connection; those in use are closed by their exchanges."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()


class _Addresses:
    """The addresses behind a host name, the one that answered last first."""

    def __init__(self, unix_path: str | None, host: str, port: int) -> None:
        self._unix_path = unix_path
        self._host, self._port = host, port
        self._known: list[tuple[socket.AddressFamily, tuple[str, int]]] = []

    async def connect(self, tls: ssl.SSLContext | None) -> socket.socket:
        if self._unix_path is not None:
            try:
                return await _connect(socket.AF_UNIX, self._unix_path)
            except OSError as error:
                told = f"upstream proxy error: cannot connect to the private socket: {error.strerror}"
                raise UpstreamError(told) from error
        problem: OSError | None = None
        for known in await self._candidates():
            try:
                sock = await _connect(*known)
                if tls is not None:
                    sock = await _handshake(sock, tls, self._host)
            except OSError as error:
                problem = error
                continue
            if self._known[0] is not known:
                self._known.remove(known)
                self._known.insert(0, known)
            return sock
        reason = problem.strerror if problem and problem.strerror else problem
        raise UpstreamError(f"upstream proxy error: cannot connect to {self._host}:{self._port}: {reason}")

    async def _candidates(self) -> list[tuple[socket.AddressFamily, tuple[str, int]]]:
        if not self._known and self._host == "localhost":
            self._known = [(socket.AF_INET, ("127.0.0.1", self._port)), (socket.AF_INET6, ("::1", self._port))]
        elif not self._known:
            try:
                found = await trio.socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
            except OSError as error:
                raise UpstreamError(f"upstream proxy error: cannot resolve {self._host!r}: {error}") from error
            self._known = [(family, (str(address[0]), self._port)) for family, _, _, _, address in found]
        return list(self._known)


async def _connect(family: int, address: tuple[str, int] | str) -> socket.socket:
    """A connected non-blocking socket. Raises OSError. Waits for as long as a Unix socket's backlog is full."""
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        if family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while (code := sock.connect_ex(address)) == errno.EAGAIN and family == socket.AF_UNIX:  # noqa: ASYNC110 - see there
            await trio.sleep(_BACKLOG_POLL_S)
        if code == errno.EINPROGRESS:
            with trio.move_on_after(CONNECT_S) as patience:
                await trio.lowlevel.wait_writable(sock)
            if patience.cancelled_caught:
                raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
    except BaseException:
        sock.close()
        raise
    return sock


async def _handshake(sock: socket.socket, tls: ssl.SSLContext, host: str) -> socket.socket:
    """TLS on *sock*, with *host* verified; still non-blocking. Raises OSError."""
    wrapped = tls.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
    try:
        with trio.move_on_after(HANDSHAKE_S):
            while True:
                try:
                    wrapped.do_handshake()
                    return wrapped
                except ssl.SSLWantReadError:
                    await trio.lowlevel.wait_readable(wrapped)
                except ssl.SSLWantWriteError:
                    await trio.lowlevel.wait_writable(wrapped)
        raise TimeoutError(errno.ETIMEDOUT, "the TLS handshake took too long")
    except BaseException:
        wrapped.close()
        raise


def readable(sock: socket.socket) -> bool:
    """Whether there is anything to read: on an idle connection its end, or bytes that nobody asked for."""
    poll = select.poll()
    poll.register(sock, select.POLLIN | select.POLLHUP | select.POLLERR)
    return bool(poll.poll(0))
