"""The words that daemon and guard exchange: length-prefixed lists of texts.

Arguments and environment entries can hold any character but NUL, so NUL separates the fields of a message. Nothing is
imported that the guard's start would have to pay for.
"""

import os

LENGTH_BYTES = 4


def pack(*fields: str) -> bytes:
    """One message. Raises ValueError for a field that no process argument could carry (NUL, or not encodable)."""
    if any("\0" in field for field in fields):
        raise ValueError("embedded null character")
    body = b"\0".join(os.fsencode(field) for field in fields)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


class Unpacker:
    """Puts messages together from whatever pieces the socket hands over."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[list[str]]:
        """Every message that *data* completes, in order."""
        self._pending += data
        messages = []
        while len(self._pending) >= LENGTH_BYTES:
            end = LENGTH_BYTES + int.from_bytes(self._pending[:LENGTH_BYTES], "big")
            if len(self._pending) < end:
                break
            messages.append([os.fsdecode(field) for field in bytes(self._pending[LENGTH_BYTES:end]).split(b"\0")])
            del self._pending[:end]
        return messages
