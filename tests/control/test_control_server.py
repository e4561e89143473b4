"""The server's edges: who may reach it, who stalls, what breaks, how it ends."""

import logging
import socket
import stat
from functools import partial
from pathlib import Path

import pytest
import trio

from llamaswap.control.connections import BoundedStream, Connections
from llamaswap.control.server import serve_control
from tests.allowance import ALLOWANCE_S
from tests.control.rig import A, control_plane, open_stream


async def test_the_socket_is_private_and_goes_with_the_server(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as rig:
        assert stat.S_IMODE(rig.socket.stat().st_mode) == 0o600
    assert not rig.socket.exists()


async def test_a_stale_socket_is_replaced_and_a_live_one_respected(tmp_path: Path) -> None:
    path = tmp_path / "control-1.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with control_plane(tmp_path) as rig:
        with pytest.raises(OSError, match="in use"):
            await serve_control(path, rig.context, shutdown_trigger=rig.end.wait)
        assert (await rig.ask("GET", "/running")).status == 200


async def test_hostile_bytes_end_their_own_connection(tmp_path: Path) -> None:
    hostile = [
        b"\x00" * 100,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00" * 50,
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: a\r\n\r\n",
        b"GET /\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: \xff\r\n\r\nx",
    ]
    async with control_plane(tmp_path) as rig:
        for packet in hostile:
            async with await trio.open_unix_socket(str(rig.socket)) as stream:
                await stream.send_all(packet)
                await stream.send_eof()
                with trio.move_on_after(30) as patience:
                    try:
                        while await stream.receive_some():
                            pass
                    except trio.BrokenResourceError:
                        pass
                assert not patience.cancelled_caught
        assert (await rig.ask("GET", "/running")).status == 200


async def test_a_client_that_hangs_up_before_its_answer_leaves_nothing(tmp_path: Path) -> None:
    """Also one that asks for HTTP/2: it is not given it."""
    h2c = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
    async with control_plane(tmp_path) as rig:
        for headers in (b"", h2c):
            stream = await trio.open_unix_socket(str(rig.socket))
            async with stream:
                await stream.send_all(b"GET /api/version HTTP/1.1\r\nHost: localhost\r\n" + headers + b"\r\n")
                await stream.send_eof()
                with trio.fail_after(30):
                    answer = b"".join([piece async for piece in stream])
            assert answer.startswith(b"HTTP/1.1 200")


async def test_a_reader_that_stalls_is_dropped(tmp_path: Path) -> None:
    async with control_plane(tmp_path, stall_s=0.3) as rig, await open_stream(rig, "/logs/stream/a"):
        monitor = rig.logs.model(A).monitor
        while not monitor._subscriptions:
            await trio.lowlevel.checkpoint()
        while monitor._subscriptions:
            monitor.write(b"x" * 50_000)
            await trio.sleep(0.01)


async def test_readers_that_stall_hold_no_shutdown(tmp_path: Path) -> None:
    """Their sends are shielded in hypercorn; it must end within its second all the same."""
    async with control_plane(tmp_path) as rig:
        streams = [await open_stream(rig, "/logs/stream/a") for _ in range(20)]
        for _ in range(20):
            rig.logs.model(A).write(b"x" * 90_000)
            await trio.sleep(0.02)
        begun = trio.current_time()
    assert trio.current_time() - begun < 5.0 + ALLOWANCE_S
    for stream in streams:
        await stream.aclose()


async def test_idle_connections_hold_no_shutdown(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as rig:
        stream = await trio.open_unix_socket(str(rig.socket))
        await stream.send_all(b"GET /running HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
        begun = trio.current_time()
    assert trio.current_time() - begun < 5.0 + ALLOWANCE_S
    await stream.aclose()


async def test_cancelling_ends_it_too(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as rig:
        other = tmp_path / "control-2.sock"
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(serve_control, other, rig.context, shutdown_trigger=trio.sleep_forever))
            stream = await trio.open_unix_socket(str(other))
            await stream.send_all(b"GET /logs/stream HTTP/1.1\r\nHost: x\r\n\r\n")
            await stream.receive_some()
            nursery.cancel_scope.cancel()
        await stream.aclose()
        assert not other.exists()


async def test_a_failure_ends_one_connection(caplog: pytest.LogCaptureFixture) -> None:
    async def handle(stream: BoundedStream) -> None:
        raise ValueError("boom")

    connections = Connections(handle, 1.0)
    ours, theirs = socket.socketpair()
    with caplog.at_level(logging.ERROR), theirs:
        async with connections.owned():
            await connections.serve(trio.SocketStream(trio.socket.from_stdlib_socket(ours)))
            await connections.wait_until_none()
        assert theirs.recv(1) == b""
    assert "control connection failed" in caplog.text
