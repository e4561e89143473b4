"""The text in which measured times are kept over restarts. Pure."""

import json

from llamaswap.schedule.forecast_stopwatch import Measured

VERSION = 1
#: A file of ours is never longer: 256 models with names of a sensible length.
MOST_BYTES = 4 << 20


def measured_text(measured: Measured) -> str:
    """*measured* as one line of JSON."""
    return json.dumps({"version": VERSION, "models": measured.as_plain()}, separators=(",", ":")) + "\n"


def parsed(data: bytes) -> Measured:
    """What `measured_text` wrote.

    Raises:
        ValueError, RecursionError: it did not write this.
    """
    if len(data) > MOST_BYTES:
        raise ValueError(f"longer than {MOST_BYTES} bytes")
    found = json.loads(data)
    if not isinstance(found, dict) or found.get("version") != VERSION or not isinstance(found.get("models"), dict):
        raise ValueError(f"not of version {VERSION}")
    return Measured.from_plain(found["models"])
