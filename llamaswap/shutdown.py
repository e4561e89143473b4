"""How the daemon ends: refuse what waits, let what is served finish, stop the models, close the connections.

Each step has its bound, and a watchdog thread ends the process whatever hangs. A second signal does not wait for what
is served; a third one kills everything at once.
"""

import logging
import os
import threading
from dataclasses import dataclass, field

import trio

from llamaswap.controlplane import ControlPlane
from llamaswap.dispatcher import Dispatcher
from llamaswap.gateway.listener import Listener
from llamaswap.reload import Reloader
from llamaswap.telemetry.logs import LogHub

log = logging.getLogger(__name__)

#: For requests being served; then for the models' grace; then for the last bytes of answers.
DRAIN_S, GRACE_S, FLUSH_S = 23.0, 5.0, 1.0
#: Whatever happens, the process is gone so long after the first signal.
HARD_EXIT_S = 34.0


@dataclass(slots=True)
class Shutdown:
    """The end of the daemon, of which these are the parts that have to hear.

    Attributes:
        begun: Set at the first signal.
    """

    hub: LogHub
    reloader: Reloader
    listener: Listener
    dispatcher: Dispatcher
    control: ControlPlane
    begun: trio.Event = field(default_factory=trio.Event)
    _hurry: trio.Event = field(default_factory=trio.Event)
    _signals_seen: int = 0

    def signalled(self, name: str) -> None:
        """Take in a signal to end: the first, the second, or one too many."""
        self._signals_seen += 1
        if self._signals_seen == 1:
            log.info("%s: shutting down; again to end requests now, a third time to kill everything", name)
            watchdog = threading.Timer(HARD_EXIT_S, self._end_now)
            watchdog.daemon = True
            watchdog.start()
            self.begun.set()
        elif self._signals_seen == 2:
            log.warning("%s again: ending requests now", name)
            self._hurry.set()
        else:
            self._end_now()

    async def run(self) -> None:
        """Wait for the first signal, then end everything in order, all within bounds."""
        await self.begun.wait()
        self.reloader.close()
        self.hub.end_streams()
        self.listener.stop_accepting()
        with trio.move_on_after(DRAIN_S):
            async with trio.open_nursery() as drain:
                drain.start_soon(self._cancel_when_hurried, drain.cancel_scope)
                await self.dispatcher.shut_down(drain=True)
                drain.cancel_scope.cancel("drained")
        await self.dispatcher.shut_down(drain=False, grace=GRACE_S)
        with trio.move_on_after(FLUSH_S):
            while self.listener.open_connections:
                await self.listener.changed()
            await self.control.ended.wait()  # who follows a log over its socket gets the stream's end
        self.listener.close()

    async def _cancel_when_hurried(self, scope: trio.CancelScope) -> None:
        await self._hurry.wait()
        scope.cancel("hurried")

    def _end_now(self) -> None:
        """Kill what we know of and go; the guards, seeing us gone, kill the rest."""
        self.dispatcher.kill_now()
        self.hub.close()
        os._exit(1)
