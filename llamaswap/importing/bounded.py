"""The GGUF package's reader, with arrays stepped over and lengths checked. Importing this imports NumPy.

The three methods that are replaced are the package's inner ones; `tests/importing` compares the result with the
package's own on files that the package's own writer wrote, so a change of theirs is seen.
"""

import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFReader, GGUFValueType
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType, LlamaFileType

from llamaswap.importing.found import UnusableError

#: Bytes of one text; whole tokenizers in JSON are some 20 MB.
_LONGEST_TEXT = 1 << 26
#: Elements of all arrays together; the largest vocabularies have a quarter of a million words and twice as many merges.
_MOST_ELEMENTS = 1 << 23
_MOST_DIMENSIONS = 8

_WIDTHS = {
    GGUFValueType.UINT8: 1,
    GGUFValueType.INT8: 1,
    GGUFValueType.BOOL: 1,
    GGUFValueType.UINT16: 2,
    GGUFValueType.INT16: 2,
    GGUFValueType.UINT32: 4,
    GGUFValueType.INT32: 4,
    GGUFValueType.FLOAT32: 4,
    GGUFValueType.UINT64: 8,
    GGUFValueType.INT64: 8,
    GGUFValueType.FLOAT64: 8,
}
_LENGTH = struct.Struct("<Q")


class BoundedReader(GGUFReader):
    """A header. `shapes` are the tensors', `ends_at` where the last of them ends in the file, 0 if that is unknown."""

    def __init__(self, path: Path) -> None:
        self.shapes: list[list[int]] = []
        self.ends_at = 0
        self._elements = 0
        super().__init__(path)

    @staticmethod
    def quantisation(file_type: int | None) -> str:
        """The name that people know for *file_type*; empty when there is none."""
        try:
            name = LlamaFileType(-1 if file_type is None else file_type).name
        except ValueError:
            return ""
        return "" if name == "GUESSED" else name.removeprefix("MOSTLY_").removeprefix("ALL_")

    def _get_str(self, offset: int) -> Any:
        length = int(self._get(offset, np.uint64)[0])
        self._require(offset + 8, length)
        if length > _LONGEST_TEXT:
            raise UnusableError("its header is damaged (a text without end)")
        return super()._get_str(offset)

    def _get_field_parts(self, orig_offs: int, raw_type: int) -> Any:
        if raw_type != GGUFValueType.ARRAY:
            return super()._get_field_parts(orig_offs, raw_type)
        kind, count = self._get(orig_offs, np.uint32), self._get(orig_offs + 4, np.uint64)
        end = self._after(orig_offs + 12, int(kind[0]), int(count[0]))
        return end - orig_offs, [kind, count], [], [GGUFValueType.ARRAY]

    def _after(self, offset: int, kind: int, count: int) -> int:
        """Where an array's elements end that begin at *offset*."""
        self._elements += count
        if self._elements > _MOST_ELEMENTS:
            raise UnusableError("its header is damaged (a list without end)")
        if kind != GGUFValueType.STRING:
            width = _WIDTHS[GGUFValueType(kind)]
            self._require(offset, width * count)
            return offset + width * count
        data = memoryview(self.data)  # type: ignore[arg-type] # an array is a buffer; its types do not say so
        for _ in range(count):
            self._require(offset, 8)
            offset += 8 + int(_LENGTH.unpack_from(data, offset)[0])
        self._require(offset, 0)
        return offset

    def _build_tensors(self, start_offs: int, fields: Any) -> None:
        """Note shapes and sizes, where the package would map each tensor into memory."""
        ends, known = [0], True
        for field in fields:
            _, _, _, dims, raw_kind, offset = field.parts
            if len(dims) > _MOST_DIMENSIONS:
                raise UnusableError("its header is damaged (a tensor of too many dimensions)")
            shape = [int(dim) for dim in dims]
            self.shapes.append(shape)
            try:
                block, size = GGML_QUANT_SIZES[GGMLQuantizationType(int(raw_kind[0]))]
            except (ValueError, KeyError):  # newer than the package
                known = False
            else:
                ends.append(start_offs + int(offset[0]) + math.prod(shape) // block * size)
        self.ends_at = max(ends) if known else 0

    def _require(self, offset: int, length: int) -> None:
        if offset + length > len(self.data):
            raise UnusableError("its header is cut off, as in a download that was not finished")
