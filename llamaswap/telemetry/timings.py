"""Keeps what was measured of the models over restarts: one small JSON file, written whole, now and then.

Losing it costs forecasts and nothing else. So nothing that is wrong with the file or its directory is an error: it is
told once, and the daemon goes on without.
"""

import logging
import os
from contextlib import suppress
from pathlib import Path

import trio

from llamaswap.schedule.forecast_stopwatch import Measured
from llamaswap.schedule.measured_text import MOST_BYTES, measured_text, parsed

log = logging.getLogger(__name__)

#: In one directory, one for each configuration.
MOST_FILES = 32
#: Seconds between two writings, if anything has changed; and for the last one, at the end.
EVERY_S, LAST_S = 60.0, 2.0


class Timings:
    """The file at *path*, and what is in it: `measured` is read from it once, and written by `run`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._warned = False
        self.measured = self._read()
        self._written = self._text()

    async def run(self) -> None:
        """Write what has changed every minute, and at the end, which is when this is cancelled."""
        try:
            while True:
                await trio.sleep(EVERY_S)
                await self.save()
        finally:
            with trio.move_on_after(LAST_S, shield=True):
                await self.save()

    async def save(self) -> None:
        """Write what has changed, in a thread. A disk that hangs holds nobody up."""
        text = self._text()
        if text == self._written:
            return
        try:
            await trio.to_thread.run_sync(self._write, text, abandon_on_cancel=True)
            self._written, self._warned = text, False
        except OSError as error:
            self._warn(f"cannot be written: {error.strerror or error}")

    def _text(self) -> str:
        return measured_text(self.measured)

    def _write(self, text: str) -> None:
        """Replace the file by a whole one, whatever happens."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            new.write_text(text, encoding="ascii")
            new.replace(self._path)
        finally:
            new.unlink(missing_ok=True)
        self._forget_old()

    def _forget_old(self) -> None:
        """Configurations come and go; the files of those used last stay."""
        with suppress(FileNotFoundError):  # another daemon tidies up, too
            files = sorted(self._path.parent.glob("timings-*.json"), key=lambda path: path.stat().st_mtime)
            for old in files[:-MOST_FILES]:
                old.unlink(missing_ok=True)

    def _read(self) -> Measured:
        with suppress(FileNotFoundError, NotADirectoryError):
            try:
                with self._path.open("rb") as file:
                    return parsed(file.read(MOST_BYTES + 1))
            except FileNotFoundError:
                raise
            except (OSError, ValueError, RecursionError) as error:
                self._warn(f"cannot be used, and is begun anew: {error}")
        return Measured()

    def _warn(self, trouble: str) -> None:
        if not self._warned:
            log.warning("what was measured of the models (%s) %s; forecasts do without", self._path, trouble)
        self._warned = True
