"""What a guard has to say, as facts for the supervisor."""

import signal
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spawned:
    """The model's own process exists."""

    pid: int


@dataclass(frozen=True, slots=True)
class SpawnFailed:
    """There never was a process. `reason` is for people."""

    reason: str


@dataclass(frozen=True, slots=True)
class LeaderExited:
    """The model's own process ended; descendants may still live. `how` reads ``exit code 1`` or ``signal SIGKILL``."""

    how: str


@dataclass(frozen=True, slots=True)
class Stuck:
    """These processes survive SIGKILL."""

    pids: tuple[int, ...]


Report = Spawned | SpawnFailed | LeaderExited | Stuck


def describe_ending(how: str, value: str) -> str:
    """``code 1``, ``signal 9`` or ``failed REASON`` in words for people."""
    if how == "code":
        return f"exit code {value}"
    if how == "failed":
        return f"could not be started: {value}"
    try:
        return f"signal {signal.Signals(int(value)).name}"
    except ValueError:
        return f"signal {value}"
