"""What happens on the wire when either side breaks off, stalls, lies or leaves: cut means cut, and nothing is held."""

from collections.abc import Awaitable, Callable

import pytest
import trio

from llamaswap.gateway import connection as gateway_connection
from llamaswap.models import upstream
from tests.allowance import ALLOWANCE_S
from tests.gateway.wire import BODY, PATIENCE_S, Rig, Wire, answer, get, post, running

CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
TO_END = b"HTTP/1.1 200 OK\r\n\r\n"

#: How a server ends: in good order, or with a reset.
ENDS: list[Callable[[Wire], Awaitable[None]]] = [Wire.close, Wire.reset]
ends = pytest.mark.parametrize("end", ENDS, ids=["close", "reset"])


# -- the server breaks off ------------------------------------------------------------------------------------------


@ends
@pytest.mark.parametrize(
    "sent", [b"", b"HTTP/1.1 20", b"HTTP/1.1 200 OK\r\nContent-Le"], ids=["nothing", "line", "head"]
)
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_server_that_dies_before_its_head_is_complete(
    sent: bytes, end: Callable[[Wire], Awaitable[None]], streamed: bool
) -> None:
    """The client reads 502 in the envelope; the request is not sent a second time."""
    raw = get(b"/upstream/a/x", b"Content-Length: 9999999", method=b"POST") if streamed else post() + get(b"/health")
    async with running() as rig:
        client = await rig.ask(raw)
        server = await rig.server.accept()
        await server.until(b"\r\n\r\n")
        await server.send(sent)
        await end(server)
        got = await client.message()
        assert got.status == 502
        assert got.body.startswith(b'{"src":"llama-swap","error":{"message":"upstream proxy error: ')
        if not streamed:
            assert (await client.message()).body == b"OK"
        await rig.idle()
        assert rig.server.connections == 1


@ends
@pytest.mark.parametrize("head", [CHUNKED, LENGTH], ids=["chunked", "length"])
@pytest.mark.parametrize("piece", [b"", b"5\r\nhello\r\n", b"5\r\nhel"], ids=["head", "chunk", "mid-chunk"])
async def test_a_server_that_dies_in_mid_body_leaves_a_broken_answer(
    head: bytes, piece: bytes, end: Callable[[Wire], Awaitable[None]]
) -> None:
    async with running() as rig:
        client = await rig.ask(post() + get(b"/health"))
        server, _ = await rig.server.request()
        await server.send(head + piece)
        await client.until(b"\r\n\r\n")
        assert await client.exactly(len(piece)) == piece
        await end(server)
        assert not await client.ended() or client.buffer == b""
        await rig.idle()


async def test_a_close_delimited_answer_that_is_reset_gets_no_final_chunk() -> None:
    async with running() as rig:
        client = await rig.ask(post())
        server, _ = await rig.server.request()
        await server.send(TO_END + b"hello")
        await client.until(b"hello\r\n")
        await server.reset()
        assert await client.all() == b""


@pytest.mark.parametrize("head", [CHUNKED, LENGTH, TO_END], ids=["chunked", "length", "end"])
async def test_a_client_of_http_1_0_is_reset_when_the_answer_breaks(head: bytes) -> None:
    """It has no frame that could show that something is missing."""
    async with running() as rig:
        client = await rig.ask(b"GET /upstream/a/x HTTP/1.0\r\n\r\n")
        server, _ = await rig.server.request()
        await server.send(head + b"5\r\nhello\r\n")
        await client.until(b"hello")
        await server.reset()
        assert not await client.ended()


@pytest.mark.parametrize(
    "reply",
    [
        b"nonsense\r\n\r\n",
        b"\x00\x00\x12\x04\x00\x00\x00\x00\x00",
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nxx",
        b"HTTP/1.1 200 OK\r\nA\x00: b\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"a" * (2 << 20),
    ],
    ids=range(10),
)
async def test_an_answer_that_is_none_is_told_as_502(reply: bytes) -> None:
    async with running() as rig:
        client = await rig.ask(post())
        server, _ = await rig.server.request()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_send_what_is_taken, server, reply)
            assert (await client.message()).status == 502
        assert await server.ended() in (True, False)


async def test_blank_lines_before_an_answer_do_not_shift_it() -> None:
    async with running() as rig:
        client = await rig.ask(post())
        server, _ = await rig.server.request()
        await server.send(b"\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        got = await client.message()
        assert (got.status == 200 and got.body == b"ok") or got.status == 502
        assert client.buffer == b""


@pytest.mark.parametrize("bad", [b"zz\r\n", b"-1\r\n", b"fffffffffffffffff\r\n", b"5\r\nhelloXX"])
async def test_chunks_that_break_cut_the_client(bad: bytes) -> None:
    async with running() as rig:
        client = await rig.ask(post())
        server, _ = await rig.server.request()
        await server.send(CHUNKED + b"5\r\nhello\r\n")
        await client.until(b"hello\r\n")
        await server.send(bad)
        rest = await client.all()
        assert not rest.endswith(b"0\r\n\r\n")
        await server.ended()


async def test_bytes_beyond_a_length_reach_nobody() -> None:
    """Neither this client nor the next request on the connection."""
    async with running() as rig:
        client = await rig.ask(post() + post())
        server, _ = await rig.server.request()
        await server.send(answer(b"hello") + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        assert (await client.message()).body == b"hello"
        second, _ = await rig.server.request()
        await second.send(answer(b"next"))
        assert (await client.message()).body == b"next"


async def test_bytes_beyond_a_length_that_come_later_reach_nobody() -> None:
    async with running() as rig:
        client = await rig.ask(post())
        server, _ = await rig.server.request()
        await server.send(answer(b"hello"))
        assert (await client.message()).body == b"hello"
        await server.send(answer(b"evil"))
        await client.send(post())
        second, _ = await rig.server.request()
        await second.send(answer(b"next"))
        assert (await client.message()).body == b"next"


async def test_bytes_beyond_a_chunked_answer_reach_nobody() -> None:
    async with running() as rig:
        client = await rig.ask(post())
        server, _ = await rig.server.request()
        await server.send(CHUNKED + b"5\r\nhello\r\n0\r\n\r\n" + answer(b"evil"))
        rest = b""
        try:
            rest = await client.all()
        except trio.BrokenResourceError:
            rest = client.buffer
        assert b"evil" not in rest
        await server.ended()


# -- kept connections -----------------------------------------------------------------------------------------------


@ends
async def test_a_kept_connection_that_the_server_has_closed_is_not_used(end: Callable[[Wire], Awaitable[None]]) -> None:
    async with running() as rig:
        client = await rig.ask(post())
        server, _ = await rig.server.request()
        await server.send(answer())
        await client.message()
        await end(server)
        await client.send(post())
        server, _ = await rig.server.request()
        await server.send(answer(b"again"))
        assert (await client.message()).body == b"again"


async def test_a_request_that_a_kept_connection_swallowed_is_not_sent_again() -> None:
    """The server took it and closed without an answer: whether it acted on it nobody knows."""
    async with running() as rig:
        client = await rig.ask(post())
        server, _ = await rig.server.request()
        await server.send(answer())
        await client.message()
        await client.send(post())
        await server.message()
        await server.close()
        assert (await client.message()).status == 502
        await rig.idle()
        assert rig.server.connections == 1


@pytest.mark.parametrize("raw", [post(), get(b"/upstream/a/x", b"Content-Length: 9000000", method=b"POST")])
async def test_a_request_of_which_nothing_was_taken_is_sent_on_a_new_connection(
    raw: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kept connection was reset between our look at it and our first byte."""
    monkeypatch.setattr(upstream, "readable", lambda sock: False)
    async with running() as rig:
        client = await rig.ask(post())
        server, _ = await rig.server.request()
        await server.send(answer())
        await client.message()
        await server.reset()
        await client.send(raw)
        server = await rig.server.accept()
        await server.until(b"\r\n\r\n")
        await server.send(answer(b"again"))
        assert (await client.message()).body == b"again"
        assert rig.server.connections == 2


@pytest.mark.parametrize("reply", [b"Connection: close", b"Connection: X, Close"])
async def test_a_server_that_says_close_is_believed(reply: bytes) -> None:
    async with running() as rig:
        client = await rig.ask(post() + post())
        server, _ = await rig.server.request()
        await server.send(answer(b"ok", reply))
        got = await client.message()
        assert got.get(b"connection") is None
        assert await server.ended()
        second, _ = await rig.server.request()
        await second.send(answer())
        await client.message()


async def test_an_early_answer_ends_the_upload_and_the_connection() -> None:
    """The server refuses a large body with an answer that would keep the connection: the rest of the body is not
    sent on it, and no other request either."""
    body = b'{"model":"a","x":"%b"}' % (b"y" * 20_000_000)
    async with running() as rig:
        client = await rig.connect()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.send, post(body))
            server = await rig.server.accept()
            await server.until(b"\r\n\r\n")
            await server.send(answer(b"too large", status=b"413 Content Too Large"))
            got = await client.message()
        assert (got.status, got.body) == (413, b"too large")
        await client.send(post())
        second, request = await rig.server.request()
        assert request.body == BODY
        await second.send(answer())
        assert (await client.message()).body == b"ok"


async def test_an_early_answer_to_a_streamed_upload() -> None:
    async with running() as rig:
        client = await rig.ask(get(b"/upstream/a/x", b"Content-Length: 20000000", method=b"POST") + b"x" * 1000)
        server = await rig.server.accept()
        await server.until(b"\r\n\r\n")
        await server.send(answer(b"too large", status=b"413 Content Too Large"))
        got = await client.message()
        assert (got.status, got.get(b"connection")) == (413, b"close")
        assert len(await server.all()) < 20_000_000
        await rig.idle()


async def test_an_upload_is_whole_although_the_server_answers_while_it_reads() -> None:
    """An echo server that is slower than its client: nothing may be left out in the middle."""
    size = 4_000_000
    async with running() as rig:
        client = await rig.connect()
        async with trio.open_nursery() as nursery:
            head = get(b"/upstream/a/x", b"Content-Length: %d" % size, method=b"POST")
            nursery.start_soon(client.send, head + bytes(range(250)) * (size // 250))
            server = await rig.server.accept()
            await server.until(b"\r\n\r\n")
            await server.send(CHUNKED + b"1\r\na\r\n")
            await client.until(b"1\r\na\r\n")
            assert await server.exactly(size) == bytes(range(250)) * (size // 250)
        await server.send(b"0\r\n\r\n")
        assert await client.exactly(5) == b"0\r\n\r\n"


# -- the client leaves ----------------------------------------------------------------------------------------------

gone = pytest.mark.parametrize("leave", ENDS, ids=["close", "reset"])


@gone
@pytest.mark.parametrize(
    "raw",
    [b"", b"POST /v1/cha", get(b"/v1/chat/completions", b"Content-Length: 100", method=b"POST") + b'{"model":'],
    ids=["nothing", "head", "body"],
)
async def test_a_client_that_leaves_before_its_request_is_complete(
    raw: bytes, leave: Callable[[Wire], Awaitable[None]]
) -> None:
    async with running() as rig:
        client = await rig.ask(raw)
        await leave(client)
        await rig.no_connections()
        assert rig.dispatcher.arrived == 0


@gone
async def test_a_client_that_leaves_while_its_model_loads(leave: Callable[[Wire], Awaitable[None]]) -> None:
    async with running(loads_by_itself=False) as rig:
        client = await rig.ask(post())
        await rig.dispatcher.until(lambda: rig.dispatcher.arrived == 1)
        await leave(client)
        await rig.idle()
        await rig.no_connections()
        assert rig.server.connections == 0


@gone
async def test_a_client_that_leaves_the_queue_is_forgotten(leave: Callable[[Wire], Awaitable[None]]) -> None:
    async with running() as rig:
        first = await rig.ask(post())
        server, _ = await rig.server.request()
        queued = await rig.ask(post(b'{"model":"based"}'))
        await rig.dispatcher.until(lambda: rig.dispatcher.arrived == 2)
        await leave(queued)
        await rig.dispatcher.until(lambda: rig.dispatcher.outstanding == 1)
        await server.send(answer())
        assert (await first.message()).body == b"ok"
        assert [p.model for p in rig.processes] == ["a"]


@gone
@pytest.mark.parametrize(
    "sent", [b"", CHUNKED, CHUNKED + b"5\r\nhello\r\n", LENGTH], ids=["prefill", "head", "mid", "length"]
)
@pytest.mark.parametrize("ahead", [b"", b"GET /hea", post() * 3, post() * 100], ids=["", "part", "few", "flood"])
async def test_when_a_served_client_leaves_the_server_is_told(
    sent: bytes, ahead: bytes, leave: Callable[[Wire], Awaitable[None]]
) -> None:
    """Within a second, also when the client has sent more requests ahead, even more than we read.

    (So many that they fill the kernel's buffers would hold back the very packet that tells of its leaving.)
    """
    async with running() as rig:
        client = await rig.ask(post())
        server, _ = await rig.server.request()
        if sent:
            await server.send(sent)
            await client.until(b"\r\n\r\n")
        await client.send(ahead)
        before = trio.current_time()
        await leave(client)
        await server.ended()
        assert trio.current_time() - before < 1.0 + ALLOWANCE_S
        await rig.idle()
        assert rig.dispatcher.arrived == 1


@gone
async def test_a_client_that_leaves_in_mid_upload(leave: Callable[[Wire], Awaitable[None]]) -> None:
    async with running() as rig:
        client = await rig.ask(get(b"/upstream/a/x", b"Content-Length: 20000000", method=b"POST") + b"x" * 500_000)
        server = await rig.server.accept()
        await server.until(b"\r\n\r\n")
        await leave(client)
        await server.ended()
        await rig.idle()


# -- the client stalls ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n", CHUNKED, TO_END], ids=["l", "c", "e"]
)
async def test_a_client_that_takes_no_byte_is_dropped_at_the_stall_deadline(head: bytes) -> None:
    async with running(stall_s=1.0) as rig:
        client = await rig.ask(post())
        server, _ = await rig.server.request()
        before = trio.current_time()
        await _send_what_is_taken(server, head + b"10000\r\n%b\r\n" % (b"x" * 65536) * 1500)
        await rig.idle()
        assert 0.9 < trio.current_time() - before < 6 + ALLOWANCE_S
        assert not await client.ended()  # reset: what it never read is not kept for it


async def test_fifty_stalled_clients_are_dropped_together_while_others_are_served() -> None:
    async with running(stall_s=1.0, parallel=64) as rig:
        piece = LENGTH.replace(b"100", b"100000000") + b"x" * 8_000_000
        stalled = [await rig.ask(post()) for _ in range(50)]
        async with trio.open_nursery() as nursery:
            for _ in stalled:
                server, _ = await rig.server.request()
                nursery.start_soon(_send_what_is_taken, server, piece)
            good = await rig.ask(get(b"/health"))
            assert (await good.message()).body == b"OK"
            await rig.idle()
        await good.close()
        await rig.no_connections()


async def test_a_slow_reader_is_not_a_stalled_one() -> None:
    body = b"x" * 3_000_000
    async with running(stall_s=2.0) as rig:
        client = await rig.ask(post())
        server, _ = await rig.server.request()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.send, answer(body))
            await client.until(b"\r\n\r\n")
            got = len(client.buffer)
            while got < len(body):
                with trio.move_on_after(0.2):  # far below the deadline, and far above it for the whole
                    await trio.sleep_forever()
                got += len(await client.stream.receive_some(150_000))
        await rig.idle()


async def test_overdue_clients_are_cut_and_none_that_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    """A head that drips, a body that does not come, a connection without a request; but never a running answer."""
    for name in ("HEAD_S", "BODY_S", "IDLE_S"):
        monkeypatch.setattr(gateway_connection, name, 1.0)
    async with running() as rig:
        served = await rig.ask(get(b"/upstream/a/x", b"Content-Length: 3", method=b"POST") + b"abc" + b"GET /drip")
        server, _ = await rig.server.request()
        await server.send(CHUNKED)
        await served.until(b"\r\n\r\n")
        for raw in (
            b"",
            b"GET /hea",
            get(b"/v1/chat/completions", b"Content-Length: 9", method=b"POST") + b"{",
            b"\r\n",
        ):
            overdue = await rig.ask(raw)
            await overdue.ended()
        await server.send(b"0\r\n\r\n")
        assert await served.exactly(5) == b"0\r\n\r\n"


async def test_a_client_that_waits_in_the_queue_is_not_overdue(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for permission to send its body, which it gets in its turn."""
    monkeypatch.setattr(gateway_connection, "BODY_S", 1.0)
    async with running(loads_by_itself=False) as rig:
        other = await rig.connect()
        client = await rig.ask(
            get(b"/upstream/a/x", b"Content-Length: 2000000", b"Expect: 100-continue", method=b"POST")
        )
        await rig.dispatcher.until(lambda: rig.dispatcher.arrived == 1)
        monkeypatch.setattr(gateway_connection, "IDLE_S", 1.0)
        await other.ended()  # more than BODY_S has passed
        with trio.move_on_after(1.2):
            await trio.sleep_forever()
        rig.processes[0].becomes_ready()
        assert await client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"


# -- websockets -----------------------------------------------------------------------------------------------------

HANDSHAKE = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Key: eA==")
SWITCHED = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Accept: y\r\n\r\n"
)


async def _tunnel(rig: Rig, early: bytes = b"") -> tuple[Wire, Wire]:
    client = await rig.ask(get(b"/upstream/a/ws", *HANDSHAKE) + early)
    server, request = await rig.server.request()
    assert (request.get(b"connection"), request.get(b"upgrade")) == (b"Upgrade", b"websocket")
    await server.send(SWITCHED)
    head = await client.until(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"Upgrade: WebSocket\r\n" in head
    return client, server


async def test_a_websocket_is_relayed_both_ways() -> None:
    async with running() as rig:
        client, server = await _tunnel(rig, early=b"early")
        assert await server.exactly(5) == b"early"
        for size in (1, 100, 100_000, 3_000_000):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(client.send, b"u" * size)
                assert await server.exactly(size) == b"u" * size
            async with trio.open_nursery() as nursery:
                nursery.start_soon(server.send, b"d" * size)
                assert await client.exactly(size) == b"d" * size
        assert rig.dispatcher.outstanding == 1
        await server.close()
        await client.ended()
        await rig.idle()


@gone
async def test_a_websocket_ends_at_both_sides_when_its_client_leaves(leave: Callable[[Wire], Awaitable[None]]) -> None:
    async with running() as rig:
        client, server = await _tunnel(rig)
        await leave(client)
        await server.ended()
        await rig.idle()


async def test_a_websocket_client_that_stalls_is_dropped() -> None:
    async with running(stall_s=1.0) as rig:
        _, server = await _tunnel(rig)
        await _send_what_is_taken(server, b"x" * 60_000_000)
        await rig.idle()


async def test_a_refused_handshake_is_an_answer_like_others() -> None:
    async with running() as rig:
        client = await rig.ask(get(b"/upstream/a/ws", *HANDSHAKE))
        server, _ = await rig.server.request()
        await server.send(answer(b"no", status=b"403 Forbidden"))
        got = await client.message()
        assert (got.status, got.body) == (403, b"no")
        assert await client.ended()


async def test_another_protocol_than_asked_for_is_refused() -> None:
    async with running() as rig:
        client = await rig.ask(get(b"/upstream/a/ws", *HANDSHAKE))
        server, _ = await rig.server.request()
        await server.send(SWITCHED.replace(b"WebSocket", b"h2c"))
        assert (await client.message()).status == 502


# -- many -----------------------------------------------------------------------------------------------------------


async def test_every_request_is_delivered_once_when_servers_die_at_random_bytes() -> None:
    """The reply is cut at each of its bytes in turn; the client never sees a false whole."""
    reply = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    for cut in range(len(reply)):
        async with running() as rig:
            client = await rig.ask(post())
            server, _ = await rig.server.request()
            await server.send(reply[:cut])
            await server.close()
            got = await client.all() if cut > reply.index(b"\r\n\r\n") + 3 else (await client.message()).first
            assert not got.endswith(b"0\r\n\r\n")
            await rig.idle()
            assert rig.server.connections == 1


async def _send_what_is_taken(server: Wire, data: bytes) -> None:
    try:
        with trio.fail_after(PATIENCE_S):
            await server.stream.send_all(data)
    except trio.BrokenResourceError:
        return
