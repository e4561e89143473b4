"""Connections to a server, where nothing but the socket matters."""

import socket
from pathlib import Path

import pytest
import trio

from llamaswap.errors import UpstreamError
from llamaswap.models.upstream import Upstream


async def test_a_private_socket_where_nobody_listens_is_an_error_with_a_name(tmp_path: Path) -> None:
    """As in the moment in which the control plane has ended, and the daemon has not yet."""
    path = tmp_path / "socket"
    upstream = Upstream("http://localhost", unix_path=str(path))
    for reason in ("No such file or directory", "Connection refused"):
        with pytest.raises(UpstreamError, match=f"cannot connect to the private socket: {reason}"):
            await upstream.open()
        with socket.socket(socket.AF_UNIX) as left:
            if not path.exists():
                left.bind(str(path))


async def test_a_full_backlog_is_waited_for(tmp_path: Path) -> None:
    """To a Unix socket the kernel then says EAGAIN, which is no connection under way."""
    path = tmp_path / "socket"
    upstream = Upstream("http://localhost", unix_path=str(path))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(0)
        first = await upstream.open()
        with trio.move_on_after(0.05) as waits:
            await upstream.open()
        assert waits.cancelled_caught
        listener.accept()[0].close()
        with trio.fail_after(5):
            second = await upstream.open()
        await second.send(b"x")
        accepted, _ = listener.accept()
        assert accepted.recv(1) == b"x"
        for each in (first, second, accepted):
            each.close()
