"""Whether and where the scheduler's journal is kept."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JournalSettings:
    """``journal:``. At most about `files` times `max_bytes` are kept.

    Attributes:
        path: The directory, made if it is not there; empty means no journal.
        max_bytes: A file that has grown so long is followed by the next.
        files: As much is kept as so many full files hold; the oldest file goes first. There are more of them where
            they are short, as after a restart, a change of the scheduler or a disk that was full.
    """

    path: str = ""
    max_bytes: int = 16 * 1024 * 1024
    files: int = 8
