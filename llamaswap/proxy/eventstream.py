"""An event stream that was begun before there was an upstream: its head, comments, errors, and what the upstream says.

The head has gone out with status 200, so a failure can only be told inside the stream: as one event with the ``error``
object, and ``[DONE]``.
"""

import json
from typing import Any

from llamaswap.proxy.request import Client, Request

_TYPE, _DONE = b"text/event-stream", b"data: [DONE]\n\n"
#: How much of an upstream's own account of its failure is told.
MOST_TEXT = 2000


class EventStream:
    """The stream to *client*, as the answer to *request*.

    Attributes:
        whole: No piece has been cut off in the middle, as cancelling a send may.
    """

    def __init__(self, request: Request, client: Client) -> None:
        self._request = request
        self._client = client
        self.whole = True

    async def begin(self) -> None:
        """Send the head. What the upstream is asked must come back in clear text from now on."""
        request, client = self._request, self._client
        lines = [b"HTTP/1.1 200 OK", b"Content-Type: " + _TYPE, b"Cache-Control: no-cache", b"X-Accel-Buffering: no"]
        if request.http10:
            client.finish_then_close()
        else:
            lines.append(b"Transfer-Encoding: chunked")
        lines.append(b"Connection: close" if client.closes or request.http10 else b"Connection: keep-alive")
        request.early = True
        request.headers = [each for each in request.headers if each[0] != b"accept-encoding"]
        request.headers.append((b"accept-encoding", b"Accept-Encoding", b"identity"))
        await self._send(b"\r\n".join((*lines, b"", b"")))

    async def comment(self, text: str) -> None:
        """Send a line that every reader of events ignores."""
        await self._send(self._framed(b": %b\n\n" % text.encode()))

    async def fail(self, error: dict[str, Any], status: int) -> None:
        """End the stream with *error*; *status* is what the answer would have had."""
        await self.end_with({"error": error}, status)

    async def end_with(self, value: Any, status: int) -> None:
        """End the stream with *value* as its last event but ``[DONE]``."""
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="backslashreplace")
        await self.end(b"data: %b\n\n" % text + _DONE, status)

    async def end(self, data: bytes, status: int) -> None:
        """End the stream with *data*."""
        self._client.head_sent, self._client.status = True, status
        await self._send(self._framed(data) + (b"" if self._request.http10 else b"0\r\n\r\n"))

    def _framed(self, data: bytes) -> bytes:
        return data if self._request.http10 or not data else b"%x\r\n%b\r\n" % (len(data), data)

    async def _send(self, data: bytes) -> None:
        self.whole = False
        await self._client.send(data)
        self.whole = True


def is_events(content_type: bytes) -> bool:
    """Whether an answer of this type can go on in an event stream as it is."""
    return _TYPE in content_type.lower()


def failure_in(body: bytes, status: int) -> dict[str, Any]:
    """The ``error`` object in an upstream's answer, or one made of it."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    error = found.get("error") if isinstance(found, dict) else None
    if isinstance(error, dict):
        return error
    text = error if isinstance(error, str) else body[:MOST_TEXT].decode(errors="replace").strip()
    kind = "invalid_request_error" if 400 <= status < 500 else "server_error"
    return {"message": text or f"the server answered {status}", "type": kind, "param": None, "code": status}
