"""From what a client sent to the model it means. Pure."""

import re
from collections.abc import Container
from typing import NamedTuple
from urllib.parse import parse_qs, unquote

from llamaswap.proxy import jsonbody
from llamaswap.proxy.jsonbody import Named
from llamaswap.proxy.request import Request

_SLASH = re.compile(rb"/|%2[Ff]")
#: Types with which clients send JSON without saying so (curl's ``-d`` does).
_MAYBE_JSON = (b"application/x-www-form-urlencoded", b"text/plain")


class UpstreamPath(NamedTuple):
    """``/upstream/{model}/...`` taken apart: the name as requested, and the path to forward, still encoded."""

    name: str
    path: bytes


def is_json(request: Request, body: bytes | bytearray) -> bool:
    """Whether *body* is to be read as JSON."""
    content_type = request.known.get(b"content-type", b"").lower()
    if b"application/json" in content_type:
        return True
    if content_type and not content_type.startswith(_MAYBE_JSON):
        return False
    return body[:64].lstrip().startswith(b"{")


def named(request: Request, body: bytes | bytearray) -> Named:
    """The model a request for inference names, and whether it wants a stream; an empty name if it names none."""
    if request.method in (b"GET", b"HEAD"):
        return _in_query(request.query)
    if is_json(request, body):
        return jsonbody.name_of(body)
    return _in_query(request.query)


def _in_query(query: bytes) -> Named:
    fields = parse_qs(query.decode("latin-1"), keep_blank_values=True)
    return Named(fields.get("model", [""])[0], fields.get("stream", [""])[0] == "true")


def split_upstream(path: bytes, names: Container[str]) -> UpstreamPath | None:
    """Take ``/upstream/...`` apart; the longest name made of leading segments wins. None if there is none."""
    raw = path.removeprefix(b"/upstream/")
    best: UpstreamPath | None = None
    segments: list[str] = []
    start = 0
    for end in [*(match.start() for match in _SLASH.finditer(raw)), len(raw)]:
        segment = raw[start:end]
        start = end + (3 if raw[end : end + 1] == b"%" else 1)
        if not segment:
            continue
        segments.append(unquote(segment.decode("latin-1"), errors="replace"))
        name = "/".join(segments)
        if name in names:
            best = UpstreamPath(name, b"/" + raw[start:] if end < len(raw) else b"")
    return best
