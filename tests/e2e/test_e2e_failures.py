"""Promise 11: a part fails, the rest serves; the core fails, the process exits. And 10, in samples."""

import os
import random
import signal
import socket
from pathlib import Path

import pytest

from tests.allowance import ALLOWANCE_S
from tests.e2e.conftest import StartDaemon
from tests.e2e.running import SLOWLY, Daemon, alive, fake, until
from tests.e2e.wire import CutError, Wire

pytestmark = pytest.mark.e2e

#: What ends a hypercorn server on Trio, or makes it another protocol's, and other bytes it should not be sent.
H2C = b"Host: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
HOSTILE = [
    b"GET /running HTTP/1.1\r\n" + H2C,
    b"GET /\xc3\xa9 HTTP/1.1\r\n" + H2C,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(64),
    b"GET /logs HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: \xff\xfe; a=\xe9\r\n\r\n",
    b"GET /logs HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 1\r\n\r\n",
    b"POST /api/models/load/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 2_000_000 + b"\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
    b"GET /running HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"GET http://other/running HTTP/1.1\r\n\r\n",
    b"\0" * 4096,
]


def test_hostile_bytes_to_either_plane_change_no_model_traffic(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a", "--tokens", "100000", "--token-delay", "0.01")})
    running.may_log_tracebacks = True
    until(running.socket_path.exists, "the control plane")
    dice = random.Random(11)
    noise = [dice.randbytes(dice.randrange(1, 2000)) for _ in range(30)]
    with running.wire() as stream:
        stream.chat("a", stream=True)
        assert stream.head()[0] == 200
        for data in HOSTILE + noise:
            for family, address in ((socket.AF_UNIX, str(running.socket_path)), (socket.AF_INET, None)):
                _throw(family, address or ("127.0.0.1", running.port), data)
            assert stream.chunk().startswith(b"data: ")
        running.log.wait("control connection failed")  # one of them does what it is known for
        assert running.running() == [("a", "ready")]
        assert running.get("/health").status == 200
        assert stream.chunk().startswith(b"data: ")
    assert len(running.entries()) == 1


def _throw(family: int, address: str | tuple[str, int], data: bytes) -> None:
    """Send *data*, say that there is no more, and take in whatever comes back."""
    with Wire(socket.socket(family)) as wire:
        wire.sock.settimeout(SLOWLY)
        wire.sock.connect(address)
        try:
            wire.send(data)
            wire.sock.shutdown(socket.SHUT_WR)
            wire.rest()
        except (CutError, OSError) as end:
            assert not isinstance(end, TimeoutError), f"no end to {data[:100]!r}"


def test_models_are_served_while_the_control_plane_is_away(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a")})
    until(running.socket_path.exists, "the control plane")
    assert running.get("/running").status == 200
    running.socket_path.unlink()
    for _ in range(3):
        assert running.chat("a").status == 200
    assert running.get("/health").text == "OK"
    assert running.get("/running").status in (200, 502, 503)  # over a kept connection, or an error of ours


def test_a_failure_of_the_core_ends_the_daemon_and_every_model(tmp_path: Path) -> None:
    program = (str(Path(__file__).with_name("broken_core.py")),)
    running = Daemon(
        tmp_path, {"models": {"a": fake("a", "--tokens", "9999", "--token-delay", "0.01")}}, program=program
    )
    running.start()
    try:
        with running.wire() as served, running.wire() as second:
            served.chat("a", stream=True)
            assert served.head()[0] == 200
            tree = running.look()
            second.chat("a")
            assert running.wait(5) not in (0, None)
            with pytest.raises(CutError):
                while served.chunk():
                    pass
        until(lambda: not any(alive(process) for process in tree), "the end of its models", 10 + ALLOWANCE_S)
        assert "planted" in str(running.log)
    finally:
        running.end(strict=False)


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:99999", "http://a]b:1", "http://[zz]:80"])
def test_a_proxy_that_cannot_be_used_fails_its_model_only(daemon: StartDaemon, proxy: str) -> None:
    running = daemon({"bad": {"cmd": "sleep 100", "proxy": proxy}, "b": fake("b")})
    assert running.chat("bad").status == 500
    assert running.chat("b").status == 200


def test_a_configuration_that_cannot_be_read_to_its_end_keeps_nobody_from_ending(daemon: StartDaemon) -> None:
    """As on a network disk that is away; here a pipe that somebody holds open."""
    running = daemon({"a": fake("a")})
    running.config_file.unlink()
    os.mkfifo(running.config_file)
    holder = os.open(running.config_file, os.O_RDWR)
    try:
        for _ in range(3):
            running.signal(signal.SIGHUP)
            assert running.chat("a").status == 200
        running.signal(signal.SIGTERM)
        assert running.wait(10) == 0
    finally:
        os.close(holder)


def test_a_websocket_where_none_is_served_is_told_so(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a")})
    answer = running.get("/v1/audio/voices?model=a", Connection="Upgrade", Upgrade="websocket", Sec_WebSocket_Key="x")
    assert answer.status == 400
    assert running.starts() == []
