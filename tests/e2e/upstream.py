"""A model server inside the test: it sees when the daemon opens, uses and closes its connections."""

import socket
import threading
import time
from queue import Queue
from typing import Any

from tests.e2e.wire import CutError, Wire

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


class Upstream:
    """Answers the first request on each connection with a stream, and tells when the daemon hangs up.

    The stream is endless unless *ends*. A second request on a connection is never answered: the connection ends.
    """

    def __init__(self, *, silent: bool = False, ends: bool = False) -> None:
        self._silent = silent
        self._ends = ends
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        #: The time at which each connection was closed by the daemon.
        self.closed: Queue[float] = Queue()
        self.asked: Queue[bytes] = Queue()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __enter__(self) -> "Upstream":
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def model(self, **keys: Any) -> dict[str, Any]:
        """A model entry whose server is this one; its process only waits."""
        return {"cmd": "sleep 86400", "proxy": f"http://127.0.0.1:{self.port}", "checkEndpoint": "none", **keys}

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with Wire(sock) as wire:
            try:
                self.asked.put(wire.sock.recv(65536))
                if not self._silent:
                    wire.send(HEAD + b"d\r\ndata: hello\n\n\r\n" + (b"0\r\n\r\n" if self._ends else b""))
                if self._ends:
                    wire.sock.recv(65536)
                    return
                wire.rest()
            except (CutError, OSError):
                pass
            self.closed.put(time.monotonic())
