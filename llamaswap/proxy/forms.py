"""The few things we need from a form body: where its ``model`` and ``stream`` fields are. Pure.

A form is searched for its boundaries and not decoded: a body of any size costs one scan, and a rewrite touches the
bytes of one value only. Werkzeug, which reads the parts' headers, is imported by the first form that comes.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote_plus, unquote_to_bytes

MULTIPART, URLENCODED = b"multipart/form-data", b"application/x-www-form-urlencoded"
#: Beyond these a form cannot be read, as in the reference: the bytes of an urlencoded body; the parts of a multipart
#: one, and the bytes of those that are no files.
MAX_URLENCODED_BYTES = 10 << 20
MAX_PARTS = 1000
MAX_FIELD_BYTES = 42 << 20
#: A part's header block is a few short lines.
_MAX_HEADER_BYTES = 16384
_MAX_BOUNDARY_BYTES = 200

# The literal comes first, so that the search runs at memory speed; the look back makes sure that it is a whole key.
_PAIRS = {key: re.compile(rb"%b=(?<![^&]%b=)([^&]*)" % (key, key)) for key in (b"model", b"stream")}
_DELIMITER_END = re.compile(rb"(--)?[ \t]*(?:\r\n|\Z)")

Body = bytes | bytearray


class FormError(Exception):
    """The form is malformed, or larger than its limits."""


class _Part(NamedTuple):
    """A field of a multipart body: its name, or empty if it is a file, and the span of its value."""

    name: str
    start: int
    end: int


def pair_value(data: Body, key: bytes) -> str:
    """The first value of *key* (``model`` or ``stream``) in a query or an urlencoded body; empty if there is none."""
    match = _PAIRS[key].search(data)
    if match is None:
        return ""
    return unquote_to_bytes(match[1].replace(b"+", b" ")).decode("utf-8", "replace")


def urlencoded_value(body: Body, key: bytes) -> str:
    """As `pair_value`, for a body. Raises `FormError` beyond the limit."""
    if len(body) > MAX_URLENCODED_BYTES:
        raise FormError(f"the form exceeds {MAX_URLENCODED_BYTES} bytes")
    return pair_value(body, key)


def replace_pair(data: Body, key: bytes, value: str) -> bytes:
    """*data* with the first value of *key* (``model`` or ``stream``) replaced; as it was if there is none."""
    match = _PAIRS[key].search(data)
    if match is None:
        return bytes(data)
    return bytes(data[: match.start(1)]) + quote_plus(value).encode() + bytes(data[match.end(1) :])


def multipart_values(body: Body, content_type: bytes) -> dict[str, tuple[int, int]]:
    """The span of each field's value by the field's name; of equal names the first. Files are left out.

    Raises:
        FormError: the body is malformed, cut off, or beyond the limits.
    """
    spans: dict[str, tuple[int, int]] = {}
    size = 0
    for part in _parts(body, b"--" + _boundary(content_type)):
        if part.name:
            size += part.end - part.start
            spans.setdefault(part.name, (part.start, part.end))
    if size > MAX_FIELD_BYTES:
        raise FormError(f"the form's fields exceed {MAX_FIELD_BYTES} bytes")
    return spans


def replace_field(body: Body, content_type: bytes, name: str, value: bytes) -> Body:
    """A multipart *body* with the value of its field *name* replaced; as it was if it has none. Raises `FormError`."""
    span = multipart_values(body, content_type).get(name)
    if span is None:
        return body
    view = memoryview(body)
    return b"".join((view[: span[0]], value, view[span[1] :]))


def _boundary(content_type: bytes) -> bytes:
    boundary = _options(content_type)[1].get("boundary", "").encode("utf-8", "replace")
    if not 0 < len(boundary) <= _MAX_BOUNDARY_BYTES:
        raise FormError("the multipart form has no boundary")
    return boundary


def _parts(body: Body, delimiter: bytes) -> Iterator[_Part]:
    """Every part, in order. Raises `FormError` unless the closing delimiter is there."""
    start = 0 if body.startswith(delimiter) else _find(body, b"\r\n" + delimiter, 0) + 2
    count = 0
    while True:
        ending = _DELIMITER_END.match(body, start + len(delimiter))
        if ending is None:
            raise FormError("a line of the multipart form begins like its boundary and is none")
        if ending[1]:
            return
        count += 1
        if count > MAX_PARTS:
            raise FormError(f"the multipart form has more than {MAX_PARTS} parts")
        end = _find(body, b"\r\n" + delimiter, ending.end() - 2)
        yield _part(body, ending.end(), end)
        start = end + 2


def _part(body: Body, start: int, end: int) -> _Part:
    if body.startswith(b"\r\n", start):
        return _Part("", start, end)  # no headers, so no name
    blank = body.find(b"\r\n\r\n", start, min(end, start + _MAX_HEADER_BYTES))
    if blank < 0:
        raise FormError("a part of the multipart form has no end of its headers")
    return _Part(_field_name(bytes(body[start:blank])), blank + 4, max(end, blank + 4))


def _field_name(headers: bytes) -> str:
    for line in headers.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-disposition":
            kind, options = _options(value)
            return options.get("name", "") if kind == "form-data" and "filename" not in options else ""
    return ""


def _options(value: bytes) -> tuple[str, dict[str, str]]:
    from werkzeug.http import parse_options_header  # noqa: PLC0415  # heavy, and most requests are no forms

    return parse_options_header(value.decode("utf-8", "replace").strip())


def _find(body: Body, what: bytes, start: int) -> int:
    found = body.find(what, start)
    if found < 0:
        raise FormError("the multipart form is cut off")
    return found
