"""Is the model's server up? One quick question over a kept-alive connection."""

import ipaddress
import ssl
from contextlib import suppress
from urllib.parse import quote, urlsplit

import httptools
import trio

READ_BYTES = 4096
#: More than this is no health answer.
LIMIT_BYTES = 65536
URL_SAFE = "/%:?#[]@!$&'()*+,;=~-._"


class HealthProbe:
    """Asks one URL for its status. `aclose` when done.

    Raises ValueError when *proxy* is no usable http or https URL.
    """

    def __init__(self, proxy: str, endpoint: str) -> None:
        parts = urlsplit(proxy)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"invalid proxy URL {proxy!r}: want http://HOST:PORT")
        self._tls = parts.scheme == "https"
        self._host = parts.hostname
        self.port = parts.port or (443 if self._tls else 80)
        target = quote(f"{parts.path.rstrip('/')}/{endpoint.lstrip('/')}", safe=URL_SAFE)
        authority = parts.netloc.rpartition("@")[2]
        self.url = f"{parts.scheme}://{authority}{target}"
        self._request = (
            f"GET {target} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: llamaswap\r\nAccept: */*\r\n\r\n"
        ).encode()
        self._stream: trio.abc.Stream | None = None

    async def ask(self) -> int | None:
        """The status of one answer; None when nobody answers. Bound it from outside: a server may stay silent."""
        if self._stream is not None:
            kept, self._stream = self._stream, None
            status = await self._ask_over(kept)
            if status is not None:
                return status  # otherwise the server may just have closed an idle connection
        for address in self._addresses():
            with suppress(OSError, ssl.SSLError, trio.BrokenResourceError):
                return await self._ask_over(await self._connect(address))
        return None

    async def aclose(self) -> None:
        """Close the kept connection."""
        if self._stream is not None:
            await trio.aclose_forcefully(self._stream)
            self._stream = None

    def _addresses(self) -> tuple[str, ...]:
        # No name service for this one: it may be slow, and may answer in an order that meets a refusal first.
        return ("127.0.0.1", "::1") if self._host == "localhost" else (self._host,)

    async def _connect(self, address: str) -> trio.abc.Stream:
        if _is_literal(address):
            family = trio.socket.AF_INET6 if ":" in address else trio.socket.AF_INET
            sock = trio.socket.socket(family, trio.socket.SOCK_STREAM)
            try:
                await sock.connect((address, self.port))
            except BaseException:
                sock.close()
                raise
            stream = trio.SocketStream(sock)
        else:
            stream = await trio.open_tcp_stream(address, self.port)
        if not self._tls:
            return stream
        return trio.SSLStream(stream, ssl.create_default_context(), server_hostname=self._host, https_compatible=True)

    async def _ask_over(self, stream: trio.abc.Stream) -> int | None:
        answer = _Answer()
        try:
            await stream.send_all(self._request)
            received = 0
            # A 200 is enough by its head; after another status the connection is kept, so its body is read too.
            while not (answer.complete or answer.status == 200) and received < LIMIT_BYTES:
                data = await stream.receive_some(READ_BYTES)
                if not data:
                    break
                received += len(data)
                answer.parser.feed_data(bytes(data))
        except (OSError, ssl.SSLError, trio.BrokenResourceError, httptools.HttpParserError):
            return None
        finally:
            if answer.reusable:
                self._stream = stream
            else:
                await trio.aclose_forcefully(stream)
        return answer.status or None


class _Answer:
    """What the parser calls back."""

    def __init__(self) -> None:
        self.status = 0
        self.complete = False
        self.reusable = False
        self.parser = httptools.HttpResponseParser(self)

    def on_headers_complete(self) -> None:
        status = self.parser.get_status_code()
        self.status = status if status >= 200 else 0

    def on_message_complete(self) -> None:
        self.complete = self.status != 0
        self.reusable = self.complete and bool(self.parser.should_keep_alive())


def _is_literal(address: str) -> bool:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True
