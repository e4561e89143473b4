"""Standard output that is read, not read, read late, and gone."""

import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from llamaswap.telemetry.stdout import QUEUE_PIECES, StdoutWriter


@contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    try:
        yield reader, writer
    finally:
        for fd in (reader, writer):
            with suppress(OSError):
                os.close(fd)


def read_until(fd: int, end: bytes) -> bytes:
    got = b""
    while not got.endswith(end):
        got += os.read(fd, 65536)
    return got


def abandon(reader: int, writer: StdoutWriter) -> None:
    """Nobody will read any more: see the end of a thread that would write on, into whatever has its number next."""
    os.close(reader)
    writer._thread.join(60)
    assert not writer._thread.is_alive()


def test_a_lone_line_appears_soon_and_again_later() -> None:
    with pipe() as (reader, fd):
        writer = StdoutWriter(fd)
        for n in range(5):
            begun = time.monotonic()
            writer.write(b"line %d\n" % n)
            assert os.read(reader, 100) == b"line %d\n" % n
            assert time.monotonic() - begun < 10.0  # 50 ms and a busy machine
        writer.close()


def test_close_writes_what_waits() -> None:
    with pipe() as (reader, fd):
        writer = StdoutWriter(fd)
        for n in range(1_000):
            writer.write(b"%d\n" % n)
        writer.close()
        os.close(fd)
        assert read_until(reader, b"999\n").count(b"\n") == 1_000


def test_nobody_reads_then_somebody_does() -> None:
    """The caller never waits; what was lost is counted to the byte, on a line of its own."""
    with pipe() as (reader, fd):
        writer = StdoutWriter(fd, queue_bytes=100_000)
        begun = time.monotonic()
        for _ in range(50_000):
            writer.write(b"0123456\n")
        assert time.monotonic() - begun < 20.0  # and not for ever, as nobody reads
        closer = threading.Thread(target=writer.close, args=(60.0,))
        closer.start()
        got = read_until(reader, " bytes dropped —\n".encode())
        closer.join()
        dropped = sum(int(n) for n in re.findall("^— ([0-9]+) bytes dropped —$", got.decode(), re.MULTILINE))
        assert dropped > 0
        assert got.count(b"0123456\n") * 8 + dropped == 400_000


def test_many_tiny_pieces_are_bounded_too() -> None:
    with pipe() as (reader, fd):
        os.write(fd, b"x" * 65536)  # the pipe is full
        writer = StdoutWriter(fd)
        for _ in range(10 * QUEUE_PIECES):
            writer.write(b".")
        assert len(writer._queue) <= QUEUE_PIECES
        writer.close(timeout_s=0.05)
        abandon(reader, writer)


def test_close_is_bounded_when_nobody_reads() -> None:
    with pipe() as (reader, fd):
        writer = StdoutWriter(fd)
        writer.write(b"x" * 500_000)
        begun = time.monotonic()
        writer.close(timeout_s=0.2)
        assert time.monotonic() - begun < 20.0  # and not for ever
        abandon(reader, writer)


def test_a_closed_pipe_is_no_reason_to_stop() -> None:
    with pipe() as (reader, fd):
        os.close(reader)
        writer = StdoutWriter(fd)
        writer.write(b"a")
        writer.write(b"b")
        writer.close()
        assert not writer._thread.is_alive()


def test_a_non_blocking_descriptor_loses_nothing() -> None:
    with pipe() as (reader, fd):
        os.set_blocking(fd, False)
        writer = StdoutWriter(fd)
        writer.write(b"x" * 300_000 + b"\n")
        assert len(read_until(reader, b"\n")) == 300_001
        writer.close()
