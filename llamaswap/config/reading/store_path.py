"""Whether ``store.path`` can be used: the one setting whose check asks the file system."""

import os
from pathlib import Path

from llamaswap.config.commands.argv import BLANKS

#: SQLite's name for a database that lives in memory only.
IN_MEMORY = ":memory:"


def trimmed(path: str) -> str:
    """The path that is meant; relative ones start at the working directory."""
    return path.strip(BLANKS)


def why_no_store(path: str) -> tuple[str, str] | None:
    """What is wrong with *path* (trimmed first) and what to do about it; None if a database can be opened there."""
    name = trimmed(path)
    if not name:
        return "the path is blank", "name a file, or remove the section store: rows are kept in memory then"
    if name == IN_MEMORY:
        return None
    if "\0" in name:
        return "the path holds a NUL character", "write a path without it"
    try:
        return _why_not(Path(os.path.realpath(name)))
    except OSError as error:
        return (error.strerror or str(error)).lower(), "name a file that the user who runs the daemon can write"


def _why_not(file: Path) -> tuple[str, str] | None:
    if file.is_dir():
        return "this is a directory", f"name a file in it, such as {file / 'activity.db'}"
    if file.exists():
        can = os.access(file, os.W_OK)
        return None if can else ("the file cannot be written", "let the user who runs the daemon write it")
    if file.is_symlink():
        return "this link leads in a circle", "name a file"
    folder = file.parent
    if not folder.is_dir():
        return f"the directory {folder} does not exist", f"create it (mkdir -p {folder}), or name another place"
    if not _can_make_files_in(folder):
        remedy = "let the user who runs the daemon write to it, or name another place"
        return f"no file can be made in the directory {folder}", remedy
    return None


def _can_make_files_in(folder: Path) -> bool:
    if os.name != "nt":
        return os.access(folder, os.W_OK | os.X_OK)
    import tempfile  # noqa: PLC0415 - only there, and it brings half a dozen modules

    try:  # access lists decide there, which only an attempt asks
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
