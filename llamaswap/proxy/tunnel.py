"""After a protocol switch: two byte pipes, joined until either side ends."""

import trio

from llamaswap.models.upstream import UpstreamConnection
from llamaswap.proxy.request import Client, ClientGoneError


async def run_tunnel(client: Client, connection: UpstreamConnection) -> None:
    """Relay both ways until the upstream ends the connection; the client's end cancels us from outside."""
    client.cut()  # there is no next request on this connection, however the tunnel ends
    gone = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_client_to_upstream, client, connection)
        try:
            while data := await connection.receive():
                await client.send(data)
        except OSError:
            pass
        except ClientGoneError as error:
            gone = error
        nursery.cancel_scope.cancel("the upstream ended the tunnel")
    if gone is not None:
        raise gone  # here, since a nursery would wrap it


async def _client_to_upstream(client: Client, connection: UpstreamConnection) -> None:
    try:
        while (piece := await client.next_piece()) is not None:
            await connection.send(piece, answered=False)
    except OSError:
        return
