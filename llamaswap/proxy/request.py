"""A request as the data plane sees it, and what a handler may do with the client that sent it."""

from typing import Protocol

Header = tuple[bytes, bytes, bytes]


class Request:
    """One HTTP/1.x request. The head is complete when a handler sees it; the body may still be arriving.

    Attributes:
        headers: ``(lower-case name, name as sent, value)`` in order.
        target: The request target as sent; `path` and `query` are its parts, still percent-encoded.
        body: Bytes received and not yet taken (of a websocket: the client's bytes behind its handshake).
        complete: The whole body has arrived.
        upgrade: The protocol asked for, in lower case, when this is an upgrade we tunnel (``websocket``), else None.
        known: Lower-case name -> value, of equal names the first, or all with commas between where they form a list.
        head_bytes: The head's size as received.
        streams: It asked for a chat's answer as a stream of events; whoever has read the body says so.
        early: An event stream has been begun as its answer, before anything was sent to an upstream.
        told: Header lines of ours that the head of an upstream's answer gets, without the last line's end; or empty.
        refused: Status and reason when the framing cannot be trusted; the connection ends after the answer.
    """

    __slots__ = (
        "body",
        "chunked",
        "complete",
        "content_length",
        "early",
        "head_bytes",
        "headers",
        "http10",
        "keep_alive",
        "known",
        "method",
        "path",
        "query",
        "refused",
        "streams",
        "target",
        "told",
        "upgrade",
    )

    def __init__(self) -> None:
        self.method = b""
        self.target = b""
        self.path = b""
        self.query = b""
        self.headers: list[Header] = []
        self.known: dict[bytes, bytes] = {}
        self.http10 = False
        self.keep_alive = True
        self.content_length: int | None = None
        self.chunked = False
        self.body = bytearray()
        self.complete = False
        self.upgrade: bytes | None = None
        self.refused: tuple[int, str] | None = None
        self.head_bytes = 0
        self.streams = self.early = False
        self.told = b""


class Client(Protocol):
    """The client's side of one exchange. All sends are bounded by the stall deadline; cancelling any call is safe."""

    head_sent: bool
    status: int
    bytes_sent: int

    @property
    def address(self) -> bytes:
        """The client's IP address, or empty."""

    @property
    def closes(self) -> bool:
        """Whether the connection must end after this answer, which its head must then say."""

    async def send(self, data: bytes | bytearray | memoryview) -> None:
        """Write *data* of the answer through. Raises `ClientGoneError` when the client does not take it."""

    async def read_body(self, limit: int) -> bytearray:
        """Wait for the whole body and take it. Raises `BodyTooLargeError` beyond *limit* bytes, without reading on."""

    async def next_piece(self) -> bytearray | None:
        """Take what has arrived of the body, waiting for something; None at its end."""

    def cut(self) -> None:
        """End the connection after this request so that the client sees a broken answer, not a whole one."""

    def finish_then_close(self) -> None:
        """The answer's end is the connection's end: close it in good order after this request."""


class ClientGoneError(Exception):
    """The client closed its connection, or took no byte for the stall time."""
