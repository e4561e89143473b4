"""Hints, from the file system, that it is worth looking at some files now.

A hint never means that something has changed, and silence never that nothing has: events do not cross network file
systems and some overlays, and they are lost while a link or a directory is being exchanged. Who needs to know looks now
and then all the same. Where there are no events (other systems than Linux, limits of the kernel) there are no hints.
"""

import contextlib
import errno
import logging
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING or sys.platform == "linux":
    from inotify_simple import INotify, flags

    #: Not MODIFY: who writes has not finished, and closes when he has. ATTRIB: a file may have become readable.
    MASK = (
        *(flags.CLOSE_WRITE, flags.CREATE, flags.DELETE, flags.MOVED_FROM, flags.MOVED_TO, flags.ATTRIB),
        *(flags.DELETE_SELF, flags.MOVE_SELF, flags.ONLYDIR),
    )

log = logging.getLogger(__name__)

#: As many links as Linux follows in one path.
MOST_LINKS = 40
#: Limits of the kernel: watches, memory for them, instances or open files.
LIMITS = {errno.ENOSPC, errno.ENOMEM, errno.EMFILE, errno.ENFILE}


class Hints:
    """Hints about the paths that `cover` has been told. `open_hints` makes it and closes it."""

    def __init__(self, inotify: "INotify | None") -> None:
        self._inotify = inotify
        self._named: set[Path] = set()  # directories by name: one that is gone may come back
        self._watches: set[int] = set()
        self._warned = False

    async def wait(self) -> None:
        """Return when it is worth looking again; without events, never. One task at a time."""
        if self._inotify is None:
            await trio.sleep_forever()
        else:
            await trio.lowlevel.wait_readable(self._inotify)
            self._inotify.read(timeout=0)

    async def cover(self, paths: Iterable[Path]) -> None:
        """From now on, hint at changes of what *paths* name, and of any directory in which an earlier path lay.

        To be called before each look, as links are flipped and directories exchanged. What cannot be watched is not;
        that a limit of the kernel is the reason is logged, once.
        """
        if self._inotify is not None:
            limit = await trio.to_thread.run_sync(self._watch, self._inotify, list(paths), abandon_on_cancel=True)
            if limit is not None and not self._warned:
                self._warned = True
                warn(limit)

    def _watch(self, inotify: "INotify", paths: list[Path]) -> OSError | None:
        self._named |= {path.parent for path in paths}
        watches, limit = set(), None
        for directory in {place for path in (*paths, *self._named) for place in _directories(path)}:
            try:
                watches.add(inotify.add_watch(directory, sum(MASK)))  # the same number again for the same directory
            except OSError as error:
                limit = error if error.errno in LIMITS else limit
        for stale in self._watches - watches:
            with contextlib.suppress(OSError):  # a directory that was removed took its watch with it
                inotify.rm_watch(stale)
        self._watches = watches
        return limit


@contextlib.asynccontextmanager
async def open_hints() -> AsyncIterator[Hints]:
    """Hints as the system can give them, silent ones if need be. Leaving the block gives everything back."""
    with contextlib.ExitStack() as stack:
        inotify = None
        if sys.platform == "linux":
            try:
                # In a thread, as the library asks programs for the name of libc; it is quick, so it is not abandoned.
                inotify = stack.enter_context(await trio.to_thread.run_sync(_open))
            except OSError as error:
                warn(error)
        yield Hints(inotify)


def warn(limit: OSError) -> None:
    """Say that events are missing, and what to do about it."""
    log.warning(
        "changes of the configuration may be seen some seconds late: no file system events: %s; "
        "raise fs.inotify.max_user_watches or fs.inotify.max_user_instances",
        limit.strerror,
    )


def _open() -> "INotify":
    return INotify(nonblocking=True)


def _directories(path: Path) -> Iterator[Path]:
    """The directories whose entries decide what *path* names.

    Those of each link on the way; and at the end *path* itself if it is a directory, else the one in which it lies, or
    in which the first missing part of it would lie.
    """
    whole = path.absolute()
    at, rest, links = Path(whole.anchor), [*reversed(whole.parts[1:])], 0
    while rest:
        step = at.parent if rest[-1] == ".." else at / rest[-1]  # *at* holds no link, so `..` is its parent
        try:
            target = step.readlink()
        except OSError:  # no link, or nothing at all
            if not _is_directory(step):
                break
            rest.pop()
            at = step
            continue
        yield at
        links += 1
        if links > MOST_LINKS:
            return
        rest[-1:] = reversed(target.parts[1:] if target.is_absolute() else target.parts)
        at = Path(target.anchor) if target.is_absolute() else at
    yield at


def _is_directory(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # not ours to look into
        return False
