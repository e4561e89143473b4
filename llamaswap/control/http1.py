"""Hypercorn's server of one connection, with two traits changed for which it has no setting.

A client in clear text could ask for HTTP/2; such a connection then neither ended with its client nor let the daemon
end. And a client that hung up before its answer was complete left a task and a descriptor behind for as long as an
idle connection may be kept. Imported late, as Hypercorn takes its time.
"""

from h11 import Request
from hypercorn.events import Event, Updated
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.tcp_server import TCPServer


class Http1Server(TCPServer):
    """Serves one connection, which ends when its client has gone and the last answer is done."""

    _gone = False

    async def _read_data(self) -> None:
        await super()._read_data()
        self._gone = True
        await self.idle_task.stop()

    async def protocol_send(self, event: Event) -> None:
        """Pass on what the protocol has to say, but begin no wait for the next request of one who is gone."""
        if not (self._gone and isinstance(event, Updated)):
            await super().protocol_send(event)


async def _stay(self: H11Protocol, event: Request) -> None:
    """In the place of what looks for an upgrade to h2c, and for HTTP/2's preface."""


H11Protocol._check_protocol = _stay  # type: ignore[method-assign]  # there is no other way in
