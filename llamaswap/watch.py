"""Sees that configuration files have changed, by their content, and waits until whoever writes them has finished."""

import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import trio

from llamaswap.errors import ConfigError

#: Polling, not file system events: it also works for bind mounts and for links that are flipped, as Kubernetes does it.
POLL_S = 2.0


async def watch(files: Callable[[], list[Path]], changed: Callable[[], Awaitable[None]]) -> None:
    """Call *changed* whenever two looks in a row agree on content that differs from the last one acted upon.

    Files that are missing for a moment do not count as a change; their return does, if it brings other content.
    """
    acted_on = last = await trio.to_thread.run_sync(_fingerprint, files, abandon_on_cancel=True)
    while True:
        await trio.sleep(POLL_S)
        now = await trio.to_thread.run_sync(_fingerprint, files, abandon_on_cancel=True)
        if now is not None and now == last and now != acted_on:
            acted_on = now
            await changed()
        last = now


def _fingerprint(files: Callable[[], list[Path]]) -> str | None:
    """A hash over names and contents; None while there is nothing to read."""
    digest = hashlib.sha256()
    try:
        for path in files():
            content = path.read_bytes()
            digest.update(b"%b\0%d\0%b" % (bytes(path), len(content), content))
    except (OSError, ConfigError):
        return None
    return digest.hexdigest()
