"""A request body on its way up while the client is still sending it."""

from llamaswap.errors import LlamaSwapError
from llamaswap.models.upstream import UpstreamConnection
from llamaswap.proxy.request import Client, ClientGoneError, Request


class Upload:
    """Passes on the body of one request.

    Attributes:
        whole: All of it has been written; only then can the connection carry another request.
        failure: Why the client's side failed, if it did. The upstream's failures show where its answer is read.
    """

    __slots__ = ("failure", "whole")

    def __init__(self) -> None:
        self.whole = False
        self.failure: Exception | None = None

    async def run(self, request: Request, client: Client, connection: UpstreamConnection) -> None:
        """Send until the body ends or either side fails; never raises for those. Cancelling leaves the body cut."""
        try:
            while (piece := await client.next_piece()) is not None:
                framed = b"%x\r\n%b\r\n" % (len(piece), bytes(piece)) if request.chunked else piece
                await connection.send(framed, answered=False)
            if request.chunked:
                await connection.send(b"0\r\n\r\n", answered=False)
            self.whole = True
        except OSError:
            return
        except (LlamaSwapError, ClientGoneError) as failure:
            self.failure = failure
