"""Sees that configuration files have changed, by their content, and waits until whoever writes them has finished.

Hints of the file system say when to look; as they can be missing, the files are looked at every `POLL_S` all the same.
Content decides: a file that was touched, or replaced by its equal, has not changed. When a writer has finished is for
`stillness` to say. The last of several writes is acted on `QUIET_S` after it as a rule, `POLL_S` later at the latest.
"""

import hashlib
import stat
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from llamaswap.config.text.sources import MOST_BYTES
from llamaswap.errors import ConfigError
from llamaswap.stillness import MISSING, UNREADABLE, Seen, Stillness

if TYPE_CHECKING:
    from llamaswap.hints import Hints

#: A disk that does not answer must not keep us from ending.
_in_thread = partial(trio.to_thread.run_sync, abandon_on_cancel=True)


async def watch(files: Callable[[], list[Path]], changed: Callable[[], Awaitable[None]], in_force: Seen = None) -> None:
    """Call *changed* whenever content other than what was last acted on holds still, or is not there for long.

    One call at a time; changes during a call lead to one more, after it. Never returns; cancelling leaves nothing
    behind.

    Args:
        files: Names the files; raises `ConfigError` while there are none.
        in_force: What `look` saw before the files were loaded; if None, what they contain now counts as acted on.
    """
    from llamaswap.hints import open_hints  # noqa: PLC0415 - its library is not for daemons that do not watch

    async with open_hints() as hints:
        seen, looked = await _hinted_look(files, hints), trio.current_time()
        stillness = Stillness(in_force or seen)
        stillness.saw(seen, looked, looked)
        while True:
            with trio.move_on_at(stillness.latest(looked)):
                await hints.wait()
            await trio.sleep_until(stillness.earliest(looked))
            began = trio.current_time()
            seen, looked = await _hinted_look(files, hints), trio.current_time()
            if stillness.saw(seen, began, looked):
                await changed()


def look(files: Callable[[], list[Path]]) -> Seen:
    """What *files* contain now. Blocks while the disk does."""
    try:
        return {path: _fingerprint(path) for path in files()}
    except ConfigError:
        return None


async def _hinted_look(files: Callable[[], list[Path]], hints: "Hints") -> Seen:
    await hints.cover(await _in_thread(_names, files))  # first, so that what changes during the look gives a hint
    return await _in_thread(look, files)


def _names(files: Callable[[], list[Path]]) -> list[Path]:
    try:
        return files()
    except ConfigError:
        return []


def _fingerprint(path: Path) -> str:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return f"{UNREADABLE}no regular file"  # a pipe can be read only once, and a device has no end
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return MISSING
    except OSError as error:
        return f"{UNREADABLE}{error.errno}"  # holds still; loading it will say why it cannot be used
    return hashlib.sha256(content).hexdigest() if content else ""
