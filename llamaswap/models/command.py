"""What to run for a model: program, arguments and environment."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass

from llamaswap.config.schema import ModelConfig
from llamaswap.models.markers import LIFE, OWNER, new_life_mark, own_mark

LEFTOVER_GRACE_S = 5.0


@dataclass(frozen=True, slots=True)
class Command:
    """What to run. `path` is the program, already looked up; `env` is complete and carries the markers."""

    path: str
    argv: Sequence[str]
    env: dict[str, str]
    leftover_grace: float


def command_for(spec: ModelConfig) -> Command:
    """The start command of *spec*. Raises OSError or ValueError, with a message for people, when it cannot be run."""
    if not spec.argv:
        raise ValueError("failed to start: the model has no command; set cmd")
    env = {name: value for name, value in os.environ.items() if name not in (OWNER, LIFE)}
    env |= dict(entry.split("=", 1) for entry in spec.env if "=" in entry)
    env |= {OWNER: own_mark(), LIFE: new_life_mark(spec.id)}
    return Command(find_program(spec.argv[0]), spec.argv, env, min(spec.unload_timeout, LEFTOVER_GRACE_S))


def stop_command_for(spec: ModelConfig) -> Sequence[str]:
    """Program path and argv of the stop command; empty, which means SIGTERM, when there is none that can be run."""
    path = shutil.which(spec.cmd_stop[0]) if spec.cmd_stop else None
    return (path, *spec.cmd_stop) if path else ()


def find_program(name: str) -> str:
    """The path of *name*, looked up in our own PATH. Raises OSError that says why there is none."""
    path = shutil.which(name)
    if path is not None:
        return path
    if os.sep in name and os.path.exists(name):  # noqa: PTH110 (a command's word, not a path of ours)
        raise PermissionError(f"failed to start command {name!r}: permission denied: not an executable file")
    where = "no such file" if os.sep in name else "executable file not found in PATH"
    raise FileNotFoundError(f"failed to start command {name!r}: {where}")
