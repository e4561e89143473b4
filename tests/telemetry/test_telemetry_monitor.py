"""A monitor remembers the last bytes and never waits for a reader."""

import pytest
import trio
import trio.testing

from llamaswap.telemetry.monitor import HISTORY_BYTES, PIECE_BYTES, Monitor


def test_history_is_the_last_bytes_in_order() -> None:
    monitor = Monitor(history_bytes=10)
    written = bytearray()
    for n in range(50_000):
        piece = b"%d\n" % n
        monitor.write(piece)
        written += piece
    assert monitor.history() == bytes(written[-10:])
    assert monitor.tail(4) == bytes(written[-4:])
    assert monitor.tail(0) == b""


def test_a_huge_write_leaves_its_end() -> None:
    monitor = Monitor()
    monitor.write(b"old")
    monitor.write(b"a" * 10_000_000 + b"end")
    assert len(monitor.history()) == HISTORY_BYTES
    assert monitor.history().endswith(b"aend")


async def test_a_reader_gets_history_then_what_comes() -> None:
    monitor = Monitor()
    monitor.write(b"one\n")
    with monitor.subscribe(history=True) as reader:
        monitor.write(b"two\n")
        assert await reader.receive() == b"one\ntwo\n"
        monitor.write(b"three\n")
        monitor.write(b"four\n")
        assert await reader.receive() == b"three\nfour\n"


async def test_a_waiting_reader_is_woken(autojump_clock: trio.testing.MockClock) -> None:
    monitor = Monitor()
    got: list[bytes] = []

    async def read() -> None:
        with monitor.subscribe() as reader:
            async for piece in reader:
                got.append(piece)

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await trio.testing.wait_all_tasks_blocked()
            monitor.write(b"x")
            await trio.testing.wait_all_tasks_blocked()
            assert got == [b"x"]
            monitor.write(b"last")
            monitor.close()
    assert got == [b"x", b"last"]


async def test_a_cancelled_wait_loses_nothing() -> None:
    monitor = Monitor()
    with monitor.subscribe() as reader:
        with trio.move_on_after(0):
            await reader.receive()
        monitor.write(b"x")
        with trio.move_on_after(0):
            await reader.receive()
        assert await reader.receive() == b"x"


async def test_what_a_slow_reader_misses_is_counted_where_it_is_missing() -> None:
    monitor = Monitor()
    with monitor.subscribe(pending_bytes=10) as slow, monitor.subscribe() as quick:
        for piece in (b"12345678", b"abcd", b"ef", b"\n"):
            monitor.write(piece)
        assert await quick.receive() == b"12345678abcdef\n"
        assert await slow.receive() == "12345678\n— 7 bytes dropped —\n".encode()
        monitor.write(b"more\n")
        assert await slow.receive() == b"more\n"
    assert monitor.history() == b"12345678abcdef\nmore\n"


async def test_what_waits_comes_in_pieces_and_the_marker_after_them() -> None:
    monitor = Monitor()
    monitor.write(b"h" * HISTORY_BYTES)
    with monitor.subscribe(history=True) as reader:
        monitor.write(b"live\n")
        pieces = [await reader.receive() for _ in range(2)]
    assert max(map(len, pieces)) <= PIECE_BYTES + 100
    assert b"".join(pieces) == b"h" * HISTORY_BYTES + "\n— 5 bytes dropped —\n".encode()


async def test_a_piece_larger_than_the_queue_is_marked() -> None:
    monitor = Monitor()
    with monitor.subscribe(pending_bytes=10) as reader:
        monitor.write(b"x" * 11)
        assert await reader.receive() == "— 11 bytes dropped —\n".encode()


async def test_many_readers_that_never_read_cost_a_bounded_amount() -> None:
    monitor = Monitor()
    readers = [monitor.subscribe(history=True) for _ in range(100)]
    subscriptions = [reader.__enter__() for reader in readers]
    for _ in range(1_000):
        monitor.write(b"y" * 1_000)
    for reader, subscription in zip(readers, subscriptions, strict=True):
        assert len(await subscription.receive()) < 128 * 1024
        reader.__exit__(None, None, None)


async def test_closing_ends_readers_now_and_later() -> None:
    monitor = Monitor()
    monitor.write(b"kept")
    monitor.close()
    with monitor.subscribe(history=True) as reader:
        assert [piece async for piece in reader] == [b"kept"]
        with pytest.raises(trio.EndOfChannel):
            await reader.receive()
    monitor.write(b" on")
    assert monitor.history() == b"kept on"
