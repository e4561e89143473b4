"""A GGUF file's header, read by llama.cpp's own Python package within bounds that no file can stretch.

The package makes a NumPy array of every word in the vocabulary: 5.6 s and 540 MB for a header of 7 MB that 150,000
words fill, and no end at all for a file that claims to have 2**60 of them. We need none of those, so arrays are
stepped over (0.1 s), and every length is compared with what there is before it is believed.
"""

import math
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llamaswap.importing.found import Header, UnusableError

if TYPE_CHECKING:
    from llamaswap.importing.bounded import BoundedReader

#: A header has a few dozen values and, in the largest models, some thousands of tensors.
_MOST_VALUES = 1 << 14
_MOST_TENSORS = 1 << 17
_HEAD = struct.Struct("<4sIQQ")
_VERSIONS = (2, 3)


def missing_library() -> str:
    """What to do before headers can be read; empty when they can."""
    try:
        import gguf  # noqa: F401, PLC0415 - a tenth of a second, for NumPy
    except ImportError as problem:
        return f"reading model files needs a package that is not installed ({problem}): pip install 'llamaswap[import]'"
    return ""


def read_header(path: Path) -> Header:
    """Read what *path* says of itself. Takes bounded time and memory whatever is in it.

    Raises:
        UnusableError: it is no whole GGUF file.
    """
    try:
        _check_head(path)
        from llamaswap.importing.bounded import BoundedReader  # noqa: PLC0415 - as above

        return _header(BoundedReader(path))
    except OSError as error:
        raise UnusableError(f"cannot be read: {error.strerror or error}") from None
    except (ValueError, KeyError, IndexError, OverflowError, TypeError) as error:
        # What the package raises where a file ends early or contradicts itself; its words are about arrays.
        raise UnusableError(f"its header is damaged or cut off ({type(error).__name__})") from error


def _check_head(path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(_HEAD.size)
    if not head:
        raise UnusableError("the file is empty")
    if head[:4] != b"GGUF":
        what = "is only zeros so far, a download not finished" if not head.strip(b"\0") else "is no GGUF file"
        raise UnusableError(what)
    if len(head) < _HEAD.size:
        raise UnusableError("its header is cut off")
    _, version, tensors, values = _HEAD.unpack(head)
    if version & 0xFFFF == 0:  # written by a machine of the other byte order; llama.cpp refuses them too
        raise UnusableError("is a big-endian GGUF file, for another kind of machine")
    if version not in _VERSIONS:
        raise UnusableError(f"is GGUF of version {version}; versions 2 and 3 are known")
    if values > _MOST_VALUES or tensors > _MOST_TENSORS:
        raise UnusableError(f"its header is damaged ({values} values, {tensors} tensors)")


def _header(reader: "BoundedReader") -> Header:
    architecture = _text(reader, "general.architecture")
    return Header(
        architecture=architecture,
        type=_text(reader, "general.type"),
        name=_text(reader, "general.name"),
        quantisation=reader.quantisation(_number(reader, "general.file_type")),
        size_label=_text(reader, "general.size_label"),
        context=_number(reader, f"{architecture}.context_length") or 0,
        pooling=_number(reader, f"{architecture}.pooling_type"),
        has_labels=f"{architecture}.classifier.output_labels" in reader.fields,
        parameters=sum(math.prod(shape) for shape in reader.shapes),
        tensors=len(reader.shapes),
        ends_at=reader.ends_at,
    )


def _value(reader: "BoundedReader", key: str) -> Any:
    field = reader.fields.get(key)
    return None if field is None or not field.data else field.contents()


def _text(reader: "BoundedReader", key: str) -> str:
    value = _value(reader, key)
    return " ".join(value[:500].split()) if isinstance(value, str) else ""


def _number(reader: "BoundedReader", key: str) -> int | None:
    value = _value(reader, key)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 31 else None
