"""What takes longer than one system call on a client's socket: a full send buffer, and the TLS handshake."""

import fcntl
import socket
import ssl
import struct
import termios
from collections.abc import Callable

import trio

from llamaswap.models.upstream import SLICE_BYTES, WOULD_BLOCK
from llamaswap.proxy.request import ClientGoneError

_HANDSHAKE_S = 10.0


async def send_rest(sock: socket.socket, rest: memoryview, stall_s: float, sent: Callable[[int], None]) -> None:
    """Send *rest* as the client takes it, telling *sent* of each part.

    Raises:
        ClientGoneError: the client is gone, or took no byte for *stall_s* seconds.
    """
    queued = _unacknowledged(sock)
    while rest:
        with trio.move_on_after(stall_s) as stall:
            await trio.lowlevel.wait_writable(sock)
        if stall.cancelled_caught:
            # The socket turns writable only when much is free; a slow reader that did take something is alive.
            before, queued = queued, _unacknowledged(sock)
            if queued >= before:
                raise ClientGoneError(f"took no byte for {stall_s:g} s")
            continue
        try:
            size = sock.send(rest[:SLICE_BYTES])
        except WOULD_BLOCK:
            continue
        except OSError as error:
            raise ClientGoneError(str(error)) from error
        sent(size)
        rest = rest[size:]
        queued = _unacknowledged(sock)


def _unacknowledged(sock: socket.socket) -> int:
    """Bytes in the kernel that the client has not acknowledged."""
    try:
        return int(struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, b"\0" * 4))[0])
    except OSError:
        return 0


async def shake_hands(sock: ssl.SSLSocket) -> bool:
    """TLS from the server's side; False when the client does not manage it in ten seconds."""
    with trio.move_on_after(_HANDSHAKE_S):
        while True:
            try:
                sock.do_handshake()
                return True
            except ssl.SSLWantReadError:
                await trio.lowlevel.wait_readable(sock)
            except ssl.SSLWantWriteError:
                await trio.lowlevel.wait_writable(sock)
            except OSError:
                return False
    return False
