"""From what a client sent to the model it means. Pure."""

import re
from collections.abc import Collection
from itertools import chain
from typing import NamedTuple
from urllib.parse import unquote

from llamaswap.proxy import bounds, forms, jsonbody
from llamaswap.proxy.jsonbody import Named
from llamaswap.proxy.request import Request

Body = bytes | bytearray

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


def carries_json(request: Request, body: Body) -> bool:
    """Whether *request* has a body that is to be read as JSON."""
    return request.method not in (b"GET", b"HEAD") and is_json(request, body)


def named(request: Request, body: bytes | bytearray) -> Named:
    """The model a request for inference names, and whether it wants a stream; an empty name if it names none.

    Raises:
        BadRequestError: the body is too odd to be read.
    """
    if request.method in (b"GET", b"HEAD"):
        return _in_query(request.query)
    if is_json(request, body):
        bounds.refuse_monsters(body)
        return jsonbody.name_of(body)
    content_type = request.known.get(b"content-type", b"")
    try:
        if forms.MULTIPART in content_type.lower():
            return _in_multipart(request.query, body, content_type)
        if forms.URLENCODED in content_type.lower():
            return _in_urlencoded(request.query, body)
    except forms.FormError:
        return Named("", False)
    return _in_query(request.query)


def renamed(request: Request, body: bytes | bytearray, model: str) -> bytes | bytearray:
    """*body* with the model it names, as JSON or in a multipart field, replaced by *model*; no other byte changes."""
    content_type = request.known.get(b"content-type", b"")
    if request.method in (b"GET", b"HEAD"):
        return body
    if is_json(request, body):
        return jsonbody.replace_model(body, model)
    if forms.MULTIPART in content_type.lower():
        return forms.replace_field(body, content_type, "model", model.encode())
    return body


def replaced(request: Request, body: Body, model: str) -> tuple[Body, bytes]:
    """Body and query with the name that `named` finds in them replaced by *model*; no other byte changes."""
    content_type = request.known.get(b"content-type", b"")
    if request.method not in (b"GET", b"HEAD"):
        if is_json(request, body):
            return jsonbody.replace_model(body, model), request.query
        if forms.MULTIPART in content_type.lower() and not forms.pair_value(request.query, b"model"):
            return forms.replace_field(body, content_type, "model", model.encode()), request.query
        if forms.URLENCODED in content_type.lower() and forms.urlencoded_value(body, b"model"):
            return forms.replace_pair(body, b"model", model), request.query
    return body, forms.replace_pair(request.query, b"model", model)


def _in_query(query: bytes) -> Named:
    return Named(forms.pair_value(query, b"model"), forms.pair_value(query, b"stream") == "true")


def _in_multipart(query: bytes, body: bytes | bytearray, content_type: bytes) -> Named:
    """The query goes before the form."""
    spans = forms.multipart_values(body, content_type)
    model, stream = (body[slice(*spans.get(key, (0, 0)))].decode("utf-8", "replace") for key in ("model", "stream"))
    return Named(forms.pair_value(query, b"model") or model, (forms.pair_value(query, b"stream") or stream) == "true")


def _in_urlencoded(query: bytes, body: bytes | bytearray) -> Named:
    """The form goes before the query."""
    model, stream = (forms.urlencoded_value(body, key) or forms.pair_value(query, key) for key in (b"model", b"stream"))
    return Named(model, stream == "true")


def split_upstream(path: bytes, names: Collection[str]) -> UpstreamPath | None:
    """Take ``/upstream/...`` apart; the longest name made of leading segments wins. None if there is none."""
    raw = path.removeprefix(b"/upstream/")
    best: UpstreamPath | None = None
    name = ""
    longest = max(map(len, names), default=0)
    start = 0
    for end in chain((match.start() for match in _SLASH.finditer(raw)), (len(raw),)):
        segment = raw[start:end]
        start = end + (3 if raw[end : end + 1] == b"%" else 1)
        if not segment:
            continue
        decoded = unquote(segment.decode("latin-1"), errors="replace")
        name = f"{name}/{decoded}" if name else decoded
        if name in names:
            best = UpstreamPath(name, b"/" + raw[start:] if end < len(raw) else b"")
        elif len(name) > longest:
            break  # a path may have half a million segments
    return best
