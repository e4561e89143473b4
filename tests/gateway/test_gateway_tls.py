"""The same wire under TLS: plain, streamed, cut, and clients that are gone before they have shaken hands."""

import socket
import ssl
import struct

import pytest
import trio
import trustme

from tests.gateway.wire import PATIENCE_S, Rig, Wire, answer, get, post, running


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def context(authority: trustme.CA) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(made)
    return made


async def _connect(rig: Rig, authority: trustme.CA) -> Wire:
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    raw = await rig.connect()
    assert isinstance(raw.stream, trio.SocketStream)
    stream = trio.SSLStream(raw.stream, trusting, server_hostname="localhost")
    return Wire(stream, raw.sock)


async def test_answers_plain_streamed_and_large(authority: trustme.CA, context: ssl.SSLContext) -> None:
    async with running(tls=context) as rig:
        client = await _connect(rig, authority)
        await client.send(get(b"/health"))
        assert (await client.message()).body == b"OK"
        await client.send(post())
        server, _ = await rig.server.request()
        await server.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        await client.until(b"\r\n\r\n")
        for number in range(20):
            await server.send(b"3\r\n%03d\r\n" % number)
            assert await client.exactly(8) == b"3\r\n%03d\r\n" % number
        await server.send(b"0\r\n\r\n")
        assert await client.exactly(5) == b"0\r\n\r\n"
        body = bytes(range(256)) * 20_000
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.send, post(b'{"model":"a","x":"%b"}' % (b"y" * 3_000_000)) + post())
            server, request = await rig.server.request()
            assert len(request.body) > 3_000_000
            nursery.start_soon(server.send, answer(body))
            assert (await client.message()).body == body
        await server.message()
        await server.send(answer())
        assert (await client.message()).body == b"ok"


async def test_the_end_is_told_and_a_cut_is_not(authority: trustme.CA, context: ssl.SSLContext) -> None:
    """Without a frame only TLS's own goodbye tells a whole answer from a cut one."""
    async with running(tls=context) as rig:
        client = await _connect(rig, authority)
        await client.send(b"GET /health HTTP/1.0\r\n\r\n")
        assert (await client.all()).endswith(b"OK")
        client = await _connect(rig, authority)
        await client.send(b"GET /upstream/a/x HTTP/1.0\r\n\r\n")
        server, _ = await rig.server.request()
        await server.send(b"HTTP/1.1 200 OK\r\n\r\nhello")
        await client.until(b"hello")
        await server.reset()
        with pytest.raises(trio.BrokenResourceError):
            await client.all()


async def test_a_hang_up_under_tls_reaches_the_server(authority: trustme.CA, context: ssl.SSLContext) -> None:
    async with running(tls=context) as rig:
        client = await _connect(rig, authority)
        await client.send(post())
        server, _ = await rig.server.request()
        await client.close()
        await server.ended()
        await rig.idle()


@pytest.mark.parametrize(
    "sent", [b"", b"\x16", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"]
)
async def test_clients_that_do_not_shake_hands_harm_nobody(
    sent: bytes, authority: trustme.CA, context: ssl.SSLContext
) -> None:
    """Some are gone, with a reset, before they are accepted: in one step, so that the listener cannot be quicker."""
    async with running(tls=context) as rig:
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", rig.port)) as rude:
                rude.sendall(sent)
                rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        rude = socket.create_connection(("127.0.0.1", rig.port))
        rude.sendall(sent)
        rude.close()
        client = await _connect(rig, authority)
        await client.send(get(b"/health"))
        with trio.fail_after(PATIENCE_S):
            assert (await client.message()).body == b"OK"
