"""Ctrl-C in a terminal, SIGHUP, and TLS: what only a real process shows."""

import os
import pty
import signal
import ssl
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import StartDaemon
from tests.e2e.running import Daemon, fake
from tests.e2e.wire import Wire

pytestmark = pytest.mark.e2e

STREAMS = ("--tokens", "20", "--token-delay", "0.05")


#: As a shell in a terminal starts a program: it leads the foreground group of the terminal on descriptor 0.
AS_A_SHELL_DOES = (
    "import fcntl, os, sys, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execv(sys.executable, [sys.executable, '-m', 'llamaswap', *sys.argv[1:]])"
)


def test_ctrl_c_in_a_terminal_drains_and_does_not_reach_the_models(tmp_path: Path) -> None:
    """The terminal sends SIGINT to its whole foreground group; a model that got it would break off its answer."""
    terminal, side = pty.openpty()
    config = {"models": {"a": fake("a", *STREAMS)}}
    try:
        with Daemon(tmp_path, config, program=("-c", AS_A_SHELL_DOES), stdin=side) as running:
            with running.wire() as served:
                served.chat("a", stream=True)
                assert served.head()[0] == 200
                os.write(terminal, b"\x03")
                running.log.wait("SIGINT: shutting down")
                assert b"".join(iter(served.chunk, b"")).endswith(b"data: [DONE]\n\n")
            assert running.wait(10) == 0
    finally:
        os.close(terminal)
        os.close(side)


def test_sighup_with_a_bad_file_changes_nothing_and_with_a_good_one_everything(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a"), "b": fake("b")})
    assert running.chat("a").status == 200
    pid = running.model_pid("a")
    good = running.config_file.read_text()
    running.config_file.write_text("models: [")
    running.signal(signal.SIGHUP)
    running.log.wait("the configuration is unchanged")
    assert [row["id"] for row in running.get("/v1/models").json()["data"]] == ["a", "b"]
    running.config_file.write_text(good)
    running.configure({"models": {"a": fake("a"), "b": fake("new-b"), "c": fake("c")}})
    running.signal(signal.SIGHUP)
    running.log.wait("reload: done")
    assert [row["id"] for row in running.get("/v1/models").json()["data"]] == ["a", "b", "c"]
    assert running.model_pid("a") == pid
    assert running.chat("b").headers["x-fake-model"] == "new-b"
    assert running.chat("c").status == 200


def test_tls(daemon: StartDaemon, tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        str(key),
        "-out",
        str(cert),
        *subject,
    ]
    subprocess.run(made, check=True, capture_output=True)
    running = daemon({"a": fake("a")}, "-tls-cert-file", str(cert), "-tls-key-file", str(key))
    context = ssl.create_default_context(cafile=str(cert))
    context.set_alpn_protocols(["h2", "http/1.1"])
    plain = running.wire()
    with context.wrap_socket(plain.sock, server_hostname="localhost") as sock:
        assert sock.selected_alpn_protocol() == "http/1.1"
        wire = Wire(sock)
        wire.chat("a", stream=True)
        assert wire.answer().body.endswith(b"data: [DONE]\n\n")
        wire.ask("GET", "/upstream/a/big?bytes=3000000")
        assert len(wire.answer().body) == 3_000_000
    with running.wire() as clear:
        clear.ask("GET", "/health")
        assert clear.ended()


def test_a_daemon_whose_output_nobody_reads_serves(daemon: StartDaemon) -> None:
    """Its standard output is a full pipe; no request and no model may wait for it."""
    running = daemon({"a": fake("a", "--flood", str(4 << 20))}, logToStdout="both")
    running.log.reading.clear()
    for _ in range(50):
        assert running.chat("a").status == 200
