"""The few things we need from a JSON request body, without building the document.

`msgspec` skips what it is not asked for at gigabytes a second. It keeps the last of two equal keys and refuses a
damaged document, where the reference keeps the first and passes damage on; so a body in which ``"model"`` occurs more
than once, or that does not parse, is looked at a second time, key by key. Spans are byte offsets, so that a rewrite
touches one value only.
"""

import re
from typing import NamedTuple

import msgspec

_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]|[^\s"{}\[\],:]+', re.DOTALL)
_KEY = re.compile(rb'[\s,{]*("[^"\\]*(?:\\.[^"\\]*)*")\s*:\s*', re.DOTALL)
_TRUE_TEXT = frozenset(("1", "t", "true"))
#: A damaged document is searched no further than this: what a person would send is found by then, and no body stalls
#: us.
_MAX_TOKENS = 100_000

Body = bytes | bytearray


class Named(NamedTuple):
    """What a body says: the model's name (empty if none) and whether it asks for a stream."""

    model: str
    stream: bool


class _Head(msgspec.Struct):
    model: msgspec.Raw = msgspec.Raw(b"")
    stream: msgspec.Raw = msgspec.Raw(b"")


_decode_head = msgspec.json.Decoder(_Head).decode
_decode_values = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def name_of(body: Body) -> Named:
    """The model and the streaming flag of *body*; of two equal keys the first counts. Never raises."""
    try:
        head = _decode_head(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return Named(_text(_found(body, "model")), _is_true(_found(body, "stream")))
    first = body.find(b'"model"')
    if first != body.rfind(b'"model"'):
        return Named(_text(_found(body, "model")), _is_true(bytes(head.stream)))
    return Named(_text(bytes(head.model)), _is_true(bytes(head.stream)))


def replace_model(body: Body, model: str) -> bytes:
    """*body* with its top-level ``model`` set to *model*; every other byte as it was. A missing key is appended.

    Raises:
        ValueError: *body* is no JSON object.
    """
    value = msgspec.json.encode(model)
    span = find_value(body, "model")
    if span is not None:
        return b"".join((memoryview(body)[: span[0]], value, memoryview(body)[span[1] :]))
    end = body.rstrip().removesuffix(b"}")
    if not body.lstrip().startswith(b"{") or len(end) == len(body.rstrip()):
        raise ValueError("the body is no JSON object")
    comma = b"" if end.rstrip().endswith(b"{") else b","
    return b"".join((end, comma, b'"model":', value, b"}"))


def find_value(body: Body, key: str) -> tuple[int, int] | None:
    """The span of the first top-level value under *key*, or None."""
    try:
        values = _decode_values(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return _search(body, key)
    position = 0
    for name, raw in values.items():
        match = _KEY.match(body, position)
        if match is None:
            return _search(body, key)
        start, size = match.end(), len(memoryview(raw))
        if body[start : start + size] != bytes(raw):
            return _search(body, key)  # an equal key comes again further on, and its value is what we hold
        if name == key:
            return start, start + size
        position = start + size
    return None


def _found(body: Body, key: str) -> bytes:
    span = find_value(body, key)
    return bytes(body[span[0] : span[1]]) if span else b""


def _search(body: Body, key: str) -> tuple[int, int] | None:
    """Token by token, for documents with repeated keys or with damage behind what we look for."""
    depth = 0
    wanted = before_colon = False
    start = -1
    previous = b""
    for count, token in enumerate(_TOKEN.finditer(body)):
        text = token.group()
        if count > _MAX_TOKENS:
            return None
        if start >= 0 and depth == 1 and text in (b",", b"}"):
            return start, token.start() - _trailing_blanks(body, token.start())
        if text in (b"{", b"["):
            if wanted and start < 0:
                start = token.start()
            depth += 1
        elif text in (b"}", b"]"):
            depth -= 1
            if start >= 0 and depth == 1:
                return start, token.end()
        elif text == b":" and depth == 1 and before_colon:
            wanted, before_colon = True, False
        elif wanted and start < 0:
            return token.start(), token.end()
        elif depth == 1 and previous in (b"{", b",") and text.startswith(b'"'):
            before_colon = _text(text) == key
        previous = text
    return None


def _trailing_blanks(body: Body, end: int) -> int:
    start = end
    while start and body[start - 1] in b" \t\r\n":
        start -= 1
    return end - start


def _text(raw: bytes) -> str:
    """A model name from its JSON text: a string's content, nothing for null, any other value as it is written."""
    if not raw or raw == b"null":
        return ""
    if raw.startswith(b'"'):
        try:
            return str(msgspec.json.decode(raw, type=str))
        except (msgspec.DecodeError, UnicodeDecodeError):
            return raw[1:-1].decode("utf-8", "replace")
    return raw.decode("utf-8", "replace")


def _is_true(raw: bytes) -> bool:
    if raw.startswith(b'"'):
        return _text(raw).lower() in _TRUE_TEXT
    if raw in (b"", b"null", b"false") or raw[:1] in b"{[":
        return False
    if raw == b"true":
        return True
    try:
        return float(raw) != 0
    except ValueError:
        return False
