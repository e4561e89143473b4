"""Which line is remembered where, and what reaches standard output."""

import logging
import os
import time

import pytest
import trio

from llamaswap.config.schema import LogSink, ModelId
from llamaswap.telemetry.logs import LogHub

A, B = ModelId("a"), ModelId("b/c")


@pytest.mark.parametrize(
    ("sink", "combined"), [("proxy", b"[INFO] p\n"), ("upstream", b"u"), ("both", b"u[INFO] p\n"), ("none", b"")]
)
def test_the_combined_log_is_what_is_printed(sink: LogSink, combined: bytes) -> None:
    reader, fd = os.pipe()
    hub = LogHub(sink, stdout_fd=fd)
    hub.model(A).write(b"u")
    hub.proxy_line("info", "p")
    hub.close()
    os.close(fd)
    with os.fdopen(reader, "rb") as stdout:
        assert stdout.read() == combined
    assert hub.combined.history() == combined
    assert hub.proxy.history() == b"[INFO] p\n"
    assert hub.upstream.history() == hub.model(A).tail(100) == b"u"
    assert hub.model(B).tail(100) == b""


def test_levels_and_times_follow_a_reload() -> None:
    hub = LogHub(level="warn")
    hub.proxy_line("info", "no")
    hub.proxy_line("warn", "yes")
    hub.configure("debug", "kitchen", "none")
    hub.proxy_line("debug", "now")
    first, second = hub.proxy.history().decode().splitlines()
    assert first == "[WARN] yes"
    assert second.endswith("M [DEBUG] now")


def test_no_request_can_forge_a_line_or_drive_a_terminal() -> None:
    hub = LogHub()
    hub.proxy_line("info", 'GET "/a\n[ERROR] forged\x1b[2J\udcff\u2028é"')
    assert hub.proxy.history().decode() == '[INFO] GET "/a\\x0a[ERROR] forged\\x1b[2J\\udcff\\u2028é"\n'


def test_model_output_passes_byte_for_byte() -> None:
    hub = LogHub("upstream")
    hub.model(A).write(b"\x1b[31m\xff\x00")
    assert hub.combined.history() == b"\x1b[31m\xff\x00"


async def test_logging_goes_to_the_proxy_side_from_any_thread() -> None:
    hub = LogHub()
    logger = logging.getLogger("test_logs.attached")
    with hub.attached(logger):
        logger.debug("hidden")
        logger.warning("late model=%s", "a\x1b")
        with hub.proxy.subscribe() as reader:
            await trio.to_thread.run_sync(logger.critical, "from a thread")
            assert await reader.receive() == b"[ERROR] from a thread\n"
        try:
            raise ValueError("why")
        except ValueError:
            logger.exception("failed")
    lines = hub.proxy.history().decode().splitlines()
    assert lines[0] == "[WARN] late model=a\\x1b"
    assert lines[2:4] == ["[ERROR] failed", "Traceback (most recent call last):"]
    assert lines[-1] == "ValueError: why"
    assert not logger.handlers


async def test_streams_end_and_lines_go_on() -> None:
    hub = LogHub()
    with hub.model(A).monitor.subscribe() as old, hub.combined.subscribe() as combined:
        hub.end_streams()
        hub.proxy_line("info", "after")
        assert [piece async for piece in old] == []
        assert [piece async for piece in combined] == [b"[INFO] after\n"]
    with hub.model(B).monitor.subscribe() as new:
        assert [piece async for piece in new] == []
    assert hub.proxy.history() == b"[INFO] after\n"


async def test_a_removed_model_is_forgotten() -> None:
    hub = LogHub()
    hub.model(A).write(b"x")
    with hub.model(A).monitor.subscribe() as reader:
        hub.keep_only(frozenset({B}))
        assert [piece async for piece in reader] == []
    assert hub.model(A).tail(10) == b""


def test_a_line_costs_little() -> None:
    """A guard against accidents: the real figure is about 1 µs of the processor; here many times that, at the best."""
    reader, fd = os.pipe()
    hub = LogHub("both", time_format="rfc3339", stdout_fd=fd)
    best_s = 1.0
    for _ in range(5):
        begun = time.thread_time()
        for _ in range(2_000):
            hub.proxy_line("info", "Request 127.0.0.1 POST /v1/chat/completions HTTP/1.1 200 1234 curl 12ms")
        best_s = min(best_s, (time.thread_time() - begun) / 2_000)
    os.close(reader)
    hub.close()
    os.close(fd)
    assert best_s < 20e-6
