"""Logs over HTTP: history, live, late, slow, and at the end."""

import re
from pathlib import Path

import pytest
import trio

from llamaswap.control.logs import find_model
from tests.control.rig import CONFIG, A, B, control_plane, open_stream, read_until


async def test_logs_is_the_combined_history(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as rig:
        rig.logs.proxy_line("info", "é")
        rig.logs.model(A).write(b"\xff\n")
        answer = await rig.ask("GET", "/logs")
        assert (answer.status, answer.headers["content-type"]) == (200, "text/plain")
        assert answer.body == "[INFO] é\n".encode() + b"\xff\n"
        answer = await rig.ask("GET", "/logs", "Accept: text/html,*/*")
        assert (answer.status, answer.headers["location"]) == (302, "/ui/")


@pytest.mark.parametrize(
    ("name", "lines"),
    [("", "pab"), ("/", "pab"), ("/proxy", "p"), ("/upstream", "ab"), ("/a", "a"), ("/org%2Fb", "b"), ("/x/y", "b")],
)
async def test_a_stream_is_history_then_live(tmp_path: Path, name: str, lines: str) -> None:
    async with control_plane(tmp_path) as rig:
        for turn in ("1", "2"):
            if turn == "2":
                stream = await open_stream(rig, f"/logs/stream{name}")
            rig.logs.write_proxy(f"p{turn}\n".encode())
            rig.logs.model(A).write(f"a{turn}\n".encode())
            rig.logs.model(B).write(f"b{turn}\n".encode())
        async with stream:
            got = b""
            while got.count(b"\n", 0) < 2 * len(lines):
                chunk = await stream.receive_some(65536)
                got += b"".join(chunk.split(b"\r\n")[1::2])
        assert got.decode() == "".join(f"{line}{turn}\n" for turn in "12" for line in lines)


async def test_headers_come_at_once(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as rig:
        async with await trio.open_unix_socket(str(rig.socket)) as stream:
            await stream.send_all(b"GET /logs/stream?no-history HTTP/1.1\r\nHost: x\r\n\r\n")
            head = (await read_until(stream, b"\r\n\r\n")).decode().lower()
        for line in ("content-type: text/plain", "x-content-type-options: nosniff", "x-accel-buffering: no"):
            assert f"\r\n{line}\r\n" in head
        assert "transfer-encoding: chunked" in head


async def test_history_can_be_left_out_or_be_all(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as rig:
        rig.logs.model(A).write(b"old\n")
        answer = await rig.ask("GET", "/logs/stream/a?no-follow")
        assert answer.body == b"old\n"
        async with await open_stream(rig, "/logs/stream/a?no-history") as stream:
            rig.logs.model(A).write(b"new\n")
            assert await read_until(stream, b"new\n\r\n") == b"4\r\nnew\n\r\n"


async def test_unknown_logs(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as rig:
        answer = await rig.ask("GET", "/logs/stream/nobody", "Accept: text/plain")
        assert (answer.status, answer.body) == (
            400,
            b"llama-swap: invalid logger. Use 'proxy', 'upstream' or a model's ID",
        )


async def test_head_of_a_stream_ends(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as rig:
        answer = await rig.ask("HEAD", "/logs/stream")
        assert (answer.status, answer.body) == (200, b"")


async def test_streams_end_properly_at_shutdown(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as rig:
        stream = await open_stream(rig, "/logs/stream")
        rig.end.set()
        async with stream:
            assert b"".join([piece async for piece in stream]) == b"0\r\n\r\n"


async def test_the_end_does_not_wait_for_a_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llamaswap.control.logs._REST_S", (60.0, 60.0))
    async with control_plane(tmp_path) as rig, await open_stream(rig, "/logs/stream") as stream:
        rig.logs.write_proxy(b"one\n")
        assert await read_until(stream, b"one\n\r\n") == b"4\r\none\n\r\n"
        rig.logs.write_proxy(b"two\n")
        rig.end.set()
        assert b"".join([piece async for piece in stream]) == b"4\r\ntwo\n\r\n0\r\n\r\n"


async def test_a_reader_that_lags_sees_what_it_missed(tmp_path: Path) -> None:
    """A flood beyond what is kept for one reader; each byte is either there or counted."""
    marker = re.compile("— ([0-9]+) bytes dropped —\n".encode())
    async with control_plane(tmp_path) as rig, await open_stream(rig, "/logs/stream/a") as stream:
        monitor = rig.logs.model(A).monitor
        while not monitor._subscriptions:
            await trio.lowlevel.checkpoint()
        for n in range(2_000):
            monitor.write(b"%07d\n" % n * 100)
            if n % 100 == 0:
                await trio.lowlevel.checkpoint()
        raw, kept, dropped = b"", 0, 0
        while kept + dropped < 2_000 * 800:
            raw += await stream.receive_some(65536)
            text = b"".join(raw[: raw.rfind(b"\r\n") + 2].split(b"\r\n")[1::2])
            kept = len(marker.sub(b"", text))
            dropped = sum(int(count) for count in marker.findall(text))
        assert dropped > 0
        assert kept + dropped == 2_000 * 800


async def test_a_reader_that_goes_is_forgotten(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as rig:
        stream = await open_stream(rig, "/logs/stream")
        monitor = rig.logs.combined
        while not monitor._subscriptions:
            await trio.lowlevel.checkpoint()
        await stream.aclose()
        while monitor._subscriptions:
            await trio.lowlevel.checkpoint()


def test_the_longest_name_wins() -> None:
    assert find_model(CONFIG, "/org//b/more") == B
    assert find_model(CONFIG, "a/b") == A
    assert find_model(CONFIG, "org") is None
