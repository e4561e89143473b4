"""The configuration's files as the command line names them, read at the start and again at each reload."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from llamaswap.config.load import Loaded, PortsInUse, load, sources
from llamaswap.errors import ConfigError

#: A file that changes while it is read, or that has become empty, is probably being written: how often to look again.
MOST_READS = 20
PAUSE_S = 0.05

_NO_PORTS = PortsInUse()


@dataclass(frozen=True, slots=True)
class FromFiles:
    """A configuration, and the files it was read from."""

    files: tuple[Path, ...]
    loaded: Loaded


#: Reads the files again, given what is known of ports. Blocks; raises `ConfigError`.
ReadFiles = Callable[[PortsInUse], FromFiles]


@dataclass(frozen=True, slots=True)
class ConfigFiles:
    """A file, a directory of files, or both."""

    config: Path | None
    directory: Path | None
    strict: bool = False

    def names(self) -> list[Path]:
        """The files that there are now. Raises `ConfigError`."""
        return sources(self.config, self.directory)

    def load(self, in_use: PortsInUse = _NO_PORTS) -> FromFiles:
        """Load what is there. Raises `ConfigError`."""
        files = tuple(self.names())
        return FromFiles(files, load(files, os.environ, strict=self.strict, in_use=in_use))

    def read(self, in_use: PortsInUse) -> FromFiles:
        """Load what is there once nobody seems to be writing it, or after a second. Blocks; raises `ConfigError`.

        Whoever asks for a reload may do so between the first byte of a save and its last; half a file can be valid.
        """
        from llamaswap.watch import look  # noqa: PLC0415 - the first load is before such imports

        for _ in range(MOST_READS - 1):
            before = look(self.names)
            try:
                found: FromFiles | ConfigError = self.load(in_use)
            except ConfigError as error:
                found = error
            if before == look(self.names) and "" not in (before or {}).values():
                if isinstance(found, ConfigError):
                    raise found
                return found
            time.sleep(PAUSE_S)
        return self.load(in_use)
