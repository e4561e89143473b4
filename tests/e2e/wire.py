"""A client's side of HTTP, by hand: SDKs would hide how an answer ended."""

import json
import select
import socket
import struct
from dataclasses import dataclass
from typing import Any


class CutError(Exception):
    """The answer broke off; `got` is what came of it."""

    def __init__(self, reason: str, got: bytes) -> None:
        super().__init__(f"{reason} after {len(got)} bytes")
        self.got = got


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def error(self) -> dict[str, Any]:
        """The error object of our envelope, whose shape is checked."""
        value = self.json()
        assert list(value) == ["src", "error"] and value["src"] == "llama-swap", value
        assert list(value["error"]) == ["message", "type", "param", "code"], value
        assert self.headers["content-type"] == "application/json"
        error: dict[str, Any] = value["error"]
        return error


class Wire:
    """One connection. Every wait is bounded by the socket's time-out."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._unread = b""

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def reset(self) -> None:
        """Leave without good-bye."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> None:
        """Send a request; the body's length and type are stated unless *headers* do."""
        fields = {"Host": "localhost"}
        if body is not None:
            fields |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self.send(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + (body or b""))

    def chat(self, model: str, stream: bool = False, **headers: str) -> None:
        body = {"model": model, "messages": [{"role": "user", "content": "hello"}], "stream": stream}
        self.ask("POST", "/v1/chat/completions", json.dumps(body).encode(), **headers)

    def answer(self, method: str = "GET") -> Answer:
        """The next whole answer. Raises `CutError` when it breaks off."""
        status, headers = self.head()
        if method == "HEAD" or status in (204, 304):
            return Answer(status, headers, b"")
        if "chunked" in headers.get("transfer-encoding", ""):
            return Answer(status, headers, self._chunks())
        if "content-length" in headers:
            return Answer(status, headers, self._exactly(int(headers["content-length"])))
        return Answer(status, headers, self.rest())

    def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers (names in lower case) of the next answer."""
        lines = self._up_to(b"\r\n\r\n").decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines[1:] if line)
        return int(lines[0].split()[1]), {name.lower(): value.strip() for name, _, value in pairs}

    def rest(self) -> bytes:
        """Everything up to the end of the connection."""
        pieces = [self._unread]
        self._unread = b""
        while piece := self._receive():
            pieces.append(piece)
        return b"".join(pieces)

    def take(self, size: int) -> bytes:
        """So many bytes of what follows a head, such as a frame of a websocket."""
        return self._exactly(size)

    def ended_within(self, seconds: float) -> bool:
        """Whether the peer ends the connection so soon, sending nothing before."""
        return bool(select.select([self.sock], [], [], seconds)[0]) and self.ended()

    def ended(self) -> bool:
        """Whether the peer ends the connection without another byte, in whichever way."""
        try:
            return not self._unread and not self._receive()
        except CutError:
            return True

    def chunk(self) -> bytes:
        """The next chunk of a chunked body; empty at its end."""
        size = int(self._up_to(b"\r\n").split(b";")[0], 16)
        if size == 0:
            self._up_to(b"\r\n")
            return b""
        data = self._exactly(size)
        self._exactly(2)
        return data

    def _chunks(self) -> bytes:
        pieces = []
        try:
            while piece := self.chunk():
                pieces.append(piece)
        except CutError as cut:
            raise CutError(str(cut), b"".join(pieces) + cut.got) from None
        return b"".join(pieces)

    def _up_to(self, mark: bytes) -> bytes:
        while mark not in self._unread:
            self._more()
        line, _, self._unread = self._unread.partition(mark)
        return line + mark

    def _exactly(self, size: int) -> bytes:
        pieces, have = [self._unread], len(self._unread)
        while have < size:
            self._unread = b""
            try:
                self._more()
            except CutError as cut:
                raise CutError("ended short", b"".join(pieces)) from cut
            pieces.append(self._unread)
            have += len(self._unread)
        data = b"".join(pieces)
        self._unread = data[size:]
        return data[:size]

    def _more(self) -> None:
        piece = self._receive()
        if not piece:
            raise CutError("connection ended", self._unread)
        self._unread += piece

    def _receive(self) -> bytes:
        try:
            return self.sock.recv(65536)
        except ConnectionError as error:
            raise CutError("connection reset", self._unread) from error
