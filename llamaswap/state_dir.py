"""Where a daemon keeps what it has learned, for its next run. Nothing in there is needed; all of it may be deleted."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from llamaswap.runtime_dir import runtime_dir


def state_dir() -> Path:
    """Return the directory of a daemon started now; it need not exist.

    ``LLAMASWAP_STATE_DIR``; or ``LLAMASWAP_RUNTIME_DIR``, since who names one wants everything there; or what a service
    manager says (``STATE_DIRECTORY``); or the user's, ``$XDG_STATE_HOME/llamaswap``; or, for a user without a home,
    that of the private socket.
    """
    for name in ("LLAMASWAP_STATE_DIR", "LLAMASWAP_RUNTIME_DIR"):
        if named := os.environ.get(name):
            return Path(named)
    if given := os.environ.get("STATE_DIRECTORY"):
        return Path(given.partition(":")[0])
    if (base := os.environ.get("XDG_STATE_HOME", "")).startswith("/"):
        return Path(base) / "llamaswap"
    try:
        return Path.home() / ".local/state/llamaswap"
    except RuntimeError:
        return runtime_dir()


def timings_path(directory: Path, configuration: Sequence[Path]) -> Path:
    """Return the file with the measured times of the models that these files configure."""
    names = "\0".join(str(path.absolute()) for path in configuration)
    digest = hashlib.sha256(names.encode(errors="surrogateescape")).hexdigest()
    return directory / f"timings-{digest[:12]}.json"
