"""Keeps the control plane running beside the data plane: started again when it fails."""

import logging
from functools import partial
from pathlib import Path

import trio

from llamaswap.control.context import ControlContext
from llamaswap.control.server import serve_control
from llamaswap.models.upstream import Upstream

log = logging.getLogger(__name__)

_FIRST_RETRY_S, _LAST_RETRY_S = 0.5, 30.0


class ControlPlane:
    """The control plane as the daemon sees it.

    Attributes:
        upstream: Its socket, to which the data plane passes on what is not for a model.
        ready: Set while it answers there; another event after each failure.
        ended: Set when it will answer no more, because the daemon stops.
    """

    def __init__(self, path: Path, context: ControlContext) -> None:
        self._path = path
        self._context = context
        self.upstream = Upstream("http://localhost", unix_path=str(path))
        self.ready = trio.Event()
        self.ended = trio.Event()

    async def run(self, stopping: trio.Event) -> None:
        """Serve until *stopping* is set. Never raises for a failure of the control plane."""
        try:
            await self._keep_serving(stopping)
        finally:
            self.ended.set()

    async def _keep_serving(self, stopping: trio.Event) -> None:
        retry_s = _FIRST_RETRY_S
        while not stopping.is_set():
            try:
                async with trio.open_nursery() as nursery:
                    serve = partial(serve_control, self._path, self._context, shutdown_trigger=stopping.wait)
                    await nursery.start(serve)
                    self.ready.set()
            except* Exception:
                log.exception("control plane failed; models are served all the same retry_s=%g", retry_s)
            if stopping.is_set():
                return
            self.ready = trio.Event()
            with trio.move_on_after(retry_s):
                await stopping.wait()
            retry_s = min(2 * retry_s, _LAST_RETRY_S)
