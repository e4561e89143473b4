"""Answers with an exact shape."""

import json
from typing import Any

from quart import Response, request

from llamaswap.errors import LlamaSwapError
from llamaswap.proxy.envelope import render


def json_answer(value: Any, status: int = 200) -> Response:
    """Compact JSON in the order of its keys, and a newline."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n"
    return Response(text.encode(errors="backslashreplace"), status, content_type="application/json")


def text_answer(text: str, status: int = 200) -> Response:
    """Plain text, byte for byte."""
    return Response(text.encode(), status, content_type="text/plain; charset=utf-8")


def router_answer(text: str, status: int) -> Response:
    """What a router says about a path: a line of plain text that no browser may take for anything else."""
    answer = text_answer(text + "\n", status)
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer


def redirect_answer(location: str) -> Response:
    """A 302 to a path of ours; *location* needs no escaping."""
    body = f'<a href="{location}">Found</a>.\n\n'
    return Response(body, 302, {"Location": location}, content_type="text/html; charset=utf-8")


def error_answer(error: LlamaSwapError) -> Response:
    """The envelope, as the client of the current request wants it."""
    status, headers, body = render(error, request.headers.get("Accept", ""))
    answer = Response(body, status)
    for name, value in headers:
        answer.headers[name.decode()] = value.decode()
    return answer
