"""The few things we need from a JSON request body, without building the document. Pure.

`msgspec` skips what it is not asked for at gigabytes a second. It keeps the last of two equal keys and refuses a
damaged document, where the reference keeps the first and passes damage on; so a body in which ``"model"`` occurs more
than once, or that does not parse, is looked at a second time, key by key. Spans are byte offsets, so that a rewrite
touches one value only.
"""

import re
from typing import NamedTuple

import msgspec

# A string that does not end reaches to the body's end: to look for it again from each of its quotes would take for
# ever, and so would giving back what was matched, hence the possessive quantifiers. Blanks are tokens, in runs, since
# a search that fails at each of them takes ten times as long.
TOKEN = re.compile(rb'\s{1,65536}+|"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[{}\[\],:]|[^\s"{}\[\],:]++', re.DOTALL)
_KEY = re.compile(rb'[\s,{]*+("[^"\\]*+(?:\\.[^"\\]*+)*+")\s*+:\s*+', re.DOTALL)
_TRUE_TEXT = frozenset(("1", "t", "true"))
#: A damaged document is searched no further than this: what a person would send is found by then, and no body stalls
#: us.
_MAXTOKENS = 100_000
_LARGE_BODY_BYTES = 256 * 1024
_END_BYTES = 1024

Body = bytes | bytearray
Span = tuple[int, int]


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
    # Searching ten megabytes for a second mention takes longer than walking over the few keys that there are.
    if len(body) <= _LARGE_BODY_BYTES and _mentioned_once(body):
        try:
            head = _decode_head(body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            pass
        else:
            return Named(text_of(bytes(head.model)), _is_true(bytes(head.stream)))
    spans = _spans(body, "model", "stream")
    return Named(text_of(_at(body, spans.get("model"))), _is_true(_at(body, spans.get("stream"))))


def _mentioned_once(body: Body) -> bool:
    # Each letter of the key begins with \u006 when it is spelled as an escape.
    return body.find(b'"model"') == body.rfind(b'"model"') and b"\\u006" not in body


def replace_model(body: Body, model: str) -> bytes:
    """*body* with its top-level ``model`` set to *model*; every other byte as it was. A missing key is appended.

    Raises:
        ValueError: *body* is no JSON object.
    """
    value = msgspec.json.encode(model)
    span = _spans(body, "model").get("model")
    if span is not None:
        return b"".join((memoryview(body)[: span[0]], value, memoryview(body)[span[1] :]))
    end = body.rstrip().removesuffix(b"}")
    if not body.lstrip().startswith(b"{") or len(end) == len(body.rstrip()):
        raise ValueError("the body is no JSON object")
    comma = b"" if end.rstrip().endswith(b"{") else b","
    return b"".join((end, comma, b'"model":', value, b"}"))


class Member(NamedTuple):
    """One value of an object, with its key, or of an array, and where it stands in the text."""

    key: str
    start: int
    end: int


def members(body: Body | memoryview) -> list[Member] | None:
    """Every member of the object *body*, in order; None if it is damaged, is none, or has equal keys."""
    try:
        values = _decode_values(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    found: list[Member] = []
    position = 0
    for name, raw in values.items():
        match = _KEY.match(body, position)
        value = memoryview(raw)
        if match is None or not _names(match[1], name) or not _stands_at(body, match.end(), value):
            return None  # an equal key comes again further on, and its value is what we hold
        position = match.end() + len(value)
        found.append(Member(name, match.end(), position))
    whole = bytes(body[position:]).strip(b" \t\r\n{") == b"}"
    return found if whole else None  # else the last key comes again, with an equal value


def _spans(body: Body, *keys: str) -> dict[str, Span]:
    """The spans of the first top-level values under *keys*."""
    found = members(body)
    if found is None:
        return _search_all(body, keys)
    return {member.key: (member.start, member.end) for member in found if member.key in keys}


def _search_all(body: Body, keys: tuple[str, ...]) -> dict[str, Span]:
    return {key: span for key in keys if (span := _search(body, key)) is not None}


def _names(key: Body, name: str) -> bool:
    """Whether *key*, as it is written, means *name*."""
    return key[1:-1] == name.encode("utf-8", "replace") or text_of(bytes(key)) == name


def _stands_at(body: Body | memoryview, start: int, value: memoryview) -> bool:
    """Whether *value* stands in *body* at *start*; of a large one its ends tell, since its size places what follows."""
    end = start + len(value)
    if len(value) <= 2 * _END_BYTES:
        return body[start:end] == bytes(value)
    return (
        body[start : start + _END_BYTES] == bytes(value[:_END_BYTES])
        and body[end - _END_BYTES : end] == bytes(value[-_END_BYTES:])
        and bytes(body[end : end + 64]).lstrip()[:1] in (b",", b"}", b"")
    )


def _at(body: Body, span: Span | None) -> bytes:
    return bytes(body[span[0] : span[1]]) if span else b""


def _search(body: Body, key: str) -> Span | None:
    """Token by token, for documents with repeated keys or with damage behind what we look for."""
    depth = 0
    wanted = before_colon = False
    start = -1
    previous = b""
    for count, token in enumerate(TOKEN.finditer(body)):
        text = token.group()
        if count > _MAXTOKENS:
            return None
        if text[:1].isspace():
            continue
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
            before_colon = text_of(text) == key
        previous = text
    return None


def text_of(raw: bytes) -> str:
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
        return text_of(raw).lower() in _TRUE_TEXT
    if raw in (b"", b"null", b"false") or raw[:1] in b"{[":
        return False
    if raw == b"true":
        return True
    try:
        return float(raw) != 0
    except ValueError:
        return False
