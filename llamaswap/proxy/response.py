"""An upstream's bytes in, its answer's head and end out: llhttp parses, this remembers. No I/O."""

import httptools

from llamaswap.errors import UpstreamError
from llamaswap.proxy.request import Header

MAX_HEAD_BYTES = 1 << 20
#: Informational answers before the real one.
MAX_INTERIMS = 100


class ResponseReader:
    """Reads the answers of one upstream connection, one after the other.

    Attributes:
        head_done: The final head is complete; `status`, `reason`, `headers`, `length`, `chunked` are set.
        body_start: What followed the final head in the piece that completed it.
        interim: Bytes of informational heads (100 left out) to be passed on as they are; whoever does empties it.
        complete: The answer's end was seen.
        surplus: The upstream sent bytes beyond the end of its answer.
        keep_alive: The upstream will take another request after this answer.
        unframe: Whether to collect `bodies`; `begin` says no.
        bodies: Body bytes with the chunk framing taken off.
    """

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.begin()

    def begin(self) -> None:
        """Make ready for the next answer on the same connection."""
        self._raw = b""
        self._skip_100: list[bool] = []
        self._refusal = ""
        self._unbodied = 0
        self._interims = 0
        self.status = 0
        self.reason = b""
        self.headers: list[Header] = []
        self.length: int | None = None
        self.chunked = False
        self.keep_alive = False
        self.head_done = self.complete = self.surplus = False
        self.interim = self.body_start = b""
        self.unframe = False
        self.bodies: list[bytes] = []

    def feed_head(self, data: bytes) -> None:
        """Take in bytes until `head_done`.

        Raises:
            UpstreamError: this is not HTTP.
        """
        self._raw = self._raw + data if self._raw else data
        self.feed(data)
        self._split()
        if not self.head_done and len(self._raw) > MAX_HEAD_BYTES:
            raise UpstreamError("upstream proxy error: the answer's head exceeds 1 MiB")

    def feed(self, data: bytes) -> None:
        """Take in bytes of the body, to find its end.

        Raises:
            UpstreamError: the framing is broken.
        """
        self._unbodied += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # the status says so too
        except httptools.HttpParserError as error:
            if self.complete:
                self.surplus = True
            else:
                raise UpstreamError(f"upstream proxy error: malformed answer: {error}") from error
        if self._unbodied > MAX_HEAD_BYTES and not self.complete:
            raise UpstreamError("upstream proxy error: malformed answer: endless head, chunk extension or trailer")
        if self._refusal:
            raise UpstreamError(f"upstream proxy error: malformed answer: {self._refusal}")

    def _split(self) -> None:
        for skip in self._skip_100:
            head = self._take_head()
            if not skip:
                self.interim += head
        self._skip_100.clear()
        if self.head_done:
            self._take_head()
            self.body_start, self._raw = self._raw, b""

    def _take_head(self) -> bytes:
        head, end, self._raw = self._raw.lstrip(b"\r\n").partition(b"\r\n\r\n")
        if not end:
            raise UpstreamError("upstream proxy error: malformed answer: its lines do not end in CR LF")
        return head + end

    # -- llhttp's callbacks -----------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self.complete:
            self.surplus = True
            return
        self.headers = []
        self.reason = b""

    def on_status(self, reason: bytes) -> None:
        if not self.complete:
            self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.head_done:
            self.headers.append((name.lower(), name, value))

    def on_headers_complete(self) -> None:
        if self.complete:
            return
        status = self._parser.get_status_code()
        if 100 <= status < 200 and status != 101:
            self._skip_100.append(status == 100)
            self._interims += 1
            if self._interims > MAX_INTERIMS:
                self._refusal = f"more than {MAX_INTERIMS} informational answers"
            return
        self.status = status
        # After the message llhttp has reset its flags and says no for every answer.
        self.keep_alive = self._parser.should_keep_alive()
        for lower, _, value in self.headers:
            if lower == b"content-length":
                self.length = int(value)
            elif lower == b"transfer-encoding":
                self.chunked = True
                if value.strip().lower() != b"chunked":
                    self._refusal = "unsupported Transfer-Encoding"
        self.head_done = True

    def on_body(self, body: bytes) -> None:
        self._unbodied = 0
        if self.unframe:
            self.bodies.append(body)

    def on_message_complete(self) -> None:
        if self.head_done:
            self.complete = True
