"""A selector's request from socket to socket: where the name goes, and that its count ends however the request does."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from llamaswap.config.parts import SelectorConfig
from llamaswap.config.schema import ModelId
from tests.gateway.wire import DEAD, A, Rig, Wire, answer, get, post, running

ASKED = b'{"stream": false, "model" : "s"}'
Ending = Callable[[Rig, Wire], Awaitable[None]]


def with_selector(rig: Rig, *targets: str) -> None:
    selector = SelectorConfig("s", "spillover", targets)
    rig.config = replace(rig.config, selectors={"s": selector})


def held(rig: Rig) -> dict[tuple[str, ModelId], int]:
    return dict(rig.plane.handler.selectors.held)


async def served(rig: Rig, client: Wire) -> None:
    server, request = await rig.server.request()
    assert request.body == ASKED.replace(b'"s"', b'"org/model"')
    assert held(rig) == {("s", A): 1}
    await server.send(answer())
    assert (await client.message()).body == b"ok"


async def cut(rig: Rig, client: Wire) -> None:
    server, _ = await rig.server.request()
    await server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
    await client.until(b"half")
    await server.close()
    await client.ended()


async def refused_by_the_server(rig: Rig, client: Wire) -> None:
    server, _ = await rig.server.request()
    await server.close()
    assert (await client.message()).status == 502


async def left_while_served(rig: Rig, client: Wire) -> None:
    await rig.server.request()
    await client.reset()


@pytest.mark.parametrize("ending", [served, cut, refused_by_the_server, left_while_served])
async def test_a_count_ends_with_its_request(ending: Ending) -> None:
    async with running() as rig:
        with_selector(rig, "org/model")
        client = await rig.ask(post(ASKED))
        await ending(rig, client)
        await rig.idle()
        assert held(rig) == {}


async def test_a_count_begins_before_the_wait_and_ends_with_it() -> None:
    async with running(loads_by_itself=False) as rig:
        with_selector(rig, "a", "dead")
        clients = []
        for arrived in (1, 2):
            clients.append(await rig.ask(post(ASKED)))
            await rig.dispatcher.until(lambda count=arrived: rig.dispatcher.arrived == count)  # type: ignore[misc] # mypy cannot type a lambda's default
        assert held(rig) == {("s", A): 1, ("s", DEAD): 1}
        for client in clients:
            await client.close()
        await rig.idle()
        assert held(rig) == {}


async def test_a_load_that_fails_is_told_and_counted_no_longer() -> None:
    async with running(loads_by_itself=False) as rig:
        with_selector(rig, "a")
        client = await rig.ask(post(ASKED))
        await rig.dispatcher.until(lambda: rig.dispatcher.arrived == 1)
        await rig.dispatcher.unload(None)
        assert (await client.message()).status == 500
        assert held(rig) == {}


@pytest.mark.parametrize("path", [b"/v1/audio/voices?model=s&x=%41", b"/v1/audio/voices?x=%41&model=s"])
async def test_a_name_in_the_query_is_replaced_there(path: bytes) -> None:
    async with running() as rig:
        with_selector(rig, "org/model")
        client = await rig.ask(get(path))
        server, request = await rig.server.request()
        assert request.first == b"GET %b HTTP/1.1" % path.replace(b"model=s", b"model=org%2Fmodel")
        await server.send(answer())
        assert (await client.message()).status == 200


async def test_a_selector_of_models_that_are_elsewhere_has_no_target() -> None:
    async with running() as rig:
        with_selector(rig, "peer/x")
        client = await rig.ask(post(ASKED))
        refused = await client.message()
        assert refused.status == 503
        assert b'selector \\"s\\" has no available spillover targets' in refused.body
        assert rig.dispatcher.arrived == 0


async def test_below_upstream_a_selector_is_no_name() -> None:
    async with running() as rig:
        with_selector(rig, "a")
        client = await rig.ask(get(b"/upstream/s/x"))
        assert (await client.message()).status == 404
