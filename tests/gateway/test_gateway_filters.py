"""Filters from socket to socket: what the server gets of a request."""

from dataclasses import replace

import pytest

from llamaswap.config.parts import Filters
from tests.gateway.wire import A, Rig, answer, get, post, running

FILTERS = Filters(("temperature", "top_k"), {"stream": False}, {"org/model": {"seed": 1}})
FORM = (
    b'--X\r\nContent-Disposition: form-data; name="model"\r\n\r\na\r\n'
    b'--X\r\nContent-Disposition: form-data; name="top_k"\r\n\r\n1\r\n--X--\r\n'
)


def with_filters(rig: Rig, filters: Filters = FILTERS, use_model_name: str = "") -> None:
    spec = replace(rig.config.models[A], filters=filters, use_model_name=use_model_name)
    rig.config = replace(rig.config, models={**rig.config.models, A: spec})


@pytest.mark.parametrize(
    ("sent", "got"),
    [
        (b'{ "model" : "a", "top_k": 5, "x": [1.0] }', b'{ "model" : "real", "x": [1.0],"stream":false }'),
        (b'{"model":"org/model","stream":true}', b'{"model":"real","stream":false,"seed":1}'),
    ],
)
async def test_what_is_sent_on(sent: bytes, got: bytes) -> None:
    """The name that the client used decides, not the one that the server is told."""
    async with running() as rig:
        with_filters(rig, use_model_name="real")
        client = await rig.ask(post(sent))
        server, request = await rig.server.request()
        assert (request.body, request.get(b"content-length")) == (got, b"%d" % len(got))
        await server.send(answer())
        assert (await client.message()).status == 200


async def test_a_chunked_request_gets_a_length() -> None:
    async with running() as rig:
        with_filters(rig)
        head = post().partition(b"Content-Length")[0] + b"Transfer-Encoding: chunked\r\n\r\n"
        client = await rig.ask(head + b'd\r\n{"model":"a"}\r\n0\r\n\r\n')
        server, request = await rig.server.request()
        assert request.body == b'{"model":"a","stream":false}'
        assert request.get(b"transfer-encoding") is None
        await server.send(answer())
        assert (await client.message()).status == 200


async def test_other_bodies_and_paths_are_left_alone() -> None:
    async with running() as rig:
        with_filters(rig)
        form = post(FORM).replace(b"application/json", b"multipart/form-data; boundary=X")
        for raw, body in ((form, FORM), (get(b"/v1/audio/voices?model=a&top_k=1"), b"")):
            client = await rig.ask(raw)
            server, request = await rig.server.request()
            assert request.body == body
            await server.send(answer(b"", b"Connection: close"))
            assert (await client.message()).status == 200
        sent = b'{"top_k":1}'
        client = await rig.ask(post(sent, path=b"/upstream/a/x"))
        server, request = await rig.server.request()
        assert request.body == sent
        await server.send(answer())
        assert (await client.message()).status == 200


async def test_what_cannot_be_set_is_told_and_takes_no_place() -> None:
    async with running() as rig:
        with_filters(rig, Filters(set_params={"tools.name": 1}))
        client = await rig.ask(post(b'{"model":"a","tools":[]}'))
        refused = await client.message()
        assert refused.status == 500
        assert b"error setting parameter tools.name in request" in refused.body
        assert rig.dispatcher.arrived == 0
