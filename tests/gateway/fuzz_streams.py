"""Byte streams for the fuzzer: requests that are right or nearly so, and noise; and what h11 makes of them.

Connection *n* of seed *s* always sends the same bytes in the same pieces.
"""

import itertools
import random
import re
from dataclasses import dataclass

import h11

BODY = b'{"model":"a","messages":[]}'

_REQUESTS = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY),
    b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
    b'Transfer-Encoding: chunked\r\n\r\n8\r\n{"model"\r\n5;x=y\r\n:"a"}\r\n0\r\nTrailer: t\r\n\r\n',
    b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=xyz\r\n"
    b'Content-Length: 98\r\n\r\n--xyz\r\nContent-Disposition: form-data; name="model"\r\n\r\na\r\n--xyz--\r\n'
    + b" "
    * 23,
    b"POST /v1/images/edits HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"Content-Length: 13\r\n\r\nmodel=a&x=%20",
    b"GET /upstream/a/x%2Fy/../z?q=1 HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n",
    b"HEAD /upstream/a/head HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"POST /upstream/a/up HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"PUT /upstream/a/put HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nGET ",
    b"GET /upstream/a/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: eA==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    b"POST /upstream/a/h2c HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    b"HTTP2-Settings: AAMAAABkAAQAAP__\r\nContent-Length: 2\r\n\r\nhi",
    b"GET /upstream/a/old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"GET /props?model=a HTTP/1.1\r\nHost: 127.0.0.1:1\r\nConnection: X-Mine, Host\r\nX-Mine: 1\r\n\r\n",
    b"OPTIONS /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n\r\n",
    b"GET /running HTTP/1.1\r\nHost: localhost\r\nUser-Agent: \xe4\r\n\r\n",
    b"DELETE /a//b/./c HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
)
_NOISE = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET http://localhost/upstream/a/x HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /upstream/a/x\r\n\r\n",
    b"SSH-2.0-x\r\n",
    b"\r\n\r\n\r\n",
    b"\x81\x85\x01\x02\x03\x04hello",
)
_TOKENS = (
    b"\r\n", b"\n", b"\r", b"\0", b"\xff", b" ", b"\t", b":", b";", b",", b"/", b"%2F", b"..", b"#", b"?", b"0", b"-",
    b"+",
    b"\r\n\r\n", b"0\r\n\r\n", b"ffffffffffffffff\r\n", b"10000000000000000\r\n", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/9.9",
    b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"content-length:99999\r\n", b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding : chunked\r\n", b"Transfer-Encoding: gzip, chunked\r\n", b"Transfer-Encoding:\x0bchunked\r\n",
    b"Host: evil.com\r\n", b"Host: localhost\r\n", b"Connection: close\r\n", b"Connection: content-length\r\n",
    b"Connection: transfer-encoding, host\r\n", b"Upgrade: websocket\r\nConnection: upgrade\r\n",
    b"Expect: 100-continue\r\n", b"Upgrade: h2c\r\nConnection: upgrade\r\n", b"TE: trailers\r\n", b" folded\r\n",
    b"X: \x80\xff\r\n", b"Origin: null\r\n",
)  # fmt: skip


@dataclass(frozen=True)
class Stream:
    """What one client sends: `pieces` one after the other; `hangs_up` at once, without reading what comes."""

    pieces: tuple[bytes, ...]
    hangs_up: bool

    @property
    def raw(self) -> bytes:
        return b"".join(self.pieces)


def stream(seed: str, number: int) -> Stream:
    chance = random.Random(f"{seed}/{number}")
    parts = [chance.choice(_REQUESTS) for _ in range(chance.choice((1, 1, 2, 3, 6)))]
    if chance.random() < 0.1:
        parts.insert(chance.randrange(len(parts) + 1), chance.choice(_NOISE))
    if chance.random() < 0.05:
        parts = [chance.randbytes(chance.randrange(1, 300))]
    raw = bytearray(b"".join(parts))
    for _ in range(chance.choice((0, 1, 1, 2, 3, 6))):
        _damage(raw, chance)
    # Whatever is still well-formed here ends the connection, so that nobody waits for anybody.
    raw += b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    cuts = sorted({chance.randrange(1, len(raw)) for _ in range(chance.choice((0, 0, 1, 2, 5, 20)))})
    bounds = [0, *cuts, len(raw)]
    return Stream(tuple(bytes(raw[a:b]) for a, b in itertools.pairwise(bounds)), hangs_up=chance.random() < 0.1)


def _damage(raw: bytearray, chance: random.Random) -> None:
    if not raw:
        return
    place = chance.randrange(len(raw))
    length = chance.choice((1, 1, 2, 5, 20, 100))
    match chance.randrange(7):
        case 0:
            raw[place] ^= 1 << chance.randrange(8)
        case 1:
            raw[place] = chance.randrange(256)
        case 2:
            del raw[place : place + length]
        case 3:
            raw[place:place] = raw[place : place + length]
        case 4 | 5:
            # Mostly where a header line begins: there it does the most harm.
            line = raw.find(b"\r\n", place)
            place = line + 2 if line >= 0 and chance.random() < 0.7 else place
            raw[place:place] = chance.choice(_TOKENS)
        case _:
            other = chance.choice(_REQUESTS)
            raw[place : place + length] = other[chance.randrange(len(other)) :][:length]


@dataclass
class Seen:
    """A request as h11 reads it. `whole`: its body came to its end."""

    method: bytes
    target: bytes
    body: bytes = b""
    whole: bool = False

    def may_be(self, sent: "Seen") -> bool:
        """Whether this delivered request may come from *sent*: a prefix of the path may have been taken off."""
        # Of /upstream/a%2Fx the model gets /x: the slash that parted them need not have been a plain one.
        mine, theirs = (re.sub(rb"%2[Ff]", b"/", target) for target in (self.target, sent.target))
        if self.method != sent.method or not theirs.endswith(mine):
            return False
        return self.body == sent.body and sent.whole if self.whole else sent.body.startswith(self.body)


def oracle(raw: bytes) -> list[Seen]:
    """The requests that h11 reads in *raw*, up to where it refuses to go on; the last one may be incomplete.

    Two liberties of RFC 9112 that h11 does not take: blank lines before a request (2.2), more blanks in its line (3).
    """
    requests: list[Seen] = []
    while raw := raw.lstrip(b"\r\n"):
        line, end, rest = raw.partition(b"\r\n")
        raw = re.sub(rb" {2,}", b" ", line) + end + rest
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 22)
        connection.receive_data(raw)
        connection.receive_data(b"")
        try:
            while not isinstance(event := connection.next_event(), h11.EndOfMessage):
                if isinstance(event, h11.Request):
                    requests.append(Seen(bytes(event.method), bytes(event.target)))
                elif isinstance(event, h11.Data):
                    requests[-1].body += bytes(event.data)
                else:
                    return requests
        except h11.RemoteProtocolError:
            return requests
        requests[-1].whole = True
        raw = b"" if connection.their_state is h11.MUST_CLOSE else connection.trailing_data[0]
    return requests
