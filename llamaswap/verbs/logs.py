"""``llamaswap logs``: a log's last bytes, or those and whatever follows."""

import argparse
import json
import os
import sys
from urllib.parse import quote

from llamaswap.verbs.client import Client, UnknownModelError, VerbError
from llamaswap.verbs.terminal import ColoursOnly


def run_logs(client: Client, arguments: argparse.Namespace) -> None:
    """Print the log of a model, or another source; following ends when the daemon does.

    To a terminal colours pass and nothing else that could drive it; elsewhere everything does, byte for byte. With
    ``--json`` each line becomes an object with its text under ``line``.
    """
    target = f"/logs/stream/{quote(arguments.model, safe='')}" + ("" if arguments.follow else "?no-follow")
    terminal = _Lines() if arguments.json else ColoursOnly() if sys.stdout.isatty() else None
    out = sys.stdout.fileno()
    try:
        with client.open("GET", target) as answer:
            while piece := answer.read1(65536):
                _write(out, piece if terminal is None else terminal.feed(piece))
    except UnknownModelError as error:
        hint = client.unknown(arguments.model)
        raise VerbError(f"{hint}; or one of: proxy, upstream") from error
    finally:
        if terminal is not None:
            _write(out, terminal.end())


class _Lines:
    """Bytes in as they come, JSON lines out; the last line need not be complete."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        *lines, self._rest = (self._rest + data).split(b"\n")
        return b"".join(map(_line, lines))

    def end(self) -> bytes:
        return _line(self._rest) if self._rest else b""


def _line(text: bytes) -> bytes:
    return json.dumps({"line": text.decode(errors="replace")}, ensure_ascii=False).encode() + b"\n"


def _write(out: int, data: bytes) -> None:
    while data:
        data = data[os.write(out, data) :]
