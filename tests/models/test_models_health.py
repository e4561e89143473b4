"""The probe: which answers count, which address is asked, and that nothing it meets disturbs it."""

import os
from collections.abc import Awaitable, Callable

import pytest
import trio

from llamaswap.models.health import HealthProbe
from llamaswap.models.ports import describe_listener, listening_inodes, owner_among

Answer = Callable[[trio.SocketStream], Awaitable[None]]


async def serve(nursery: trio.Nursery, answer: Answer) -> int:
    listeners = await nursery.start(trio.serve_tcp, answer, 0)
    return int(listeners[0].socket.getsockname()[1])


def saying(*pieces: bytes, then_close: bool = False) -> Answer:
    async def answer(stream: trio.SocketStream) -> None:
        while await stream.receive_some():
            for piece in pieces:
                await stream.send_all(piece)
                await trio.sleep(0.001)  # so that each piece arrives by itself
            if then_close:
                return

    return answer


EMPTY = b"Content-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    ("pieces", "status"),
    [
        ([b"HTTP/1.1 200 OK\r\n" + EMPTY], 200),
        ([b"HTTP/1.1 2", b"00 OK\r\nConte", b"nt-Length: 5\r\n\r\nhe"], 200),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 204 No\r\n\r\n"], 204),
        ([b"HTTP/1.1 302 Found\r\nLocation: /\r\n" + EMPTY], 302),
        ([b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", b"0\r\n\r\n"], 503),
        ([b"SSH-2.0-OpenSSH_9.2\r\n"], None),
        ([b""], None),
    ],
)
async def test_the_status_is_what_the_server_says(
    nursery: trio.Nursery, pieces: list[bytes], status: int | None
) -> None:
    port = await serve(nursery, saying(*pieces, then_close=True))
    probe = HealthProbe(f"http://127.0.0.1:{port}", "/health")
    with trio.fail_after(5):
        assert [await probe.ask(), await probe.ask()] == [status, status]
    await probe.aclose()


async def test_nobody_there_is_no_answer() -> None:
    listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
    port = listener.socket.getsockname()[1]
    await listener.aclose()
    for host in ("127.0.0.1", "localhost", "[::1]", "no-such-host.invalid"):
        assert await HealthProbe(f"http://{host}:{port}", "/health").ask() is None


async def test_the_connection_is_kept_and_renewed(nursery: trio.Nursery) -> None:
    connections = 0

    async def answer(stream: trio.SocketStream) -> None:
        nonlocal connections
        connections += 1
        for _ in range(3):  # then it closes, as servers do with idle connections
            await stream.receive_some()
            await stream.send_all(b"HTTP/1.1 503 Loading\r\n" + EMPTY)

    probe = HealthProbe(f"http://localhost:{await serve(nursery, answer)}", "/health")
    assert [await probe.ask() for _ in range(6)] == [503] * 6
    assert connections == 2
    await probe.aclose()


async def test_localhost_is_found_on_ipv6_too(nursery: trio.Nursery) -> None:
    listener = (await trio.open_tcp_listeners(0, host="::1"))[0]
    nursery.start_soon(trio.serve_listeners, saying(b"HTTP/1.1 200 OK\r\n" + EMPTY), [listener])
    probe = HealthProbe(f"http://localhost:{listener.socket.getsockname()[1]}", "health")
    assert await probe.ask() == 200
    await probe.aclose()


async def test_what_is_sent(nursery: trio.Nursery) -> None:
    seen: list[bytes] = []

    async def answer(stream: trio.SocketStream) -> None:
        seen.append(bytes(await stream.receive_some()))
        await stream.send_all(b"HTTP/1.1 200 OK\r\n" + EMPTY)

    port = await serve(nursery, answer)
    probe = HealthProbe(f"http://user:pw@127.0.0.1:{port}/base/", "/v1/häalth?a=b c\r\nX: y")
    assert await probe.ask() == 200
    await probe.aclose()
    assert seen[0].split(b"\r\n")[:2] == [
        b"GET /base/v1/h%C3%A4alth?a=b%20c%0D%0AX:%20y HTTP/1.1",
        f"Host: 127.0.0.1:{port}".encode(),
    ]


@pytest.mark.parametrize("proxy", ["", "localhost:80", "ftp://h", "http://", "http://h:99999", "http://[::1"])
def test_an_unusable_url_is_refused(proxy: str) -> None:
    with pytest.raises(ValueError):
        HealthProbe(proxy, "/health")


async def test_listeners_are_known_by_port_and_owner() -> None:
    four = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
    port = four.socket.getsockname()[1]
    six = (await trio.open_tcp_listeners(port, host="::1"))[0]
    client = await trio.open_tcp_stream("127.0.0.1", port)
    inodes = listening_inodes(port)
    assert len(inodes) == 2
    assert owner_among(inodes, [1 << 30, os.getpid()]) == os.getpid()
    assert owner_among({"1"}, [os.getpid()]) is None
    assert f"{os.getpid()} (" in (describe_listener(port) or "")
    for each in (client, four, six):
        await each.aclose()
    assert listening_inodes(port) == set()
    assert describe_listener(port) is None
