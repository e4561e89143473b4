"""The new file appears whole or not at all, and nobody's file is lost to it."""

import contextlib
import os
import secrets
from pathlib import Path


class ExistsError(Exception):
    """There is a file already, and nobody said that it may go."""


def save(path: Path, text: str, *, force: bool) -> None:
    """Write *text* to *path*, in one step; permissions are the umask's. A link stays a link to the new content.

    Raises:
        ExistsError: the file is there, and not *force*; also when it appeared a moment ago.
        OSError: it cannot be written.
    """
    target = path.resolve() if force else path
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        if force:
            temporary.replace(target)
        else:
            _appear(temporary, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def _appear(temporary: Path, target: Path) -> None:
    """A rename would take the place of what is there; a second link does not."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise ExistsError from None
    except OSError:  # a file system without links: a moment in which two writers could meet is all that is left
        if os.path.lexists(target):
            raise ExistsError from None
        temporary.replace(target)
