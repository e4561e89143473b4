"""The one shape in which a failure is told to a client: an OpenAI-style ``error`` object, plain text, or HTML.

``src`` tells our own errors apart from an upstream's.
"""

import json
import math
from typing import Any

from llamaswap.errors import LlamaSwapError, TooManyRequestsError, UnauthorizedError

# Spelled as the reference spells them, which is not quite how `html.escape` does.
_HTML_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;"})


def render(error: LlamaSwapError, accept: str) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Turn *error* into status, headers and body, as the client's ``Accept`` (searched as text) asks.

    ``Content-Length`` is the sender's business. The concurrency limit is always told in JSON: SDKs read it.
    """
    message = str(error)
    if isinstance(error, TooManyRequestsError):
        accept = ""
    if "text/plain" in accept:
        content_type, text = b"text/plain", f"llama-swap: {message}"
    elif "text/html" in accept:
        escaped = message.translate(_HTML_ESCAPES)
        content_type, text = b"text/html", f"<html><body><h1>llama-swap</h1><p>{escaped}</p></body></html>"
    else:
        content_type, text = b"application/json", _envelope(error)
    headers = [(b"Content-Type", content_type), *_headers_of(error)]
    # A lone surrogate becomes \udcff, which in JSON is its proper escape and elsewhere is at least readable.
    return error.status, headers, text.encode(errors="backslashreplace")


def error_object(error: LlamaSwapError) -> dict[str, Any]:
    """The ``error`` object by itself."""
    return {"message": str(error), "type": error.kind, "param": None, "code": error.code}


def _envelope(error: LlamaSwapError) -> str:
    body = {"src": "llama-swap", "error": error_object(error)}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def _headers_of(error: LlamaSwapError) -> list[tuple[bytes, bytes]]:
    headers = []
    if error.retry_after_s is not None:
        headers.append((b"Retry-After", b"%d" % math.ceil(error.retry_after_s)))
    if isinstance(error, UnauthorizedError):
        headers.append((b"WWW-Authenticate", b'Basic realm="llama-swap"'))
    return headers
