"""Whether and where the scheduler's journal is kept."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JournalSettings:
    """``journal:``. At most about `files` times `max_bytes` are kept.

    Attributes:
        path: The directory, made if it is not there; empty means no journal.
        max_bytes: A file that has grown so long is followed by the next.
        files: How many files are kept; the oldest goes first.
    """

    path: str = ""
    max_bytes: int = 16 * 1024 * 1024
    files: int = 8
