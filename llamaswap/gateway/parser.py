"""Bytes in, requests out: llhttp parses, and what it lets pass that we do not trust is refused here.

No I/O, no time: the connection feeds it, the fuzzers too. One parser serves a connection for its life; pipelined
requests come out in order. A request is queued when its head is complete; its body goes on arriving in
`Request.body`.
"""

from collections import deque

import httptools

from llamaswap.gateway.framing import refusal_of
from llamaswap.proxy.request import Request

#: All header bytes of one request, and the number of headers; beyond either the answer is 431. The same bytes may pass
#: inside a chunked body without adding to it: chunk extensions, trailers.
MAX_HEAD_BYTES = 1 << 20
MAX_HEADERS = 1000
#: A body whose length is known and above this goes around the parser.
RAW_BODY_BYTES = 256 * 1024


class RequestParser:
    """The receiving side of one connection.

    Attributes:
        requests: Requests with a complete head that nobody has taken yet.
        current: The request that is being received, or None between requests.
        raw_left: Body bytes still to come that `feed_raw` takes instead of `feed`.
        dead: Framing was refused: what comes is not HTTP any more.
        tunnel: The websocket handshake after which the connection is a tunnel; what comes goes into its body.
    """

    __slots__ = (
        "_error",
        "_head_bytes",
        "_in_body",
        "_parser",
        "_resumed",
        "current",
        "dead",
        "raw_left",
        "requests",
        "tunnel",
    )

    def __init__(self) -> None:
        self.requests: deque[Request] = deque()
        self.current: Request | None = None
        self.raw_left = 0
        self.dead = False
        self.tunnel: Request | None = None
        self._error: tuple[int, str] | None = None
        self._head_bytes = 0
        self._in_body = False
        self._resumed: Request | None = None
        self._parser = httptools.HttpRequestParser(self)

    def feed(self, data: bytes) -> None:
        """Take in what the socket gave. Never raises: a refused request is queued with `refused` set."""
        while data:
            if self.tunnel is not None:
                self.tunnel.body += data
                return
            if self.dead:
                return
            data = self._feed_once(data)

    def _feed_once(self, data: bytes) -> bytes:
        self._head_bytes += len(data)
        rest = b""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            rest = data[upgrade.args[0] :]
            self._upgraded()
        except httptools.HttpParserError as error:
            if self._error is None:
                self._error = 400, f"malformed HTTP request: {error}"
        if self._error is None and self._head_bytes > MAX_HEAD_BYTES:
            self._error = 431, f"request head or trailer exceeds {MAX_HEAD_BYTES} bytes"
        if self._error is not None:
            self._refuse(*self._error)
        elif self._in_body and self.current is not None:
            self._leave_parser_for_large_body(self.current)
        return rest

    def feed_raw(self, data: memoryview) -> None:
        """Take in bytes of a large body, at most `raw_left` of them."""
        assert self.current is not None
        self.current.body += data
        self.raw_left -= len(data)
        if self.raw_left == 0:
            self._parser = httptools.HttpRequestParser(self)
            self.on_message_complete()

    def _leave_parser_for_large_body(self, request: Request) -> None:
        length = request.content_length
        if length is not None and length > RAW_BODY_BYTES and not request.complete:
            self.raw_left = length - len(request.body)

    def _upgraded(self) -> None:
        """llhttp stops behind an upgrade. A websocket becomes a tunnel; any other upgrade is simply not taken up."""
        self._parser = httptools.HttpRequestParser(self)
        request = self.requests[-1] if self.requests else None
        if request is None or self._error is not None:
            return
        if request.upgrade == b"websocket":
            request.complete = False
            self.tunnel = request
        elif request.content_length or request.chunked:
            # llhttp has skipped the body; a head that says no more than its framing makes a fresh parser read it.
            request.complete = False
            self._resumed = request
            length = b"Content-Length: %d" % request.content_length if request.content_length else b""
            self._parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n\r\n" % (length or b"Transfer-Encoding: chunked"))

    def _refuse(self, status: int, reason: str) -> None:
        """Answer what came before, then this, then no more."""
        request = self.current
        if request is None or not self._in_body:
            request = request or Request()
            self.requests.append(request)
        request.refused = status, reason
        request.keep_alive = False
        self.current = None
        self.dead = True

    # -- llhttp's callbacks -----------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._error is None:
            self.current = self._resumed or Request()
            self._in_body = False

    def on_url(self, url: bytes) -> None:
        if self.current is not None and self._resumed is None and self._error is None:
            self.current.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        request = self.current
        if request is None or self._in_body or self._resumed is not None or self._error is not None:
            return  # among others a trailer: its fields mean nothing to us, and none is passed on
        if len(request.headers) == MAX_HEADERS:
            self._error = 431, f"more than {MAX_HEADERS} headers"
            return
        lower = name.lower()
        request.headers.append((lower, name, value))
        known = request.known
        if lower not in known:
            known[lower] = value
        elif lower in _AT_MOST_ONCE:
            self._error = 400, f"more than one {name.decode('ascii', 'replace')} header"
        else:
            # A list header may be spread over several lines; its members count together.
            known[lower] = known[lower] + b", " + value if lower in _LISTS else known[lower]

    def on_headers_complete(self) -> None:
        request = self.current
        if self._resumed is not None:
            self._resumed, self._in_body = None, True
        if request is None or self._in_body or self._error is not None:
            return
        parser = self._parser
        request.method = parser.get_method()
        request.keep_alive = parser.should_keep_alive()
        request.head_bytes, self._head_bytes = self._head_bytes, 0
        self._error = refusal_of(request, parser.get_http_version())
        if self._error is None:
            self._in_body = True
            self.requests.append(request)

    def on_body(self, body: bytes) -> None:
        self._head_bytes = 0
        if self.current is not None and self._error is None:
            self.current.body += body

    def on_message_complete(self) -> None:
        if self.current is not None and self._error is None:
            self.current.complete = True
            self.current = None
            self._in_body = False


_AT_MOST_ONCE = frozenset((b"host", b"content-length", b"content-type", b"authorization", b"origin"))
_LISTS = frozenset((b"connection", b"upgrade", b"accept", b"x-forwarded-for", b"transfer-encoding", b"expect", b"te"))
