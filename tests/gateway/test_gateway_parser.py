"""What the framing rules let in, what they refuse, and that neither depends on how the bytes were cut."""

import gc
import tracemalloc
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llamaswap.gateway.parser import MAX_HEAD_BYTES, MAX_HEADERS, RAW_BODY_BYTES, RequestParser
from llamaswap.proxy.request import Request


def parse(*pieces: bytes) -> RequestParser:
    """Feed *pieces* the way the connection does, large bodies around llhttp."""
    parser = RequestParser()
    for piece in pieces:
        rest = piece
        while rest:
            if parser.raw_left:
                now, rest = rest[: parser.raw_left], rest[parser.raw_left :]
                parser.feed_raw(memoryview(now))
            else:
                # No read of the connection is larger, and none after the first of a large body goes to llhttp.
                now, rest = rest[:65536], rest[65536:]
                parser.feed(now)
    return parser


def seen(parser: RequestParser) -> list[tuple[object, ...]]:
    """All that a handler can tell about what came out."""
    return [
        ("refused", r.refused[0])
        if r.refused
        else (r.method, r.target, r.headers, bytes(r.body), r.complete, r.http10, r.keep_alive, r.chunked, r.upgrade)
        for r in parser.requests
    ]


def only(parser: RequestParser) -> Request:
    (request,) = parser.requests
    return request


def refused(*pieces: bytes) -> int:
    """The status of the last request, which must be refused, after which nothing may be taken in any more."""
    parser = parse(*pieces)
    last = parser.requests[-1]
    assert last.refused is not None, seen(parser)
    assert not last.keep_alive
    assert parser.dead
    count = len(parser.requests)
    parser.feed(b"GET /after HTTP/1.1\r\nHost: x\r\n\r\n")
    assert len(parser.requests) == count
    return last.refused[0]


BROKEN: dict[str, bytes] = {
    "length and chunked": (
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "chunked and length": (
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"
    ),
    "two lengths": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "equal lengths": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "length list": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 3\r\n\r\nabc",
    "signed length": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc",
    "negative length": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -3\r\n\r\nabc",
    "hex length": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x3\r\n\r\nabc",
    "spaced length": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1 1\r\n\r\nabc",
    "underscored length": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1_0\r\n\r\nabc",
    "empty length": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: \r\n\r\nabc",
    "length overflow": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551616\r\n\r\n",
    "folding": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
    "folding with tab": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\tc\r\n\r\n",
    "folded first line": b"GET / HTTP/1.1\r\n Host: x\r\n\r\n",
    "bare LF everywhere": b"GET / HTTP/1.1\nHost: x\n\n",
    "bare LF at one header": b"GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n",
    "bare LF at the end": b"GET / HTTP/1.1\r\nHost: x\r\n\n",
    "bare LF after the first line": b"GET / HTTP/1.1\nHost: x\r\n\r\n",
    "bare CR in a value": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n",
    "bare CR at a line's end": b"GET / HTTP/1.1\r\nHost: x\rA: b\r\n\r\n",
    "CR CR LF": b"GET / HTTP/1.1\r\nHost: x\r\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\nA: b\r\n\r\n",
    "absolute target": b"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "authority target": b"GET x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
    "star target": b"GET * HTTP/1.1\r\nHost: x\r\n\r\n",
    "fragment": b"GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n",
    "empty target": b"GET  HTTP/1.1\r\nHost: x\r\n\r\n",
    "space in the target": b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
    "tab before the target": b"GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "control byte in the target": b"GET /a\x01b HTTP/1.1\r\nHost: x\r\n\r\n",
    "NUL in the target": b"GET /a\0b HTTP/1.1\r\nHost: x\r\n\r\n",
    "DEL in the target": b"GET /a\x7fb HTTP/1.1\r\nHost: x\r\n\r\n",
    "non-ASCII target": "GET /ä HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
    "NUL in a value": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n",
    "control byte in a value": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\x01c\r\n\r\n",
    "DEL in a value": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\x7fc\r\n\r\n",
    "control byte in a name": b"GET / HTTP/1.1\r\nHost: x\r\nA\x01: b\r\n\r\n",
    "non-ASCII name": "GET / HTTP/1.1\r\nHost: x\r\nÄ: b\r\n\r\n".encode(),
    "space before the colon": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length : 3\r\n\r\nabc",
    "empty name": b"GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n",
    "no colon": b"GET / HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n",
    "gzip, chunked": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "gzip then chunked": (
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "chunked twice": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked, identity": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "identity": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\n",
    "xchunked": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "empty encoding": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n\r\n",
    "chunked in 1.0": b"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "2.0 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "lower-case method": b"get / HTTP/1.1\r\nHost: x\r\n\r\n",
    "unknown method": b"FROBNICATE / HTTP/1.1\r\nHost: x\r\n\r\n",
    "odd protocol": b"GET / HTTQ/1.1\r\nHost: x\r\n\r\n",
    "odd version": b"GET / HTTP/1.1x\r\nHost: x\r\n\r\n",
    "two content types": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: a/b\r\nContent-Type: c/d\r\n\r\n",
    "two authorizations": b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n",
    "two origins": b"GET / HTTP/1.1\r\nHost: x\r\nOrigin: http://a\r\nOrigin: http://localhost\r\n\r\n",
}


@pytest.mark.parametrize("raw", BROKEN.values(), ids=BROKEN.keys())
def test_framing_that_cannot_be_trusted_is_refused(raw: bytes) -> None:
    """However the bytes arrive: in one piece or one by one."""
    assert refused(raw) == 400
    assert refused(*_bytewise(raw)) == 400


@pytest.mark.parametrize("version", [b"2.0", b"1.2", b"0.9", b"3.0", b"9.9"])
def test_other_versions_are_refused(version: bytes) -> None:
    assert refused(b"GET / HTTP/%b\r\nHost: x\r\n\r\n" % version) in (400, 505)


def test_http_0_9_is_refused() -> None:
    assert refused(b"GET /\r\n\r\n") == 505


def test_connect_is_refused_whatever_follows_it() -> None:
    assert refused(b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n") == 405


def test_http_1_0_needs_no_host_and_may_keep_the_connection() -> None:
    request = only(parse(b"GET / HTTP/1.0\r\n\r\n"))
    assert (request.refused, request.http10, request.keep_alive) == (None, True, False)
    assert only(parse(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")).keep_alive


def test_star_belongs_to_options() -> None:
    assert only(parse(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")).refused is None


def test_values_may_hold_bytes_beyond_ascii() -> None:
    assert only(parse(b"GET / HTTP/1.1\r\nHost: x\r\nA: \xe4\xff\x80\r\n\r\n")).known[b"a"] == b"\xe4\xff\x80"


def test_values_lose_the_blanks_around_them() -> None:
    assert only(parse(b"GET / HTTP/1.1\r\nHost: x\r\nA: \t b c \t \r\n\r\n")).known[b"a"].strip() == b"b c"


def test_list_headers_count_together_and_others_keep_the_first() -> None:
    request = only(
        parse(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: a\r\nConnection: b\r\nX-Api-Key: 1\r\nX-Api-Key: 2\r\n\r\n")
    )
    assert request.known[b"connection"] == b"a, b"
    assert request.known[b"x-api-key"] == b"1"


# -- bodies ---------------------------------------------------------------------------------------------------------

CHUNKED = b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "body",
    [
        b"5\r\nhello\r\n0\r\n\r\n",
        b"05\r\nhello\r\n000\r\n\r\n",
        b"5;a=b\r\nhello\r\n0;c\r\n\r\n",
        b'5;a="b;c"\r\nhello\r\n0\r\n\r\n',
        b"2\r\nhe\r\n3\r\nllo\r\n0\r\nTrailer: t\r\nHost: evil\r\nConnection: close\r\n\r\n",
    ],
)
def test_chunked_bodies_come_out_unframed_and_trailers_mean_nothing(body: bytes) -> None:
    for parser in (parse(CHUNKED + body), parse(*_bytewise(CHUNKED + body))):
        request = only(parser)
        assert (request.refused, bytes(request.body), request.complete) == (None, b"hello", True)
        assert [lower for lower, _, _ in request.headers] == [b"host", b"transfer-encoding"]


@pytest.mark.parametrize(
    "body",
    [
        b"x\r\nhello\r\n0\r\n\r\n",
        b"-5\r\nhello\r\n0\r\n\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b" 5\r\nhello\r\n0\r\n\r\n",
        b"5\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"5\r\nhelloX\r\n0\r\n\r\n",
        b"5\r\nhello0\r\n\r\n",
        b"\r\nhello\r\n0\r\n\r\n",
        b"fffffffffffffffff\r\nhello",
        b"10000000000000000\r\nhello",
        b"5;\x00\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\r\n0\r\nA: b\r\n c\r\n\r\n",
        b"5\r\nhello\r\n0\r\nA\x01: b\r\n\r\n",
        b"5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n",
        b"5\r\nhello\r\n0\r\n\rX",
    ],
)
def test_broken_chunks_are_refused(body: bytes) -> None:
    assert refused(CHUNKED + body) == 400
    assert refused(*_bytewise(CHUNKED + body)) == 400


def test_a_broken_body_refuses_the_request_that_a_handler_holds() -> None:
    """The request is told, no second one is made of the rest."""
    parser = parse(CHUNKED)
    request = only(parser)
    parser.feed(b"5\r\nhelloGET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert list(parser.requests) == [request]
    assert request.refused is not None
    assert not request.complete


@pytest.mark.parametrize("size", [0, 1, RAW_BODY_BYTES, RAW_BODY_BYTES + 1, 10 * RAW_BODY_BYTES])
def test_large_bodies_go_around_the_parser_and_the_next_request_is_found(size: int) -> None:
    body = bytes(range(256)) * (size // 256) + b"z" * (size % 256)
    raw = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size + body
    first, second = parse(raw + b"GET /b HTTP/1.1\r\nHost: x\r\n\r\n").requests
    assert (bytes(first.body), first.complete) == (body, True)
    assert (second.target, second.complete) == (b"/b", True)


# -- limits ---------------------------------------------------------------------------------------------------------


def test_a_head_without_end_is_refused() -> None:
    endless = b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * (MAX_HEAD_BYTES + 65536)
    assert refused(endless) == 431
    assert refused(b"GET /" + b"a" * (MAX_HEAD_BYTES + 65536)) == 431


def test_a_large_head_passes() -> None:
    raw = b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * (MAX_HEAD_BYTES - 100_000) + b"\r\n\r\n"
    assert only(parse(raw)).refused is None


def test_too_many_headers_are_refused() -> None:
    assert refused(b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * MAX_HEADERS + b"\r\n") == 431
    assert only(parse(b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * (MAX_HEADERS - 1) + b"\r\n")).refused is None


def test_many_small_headers_are_refused_before_they_cost_memory() -> None:
    """A hundred and fifty thousand of them fit into a megabyte; as Python objects they would be thirty."""
    parser = RequestParser()
    parser.feed(b"GET / HTTP/1.1\r\nHost: x\r\n")
    for _ in range(14):
        parser.feed(b"a:b\r\n" * (65536 // 5))
    request = parser.requests[-1]
    assert request.refused is not None
    assert request.refused[0] == 431
    assert len(request.headers) <= MAX_HEADERS


@pytest.mark.parametrize(
    "tail", [b"0\r\nA: ", b"5;a=", b"0\r\n" + b"a: b\r\n" * 10_000], ids=["value", "extension", "many"]
)
def test_a_chunked_body_may_not_end_in_endless_talk(tail: bytes) -> None:
    """Neither a trailer nor a chunk's extension adds to the body, so no limit on bodies would ever stop it."""
    parser = parse(CHUNKED + b"5\r\nhello\r\n", tail)
    gc.collect()
    tracemalloc.start()
    try:
        for _ in range(64):
            parser.feed(b"a: b\r\n" * 10_000 if tail.endswith(b"\n") else b"a" * 60_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    request = only(parser)
    assert request.refused is not None
    assert request.refused[0] in (400, 431)
    assert peak < 4 << 20


def test_blank_lines_between_requests_are_bounded() -> None:
    parser = RequestParser()
    for _ in range(40):
        parser.feed(b"\r\n" * 32768)
    assert parser.requests[-1].refused is not None


# -- upgrades -------------------------------------------------------------------------------------------------------

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


def test_a_websocket_handshake_becomes_a_tunnel() -> None:
    for parser in (parse(HANDSHAKE + b"\r\n\x81\x00GET"), parse(*_bytewise(HANDSHAKE + b"\r\n\x81\x00GET"))):
        request = only(parser)
        assert (request.upgrade, bytes(request.body), request.complete) == (b"websocket", b"\x81\x00GET", False)
        assert parser.tunnel is request


@pytest.mark.parametrize(
    "raw",
    [
        HANDSHAKE + b"Sec-WebSocket-Extensions: \xe4\r\n\r\n",
        HANDSHAKE + b"Sec-WebSocket-Protocol: \xff\r\n\r\n",
        HANDSHAKE + b"Content-Length: 3\r\n\r\nabc",
        HANDSHAKE + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HANDSHAKE.replace(b"GET", b"POST") + b"\r\n",
        HANDSHAKE.replace(b"HTTP/1.1", b"HTTP/1.0") + b"\r\n",
    ],
    ids=["extension", "protocol", "length", "chunked", "post", "1.0"],
)
def test_odd_handshakes_are_refused(raw: bytes) -> None:
    assert refused(raw) == 400
    assert refused(*_bytewise(raw)) == 400


@pytest.mark.parametrize("protocol", [b"h2c", b"TLS/1.0", b"websocket, h2c", b"h2c, websocket", b"", b"foo"])
@pytest.mark.parametrize(
    "framed",
    [b"\r\n", b"Content-Length: 5\r\n\r\nhello", b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"],
    ids=["none", "length", "chunked"],
)
def test_other_upgrades_are_not_taken_up(protocol: bytes, framed: bytes) -> None:
    """The request is served as if it had not asked, its body belongs to it, and the next one is found behind it."""
    raw = b"POST /h HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: %b\r\n%b" % (
        protocol,
        framed,
    )
    raw += b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n"
    for parser in (parse(raw), parse(*_bytewise(raw))):
        first, second = parser.requests
        assert (first.refused, first.target, first.upgrade, first.complete) == (None, b"/h", None, True)
        assert bytes(first.body) == (b"" if framed == b"\r\n" else b"hello")
        assert (second.refused, second.target, second.complete) == (None, b"/next", True)
        assert parser.tunnel is None


def test_an_upgrade_with_a_large_body_loses_none_of_it() -> None:
    body = bytes(range(256)) * 4096
    head = b"POST /h HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: %d\r\n\r\n" % len(
        body
    )
    first, second = parse(head + body + b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n").requests
    assert (bytes(first.body), first.complete, second.target) == (body, True, b"/next")


# -- pipelining -----------------------------------------------------------------------------------------------------


def test_nothing_is_taken_behind_connection_close() -> None:
    parser = parse(b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n")
    assert not parser.requests[0].keep_alive
    assert all(r.refused or r.target == b"/a" for r in parser.requests)


REQUESTS = [
    b"GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nGET /",
    CHUNKED + b"3\r\nabc\r\n1;x=y\r\nd\r\n0\r\nT: u\r\n\r\n",
    b"\r\nDELETE /d HTTP/1.1\r\nA: \xe4\r\nHost: x\r\n\r\n",
    b"GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"POST /u HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nhi",
    b"POST /v HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    b"HEAD /h HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n",
    b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    HANDSHAKE + b"\r\n\x81\x00",
    *BROKEN.values(),
]


def test_every_cut_of_a_pipeline_gives_the_same_requests() -> None:
    raw = b"".join(REQUESTS[:8]) + HANDSHAKE + b"\r\n\x81\x05hello"
    whole = seen(parse(raw))
    assert len(whole) == 9
    for cut in range(1, len(raw)):
        assert seen(parse(raw[:cut], raw[cut:])) == whole, cut
    assert seen(parse(*_bytewise(raw))) == whole


@given(requests=st.lists(st.sampled_from(REQUESTS), min_size=1, max_size=6), data=st.data())
@settings(max_examples=300, deadline=None)
def test_the_same_requests_come_out_however_the_bytes_are_cut(requests: list[bytes], data: st.DataObject) -> None:
    raw = b"".join(requests)
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, len(raw) - 1)), max_size=12)))
    pieces = [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    assert seen(parse(*pieces)) == seen(parse(raw))


@given(st.lists(st.binary(min_size=1, max_size=200), max_size=6))
@settings(max_examples=500, deadline=None)
def test_no_bytes_raise(pieces: list[bytes]) -> None:
    parse(*pieces)


@given(
    st.sampled_from(REQUESTS),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=4),
)
@settings(max_examples=500, deadline=None)
def test_no_damaged_request_raises_and_damage_depends_on_no_cut(raw: bytes, damage: list[tuple[int, int]]) -> None:
    broken = bytearray(raw + REQUESTS[0])
    for place, byte in damage:
        broken[place % len(broken)] = byte
    assert seen(parse(*_bytewise(bytes(broken)))) == seen(parse(bytes(broken)))


def _bytewise(raw: bytes) -> Iterable[bytes]:
    return [raw[i : i + 1] for i in range(len(raw))]
