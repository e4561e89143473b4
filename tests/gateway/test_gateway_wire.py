"""Requests and answers on the wire: every framing, every header that is taken off or put on, and their order."""

import re
from contextlib import suppress

import pytest
import trio

from tests.gateway.wire import BODY, Message, Rig, Wire, answer, get, post, running

CHAT = b"/v1/chat/completions"


async def exchange(
    rig: Rig, raw: bytes, reply: bytes, *, closes: bool = False, bodiless: bool = False
) -> tuple[Message, Message]:
    """One request on a connection of its own: what the server saw, and what the client got."""
    client = await rig.ask(raw)
    server, request = await rig.server.request()
    await server.send(reply)
    if closes:
        await server.close()
    got = await client.message(bodiless=bodiless)
    assert client.buffer == b""
    await client.close()
    return request, got


# -- answers --------------------------------------------------------------------------------------------------------


async def test_an_answer_with_a_length_comes_through() -> None:
    async with running() as rig:
        request, got = await exchange(rig, post(), answer(b"hello", b"X-A: b"))
        assert request.first == b"POST /v1/chat/completions HTTP/1.1"
        assert request.body == BODY
        assert (got.first, got.body) == (b"HTTP/1.1 200 OK", b"hello")
        assert got.get(b"x-a") == b"b"
        assert got.get(b"transfer-encoding") is None
        assert got.get(b"connection") is None


async def test_a_chunked_answer_comes_through_piece_by_piece() -> None:
    """Each piece is with the client before the next one is sent."""
    async with running() as rig:
        client = await rig.ask(post())
        server, _ = await rig.server.request()
        await server.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        head = await client.until(b"\r\n\r\n")
        assert head.lower().count(b"transfer-encoding: chunked") == 1
        assert b"X-Accel-Buffering: no" in head
        for number in range(20):
            await server.send(b"9\r\ndata: %03d\r\n" % number)
            assert await client.exactly(14) == b"9\r\ndata: %03d\r\n" % number
        await server.send(b"0\r\n\r\n")
        assert await client.exactly(5) == b"0\r\n\r\n"
        await client.send(post())
        server, _ = await rig.server.request()
        await server.send(answer())
        assert (await client.message()).body == b"ok"
        assert rig.server.connections == 2  # llama.cpp's server hangs up after a stream and does not say so


async def test_chunks_cut_at_any_byte_come_through() -> None:
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;x=y\r\nwiki\r\n5\r\npedia\r\n0\r\nT: u\r\n\r\n"
    async with running() as rig:
        client = await rig.connect()
        await client.send(post())
        server, _ = await rig.server.request()
        for byte in raw:
            await server.send(bytes((byte,)))
        got = await client.message()
        assert got.body == b"wikipedia"


async def test_trailers_come_through() -> None:
    async with running() as rig:
        client = await rig.ask(post())
        server, _ = await rig.server.request()
        await server.send(
            b"HTTP/1.1 200 OK\r\nTrailer: T\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nT: u\r\n\r\n"
        )
        await client.until(b"\r\n\r\n")
        assert await client.exactly(18) == b"2\r\nok\r\n0\r\nT: u\r\n\r\n"


async def test_an_answer_that_the_server_s_closing_ends_gets_a_frame() -> None:
    async with running() as rig:
        _, got = await exchange(rig, post(), b"HTTP/1.1 200 OK\r\n\r\nhello", closes=True)
        assert got.body == b"hello"
        assert got.get(b"transfer-encoding") == b"chunked"


async def test_an_answer_of_http_1_0_comes_through() -> None:
    async with running() as rig:
        _, got = await exchange(rig, post(), b"HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nhello", closes=True)
        assert (got.first, got.body) == (b"HTTP/1.1 200 OK", b"hello")


@pytest.mark.parametrize("head", [b"Content-Length: 5", b"Transfer-Encoding: chunked", b"X: y"])
async def test_head_has_the_head_of_get_and_no_body(head: bytes) -> None:
    async with running() as rig:
        client = await rig.ask(get(b"/upstream/a/x", method=b"HEAD") + get(b"/upstream/a/y"))
        server, request = await rig.server.request()
        assert request.first == b"HEAD /x HTTP/1.1"
        await server.send(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n" % head)
        got = await client.message(bodiless=True)
        assert head in [b"%b: %b" % (n.title(), v) for n, v in got.headers]
        assert {name for name, _ in got.headers} >= {b"x-queue-wait-ms", b"x-load-ms"}
        assert len(got.headers) == 3
        second, _ = await rig.server.request()  # never on a connection where a body might still come
        await second.send(answer(b"next"))
        assert (await client.message()).body == b"next"


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
@pytest.mark.parametrize("head", [b"", b"Transfer-Encoding: chunked\r\n", b"ETag: x\r\n"])
async def test_answers_without_a_body_end_with_their_head(status: bytes, head: bytes) -> None:
    async with running() as rig:
        client = await rig.ask(get(b"/upstream/a/x") + get(b"/upstream/a/y"))
        server, _ = await rig.server.request()
        await server.send(b"HTTP/1.1 %b\r\n%b\r\n" % (status, head))
        got = await client.message(bodiless=True)
        assert got.first == b"HTTP/1.1 " + status
        assert got.get(b"transfer-encoding") is None
        await server.message()
        await server.send(answer(b"next"))
        assert (await client.message()).body == b"next"
        assert rig.server.connections == 1


async def test_interim_answers_come_through_and_100_does_not() -> None:
    async with running() as rig:
        client = await rig.ask(post())
        server, _ = await rig.server.request()
        await server.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        assert await client.until(b"\r\n\r\n") == b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        await server.send(answer())
        assert (await client.message()).body == b"ok"


async def test_a_flood_of_interim_answers_ends() -> None:
    async with running() as rig:
        client = await rig.ask(post())
        server, _ = await rig.server.request()
        await server.send(b"HTTP/1.1 102 Processing\r\n\r\n" * 101)
        while (got := await client.message()).status == 102:
            pass
        assert got.status == 502
        assert b"more than 100 informational answers" in got.body


async def send_until_refused(server: Wire, data: bytes) -> None:
    with suppress(trio.BrokenResourceError):
        await server.send(data)


async def test_an_endless_trailer_is_cut() -> None:
    """It is not kept while it comes, and the client sees that there is no end."""
    async with running() as rig:
        client = await rig.ask(post())
        server, _ = await rig.server.request()
        await server.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: ")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send_until_refused, server, b"a" * 2_000_000)
            received = await client.all()
            nursery.cancel_scope.cancel()
        assert b"2\r\nok\r\n" in received
        assert not received.endswith(b"\r\n\r\n")


async def test_statuses_and_unknown_ones_come_through() -> None:
    for status in (b"201 Created", b"302 Found", b"404 Not Found", b"429 Slow Down", b"500 ", b"599 Odd \xe4"):
        async with running() as rig:
            _, got = await exchange(rig, post(), answer(b"x", status=status))
            assert got.first == b"HTTP/1.1 " + status


async def test_a_large_answer_comes_through() -> None:
    body = bytes(range(256)) * 40_000
    async with running() as rig:
        client = await rig.ask(post())
        server, _ = await rig.server.request()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.send, answer(body))
            assert (await client.message()).body == body


# -- headers --------------------------------------------------------------------------------------------------------


async def test_hop_by_hop_headers_end_here_on_the_way_up() -> None:
    hop = [
        b"Connection: keep-alive, X-Mine",
        b"connection: X-Other",
        b"X-Mine: 1",
        b"x-other: 2",
        b"Proxy-Connection: keep-alive",
        b"Keep-Alive: timeout=5",
        b"Proxy-Authorization: Basic eA==",
        b"Proxy-Authenticate: x",
        b"TE: trailers, deflate;q=0.5",
        b"Trailer: T",
        b"Upgrade: h2c",
    ]
    async with running() as rig:
        request, _ = await exchange(rig, post(BODY, *hop, b"Authorization: Bearer k", b"X-Kept: \xe4"), answer())
        names = sorted(name for name, _ in request.headers)
        assert names == sorted(
            [b"host", b"content-type", b"content-length", b"authorization", b"x-kept", b"te", b"x-forwarded-for"]
        )
        assert request.get(b"te") == b"trailers"
        assert request.get(b"x-kept") == b"\xe4"


async def test_the_host_header_cannot_be_named_away() -> None:
    """`Connection: host` would make the request that we send an invalid one."""
    async with running() as rig:
        request, _ = await exchange(rig, post(BODY, b"Connection: host, content-length, content-type"), answer())
        assert request.get(b"host") == b"localhost"
        assert request.get(b"content-length") == b"%d" % len(BODY)


async def test_hop_by_hop_headers_end_here_on_the_way_down() -> None:
    hop = [
        b"Connection: X-Mine",
        b"Connection: X-Other, keep-alive",
        b"X-Mine: 1",
        b"X-Other: 2",
        b"Keep-Alive: timeout=5",
        b"Proxy-Authenticate: x",
        b"Upgrade: h2c",
        b"Trailer: T",
    ]
    async with running() as rig:
        _, got = await exchange(rig, post(), answer(b"ok", *hop, b"Set-Cookie: a", b"Set-Cookie: b"))
        own = [b"x-queue-wait-ms", b"x-load-ms"]
        assert [name for name, _ in got.headers] == [b"set-cookie", b"set-cookie", b"content-length", *own]


@pytest.mark.parametrize(
    ("sent", "seen"), [((), b"127.0.0.1"), ((b"1.2.3.4", b"5.6.7.8"), b"1.2.3.4, 5.6.7.8, 127.0.0.1")]
)
async def test_the_client_s_address_is_appended(sent: tuple[bytes, ...], seen: bytes) -> None:
    async with running() as rig:
        request, _ = await exchange(rig, post(BODY, *(b"X-Forwarded-For: " + s for s in sent)), answer())
        assert request.get(b"x-forwarded-for") == seen


async def test_no_user_agent_is_added_and_the_host_is_the_client_s() -> None:
    async with running() as rig:
        request, _ = await exchange(rig, post().replace(b"localhost", b"LocalHost:1234"), answer())
        assert request.get(b"user-agent") is None
        assert request.get(b"host") == b"LocalHost:1234"


# -- targets --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "forwarded"),
    [
        (b"/upstream/a/x%2Fy?q=%20&r=a+b&", b"/x%2Fy?q=%20&r=a+b&"),
        (b"/upstream/a//x/../y/./z", b"//x/../y/./z"),
        (b"/upstream/a/%252F%2e%2e/", b"/%252F%2e%2e/"),
        (b"/upstream/a/", b"/"),
        (b"/upstream/a/?", b"/?"),
        (b"/upstream/org%2Fmodel/api/x%2Fy", b"/api/x%2Fy"),
        (b"/upstream/org/model/api", b"/api"),
        (b"/upstream/based/x?q=1", b"/base/x?k=v&q=1"),
        (b"/upstream/based/", b"/base/?k=v"),
        (b"/upstream/a/x;y=z?a=b?c=d", b"/x;y=z?a=b?c=d"),
    ],
)
async def test_paths_below_upstream_are_forwarded_as_sent(asked: bytes, forwarded: bytes) -> None:
    async with running() as rig:
        request, _ = await exchange(rig, get(asked), answer())
        assert request.first == b"GET %b HTTP/1.1" % forwarded


@pytest.mark.parametrize(
    ("asked", "forwarded"),
    [
        (b"/v1/chat/completions?x=%2F", b"/v1/chat/completions?x=%2F"),
        (b"/v/chat/completions?x=y", b"/chat/completions?x=y"),
        (b"/v/rerank", b"/rerank"),
        (b"/audioapi/v1/tasks/run", b"/v1/tasks/run"),
        (b"/completion", b"/completion"),
    ],
)
async def test_inference_paths_lose_their_prefix(asked: bytes, forwarded: bytes) -> None:
    async with running() as rig:
        request, _ = await exchange(rig, post(path=asked), answer())
        assert request.first == b"POST %b HTTP/1.1" % forwarded


async def test_a_model_named_in_the_query() -> None:
    async with running() as rig:
        request, _ = await exchange(rig, get(b"/props?x=1&model=org%2Fmodel"), answer())
        assert request.first == b"GET /props?x=1&model=org%2Fmodel HTTP/1.1"


@pytest.mark.parametrize(
    ("content_type", "body", "forwarded"),
    [
        (b"application/json", b'{ "model" : "a" , "x":1}', b'{ "model" : "real" , "x":1}'),
        (
            b"multipart/form-data; boundary=z",
            b'--z\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n\0\xff\r\n'
            b'--z\r\nContent-Disposition: form-data; name="model"\r\n\r\na\r\n--z--\r\n',
            b'--z\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n\0\xff\r\n'
            b'--z\r\nContent-Disposition: form-data; name="model"\r\n\r\nreal\r\n--z--\r\n',
        ),
        (b"application/x-www-form-urlencoded", b"x=1&model=a", b"x=1&model=a"),
    ],
)
async def test_the_name_that_the_server_knows_replaces_the_one_asked_for(
    content_type: bytes, body: bytes, forwarded: bytes
) -> None:
    async with running(use_model_name="real") as rig:
        request, _ = await exchange(rig, post(body).replace(b"application/json", content_type), answer())
        assert request.body == forwarded
        assert request.get(b"content-type") == content_type


# -- request bodies -------------------------------------------------------------------------------------------------


async def test_a_client_that_waits_for_permission_gets_it() -> None:
    async with running() as rig:
        head, _, body = post(BODY, b"Expect: 100-continue").partition(b"\r\n\r\n")
        client = await rig.ask(head + b"\r\n\r\n")
        assert await client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert rig.dispatcher.arrived == 0
        await client.send(body)
        server, request = await rig.server.request()
        assert request.get(b"expect") is None
        await server.send(answer())
        assert (await client.message()).body == b"ok"


async def test_a_client_that_asks_for_permission_and_is_refused_sends_nothing() -> None:
    async with running(max_body=10) as rig:
        head, _, _ = post(BODY, b"Expect: 100-continue").partition(b"\r\n\r\n")
        client = await rig.ask(head + b"\r\n\r\n")
        got = await client.message()
        assert (got.status, got.get(b"connection")) == (413, b"close")


async def test_permission_never_comes_in_the_middle_of_an_answer() -> None:
    """The client began its body unasked; when we want more of it the answer is already under way."""
    async with running() as rig:
        client = await rig.ask(
            get(b"/upstream/a/x", b"Expect: 100-continue", b"Content-Length: 2000000", method=b"POST") + b"first"
        )
        server = await rig.server.accept()
        await server.until(b"first")
        await server.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        await client.until(b"1\r\na\r\n")
        await client.send(b"second")
        await server.until(b"second")
        await server.send(b"1\r\nb\r\n0\r\n\r\n")
        assert await client.all() == b"1\r\nb\r\n0\r\n\r\n"


async def test_a_chunked_request_is_read_whole_before_it_takes_a_place() -> None:
    async with running() as rig:
        client = await rig.ask(
            b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b'Transfer-Encoding: chunked\r\n\r\n8\r\n{"model"\r\n' % CHAT
        )
        await client.send(b'5;x\r\n:"a"}\r\n0\r\nContent-Lengt: 1\r\n')
        assert rig.dispatcher.arrived == 0
        await client.send(b"\r\n")
        server, request = await rig.server.request()
        assert (request.body, request.get(b"content-length")) == (BODY, b"13")
        assert request.get(b"transfer-encoding") is None
        await server.send(answer())
        assert (await client.message()).body == b"ok"


async def test_a_chunked_request_below_upstream_streams() -> None:
    """What the client has sent is with the server while the client is still sending."""
    async with running() as rig:
        client = await rig.ask(get(b"/upstream/a/x", b"Content-Length: 2000000", method=b"POST") + b"a" * 1_000_000)
        server = await rig.server.accept()
        await server.until(b"\r\n\r\n")
        assert await server.exactly(1_000_000) == b"a" * 1_000_000
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.send, b"b" * 1_000_000)
            assert await server.exactly(1_000_000) == b"b" * 1_000_000
        await server.send(answer())
        assert (await client.message()).body == b"ok"


async def test_a_streamed_chunked_request_keeps_its_framing() -> None:
    async with running() as rig:
        client = await rig.ask(get(b"/upstream/a/x", b"Transfer-Encoding: chunked", method=b"POST") + b"2\r\nab\r\n")
        server = await rig.server.accept()
        head = await server.until(b"\r\n\r\n")
        assert b"Transfer-Encoding: chunked\r\n" in head
        assert await server.until(b"ab\r\n") == b"2\r\nab\r\n"
        await client.send(b"1\r\nc\r\n0\r\n\r\n")
        assert await server.until(b"0\r\n\r\n") == b"1\r\nc\r\n0\r\n\r\n"
        await server.send(answer())
        assert (await client.message()).body == b"ok"


async def test_a_body_of_ten_megabytes() -> None:
    body = b'{"model":"a","x":"%b"}' % (b"y" * 10_000_000)
    async with running() as rig:
        client = await rig.connect()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.send, post(body))
            server, request = await rig.server.request()
        assert request.body == body
        await server.send(answer())
        assert (await client.message()).body == b"ok"


@pytest.mark.parametrize("framed", [b"Content-Length: 1000000", b"Transfer-Encoding: chunked"])
async def test_a_body_over_the_limit_is_refused_without_reading_on(framed: bytes) -> None:
    async with running(max_body=1000) as rig:
        client = await rig.ask(get(CHAT, b"Content-Type: application/json", framed, method=b"POST"))
        await client.send(b"7d0\r\n" + b"{" * 2000)
        got = await client.message()
        assert (got.status, got.get(b"connection")) == (413, b"close")
        assert b"maxRequestBody" in got.body
        assert rig.dispatcher.arrived == 0


async def test_a_slow_body_takes_no_place_before_it_is_complete() -> None:
    async with running() as rig:
        raw = post()
        client = await rig.ask(raw[: -len(BODY)])
        for byte in BODY[:-1]:
            await client.send(bytes((byte,)))
        other = await rig.ask(post())
        server, _ = await rig.server.request()
        await server.send(answer(b"other"))
        assert (await other.message()).body == b"other"
        assert rig.dispatcher.arrived == 1
        await client.send(BODY[-1:])
        assert (await server.message()).body == BODY
        await server.send(answer(b"slow"))
        assert (await client.message()).body == b"slow"


async def test_a_body_whose_chunks_break_is_refused() -> None:
    async with running() as rig:
        head = get(CHAT, b"Content-Type: application/json", b"Transfer-Encoding: chunked", method=b"POST")
        client = await rig.ask(head + b'd\r\n{"model":"a"}')
        await client.send(b"XX0\r\n\r\n")
        assert (await client.message()).status == 400
        assert rig.dispatcher.arrived == 0


async def test_a_streamed_body_whose_chunks_break_reaches_the_server_cut() -> None:
    async with running() as rig:
        client = await rig.ask(get(b"/upstream/a/x", b"Transfer-Encoding: chunked", method=b"POST") + b"2\r\nab\r\n")
        server = await rig.server.accept()
        await server.until(b"ab\r\n")
        await client.send(b"zz\r\n")
        assert b"0\r\n\r\n" not in await server.all()
        assert (await client.message()).status == 400


# -- connections ----------------------------------------------------------------------------------------------------


async def test_connections_are_kept_on_both_sides() -> None:
    async with running() as rig:
        client = await rig.ask(post())
        server, _ = await rig.server.request()
        for _ in range(50):
            await server.send(answer())
            assert (await client.message()).body == b"ok"
            await client.send(post())
            await server.message()
        assert rig.server.connections == 1


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with running() as rig:
        client = await rig.ask(b"".join(post(b'{"model":"a","n":%d}' % n) for n in range(40)) + get(b"/health"))
        server = await rig.server.accept()
        for n in range(40):
            assert (await server.message()).body == b'{"model":"a","n":%d}' % n
            await server.send(answer(b"%d" % n))
        for n in range(40):
            assert (await client.message()).body == b"%d" % n
        assert (await client.message()).body == b"OK"


async def test_a_pipeline_ends_at_what_cannot_be_trusted() -> None:
    async with running() as rig:
        client = await rig.ask(post() + b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" + post())
        server, _ = await rig.server.request()
        await server.send(answer())
        assert (await client.message()).body == b"ok"
        got = await client.message()
        assert (got.status, got.get(b"connection")) == (400, b"close")
        assert await client.ended()
        assert rig.dispatcher.arrived == 1


async def test_connection_close_is_kept() -> None:
    async with running() as rig:
        client = await rig.ask(post(BODY, b"Connection: close"))
        server, _ = await rig.server.request()
        await server.send(answer())
        got = await client.message()
        assert (got.body, got.get(b"connection")) == (b"ok", b"close")
        assert await client.all() == b""


@pytest.mark.parametrize(
    "reply",
    [
        answer(),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nok",
    ],
    ids=["length", "chunked", "close"],
)
@pytest.mark.parametrize("keep", [b"", b"Connection: keep-alive\r\n"])
async def test_a_client_of_http_1_0_gets_plain_bytes_and_the_end(reply: bytes, keep: bytes) -> None:
    async with running() as rig:
        client = await rig.ask(b"GET /upstream/a/x HTTP/1.0\r\n%b\r\n" % keep)
        server, request = await rig.server.request()
        assert request.first == b"GET /x HTTP/1.1"
        assert request.get(b"host") is not None
        await server.send(reply)
        await server.close()
        head = await client.until(b"\r\n\r\n")
        assert b"chunked" not in head.lower()
        assert b"Connection: close" in head
        assert await client.all() == b"ok"


async def test_a_client_of_http_1_0_gets_our_own_answers() -> None:
    async with running() as rig:
        client = await rig.ask(b"GET /health HTTP/1.0\r\n\r\n")
        assert (await client.all()).endswith(b"\r\n\r\nOK")


@pytest.mark.parametrize("path", [b"/health", b"/v1/models"])
async def test_head_of_our_own_answers(path: bytes) -> None:
    async with running() as rig:
        client = await rig.ask(get(b"/health", method=b"HEAD") + get(b"/health"))
        got = await client.message(bodiless=True)
        assert (got.status, got.get(b"content-length")) == (200, b"2")
        assert (await client.message()).body == b"OK"


# -- errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (post(b'{"model":"nobody"}'), 404),
        (post(b"{}"), 404),
        (post(b""), 404),
        (post(b'{"model":"dead"}'), 502),
        (get(b"/upstream/nobody/x"), 404),
        (get(CHAT), 405),
        (get(b"/health", host=b"evil.com"), 403),
        (get(b"/health", b"Origin: http://evil.com"), 403),
    ],
)
async def test_errors_come_in_the_envelope_and_the_connection_goes_on(raw: bytes, status: int) -> None:
    async with running() as rig:
        client = await rig.ask(raw + get(b"/health"))
        got = await client.message()
        assert got.status == status
        if status != 405:
            assert got.get(b"content-type") == b"application/json"
            assert re.match(rb'\{"src":"llama-swap","error":\{"message":"', got.body)
        assert (await client.message()).body == b"OK"
        await rig.idle()


async def test_no_key_is_answered_before_the_body_is_read() -> None:
    async with running(api_keys=("secret",)) as rig:
        client = await rig.ask(get(CHAT, b"Content-Length: 50000000", method=b"POST"))
        got = await client.message()
        assert (got.status, got.get(b"connection")) == (401, b"close")
        assert rig.dispatcher.arrived == 0


async def test_what_is_not_for_a_model_goes_to_the_control_plane() -> None:
    async with running() as rig:
        client = await rig.ask(get(b"/running?x"))
        server, request = await rig.control.request()
        assert request.first == b"GET /running?x HTTP/1.1"
        await server.send(answer(b"{}"))
        assert (await client.message()).body == b"{}"


@pytest.mark.parametrize(
    ("path", "clean"),
    [
        (b"//running?a=//b", b"/running?a=//b"),
        (b"/a/../running", b"/running"),
        (b"/./x/", b"/x/"),
        (b"/a%2Fb//c", b"/a%2Fb/c"),
    ],
)
async def test_unclean_paths_are_redirected_without_escaping_anything_again(path: bytes, clean: bytes) -> None:
    async with running() as rig:
        client = await rig.ask(get(path))
        got = await client.message()
        assert (got.status, got.get(b"location")) == (307, clean)


async def test_the_request_line_cannot_forge_log_lines_or_drive_a_terminal() -> None:
    async with running() as rig:
        client = await rig.ask(
            get(b"/upstream/nobody/%0aRequest%20evil%1b[2J", b"User-Agent: a\x9b2J", b"X-Forwarded-For: \xff\t")
        )
        assert (await client.message()).status == 404
        await client.close()
        await rig.no_connections()
        (line,) = rig.lines
        assert line.isprintable()
        assert "evil" in line
