"""The cases of the router, by number: what a dispatcher does with requests, unloads, shutdown and time.

Where a case needs a real process or connection it is elsewhere; `grep R-nn tests` finds it.
"""

import math
from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from llamaswap.config.schema import ModelId
from llamaswap.errors import ModelNotFoundError, ShuttingDownError, UnloadedError, UpstreamError
from tests.router_world import APART, TOGETHER, RouterWorld, arrive, configured

A, B = ModelId("a"), ModelId("b")
every_scheduler = pytest.mark.parametrize("use", ["serial", "fifo", "batch"])


@every_scheduler
@pytest.mark.parametrize("gone_first", [True, False])
async def test_r_01_a_client_that_leaves_in_the_instant_of_its_grant(
    use: str, gone_first: bool, autojump_clock: MockClock
) -> None:
    """It is refused, or served for no time; either way nobody is counted, and the next swap goes on."""
    world = RouterWorld(configured(use, {"a": {}, "b": {}}))
    world.load_s["a"] = math.inf
    async with world.running() as dispatcher, trio.open_nursery() as nursery:
        leaving = await arrive(nursery, dispatcher, "a", for_s=math.inf)
        life = await world.life("a")
        if gone_first:
            leaving.scope.cancel()
            life.become_ready()
        else:
            life.become_ready()
            leaving.scope.cancel()
        await wait_all_tasks_blocked()
        assert [(running.model, running.requests) for running in dispatcher.running()] == [("a", 0)]
        following = await arrive(nursery, dispatcher, "b")
    assert following.outcome == "served"
    assert world.history == ["start a", "ready a", "stop a 10", "gone a", "start b", "ready b"]


async def test_r_02_a_grant_does_not_wait_for_its_reader(autojump_clock: MockClock) -> None:
    """Who is busy telling its client to wait holds up nobody."""
    world = RouterWorld(configured("fifo", {"a": {}, "b": {}}, groups=APART))
    async with world.running() as dispatcher:
        with dispatcher.request(A) as lease:
            await trio.sleep(100)  # somebody types a banner
            assert lease.upstream is not None
            began = trio.current_time()
            with dispatcher.request(B) as other:
                await other.wait()
            assert trio.current_time() - began == 1  # the load of b, and no more


@every_scheduler
async def test_r_07_a_request_for_a_model_that_its_ttl_is_stopping(use: str, autojump_clock: MockClock) -> None:
    world = RouterWorld(configured(use, {"a": {"ttl": 10}}))
    world.stop_s["a"] = 5
    async with world.running() as dispatcher, trio.open_nursery() as nursery:
        await dispatcher.load(A)
        await trio.sleep(12)
        assert dispatcher.state(A) == "stopping"
        late = await arrive(nursery, dispatcher, "a")
        await trio.sleep(20 - trio.current_time())
    assert late.outcome == "served"
    assert late.ended_at == 1 + 10 + 5 + 1
    assert world.history == ["start a", "ready a", "stop a 10", "gone a", "start a", "ready a"]


@every_scheduler
async def test_r_08_one_of_two_waiters_leaves(use: str, autojump_clock: MockClock) -> None:
    world = RouterWorld(configured(use, {"a": {}}))
    async with world.running() as dispatcher, trio.open_nursery() as nursery:
        leaving = await arrive(nursery, dispatcher, "a")
        staying = await arrive(nursery, dispatcher, "a")
        await trio.sleep(0.25)
        leaving.scope.cancel()
    assert (leaving.outcome, leaving.ended_at) == (None, 0.25)
    assert (staying.outcome, staying.ended_at) == ("served", 1)
    assert world.told("start") == ["a"]


# -- unloads -----------------------------------------------------------------------------------------------------------

TIMEOUTS = {"a": {"unloadTimeout": 45}, "e": {"unloadTimeout": 25}, "c": {"unloadTimeout": 10}}
ACE = {"all": {"swap": False, "members": ["a", "c", "e"]}}


async def loaded_all(world: RouterWorld, *models: str) -> None:
    async with trio.open_nursery() as nursery:
        for model in models:
            nursery.start_soon(world.dispatcher.load, ModelId(model))
    assert world.loaded() == sorted(models)


async def test_r_09_those_with_the_shortest_grace_are_stopped_first(autojump_clock: MockClock) -> None:
    world = RouterWorld(configured("fifo", TIMEOUTS, groups=ACE))
    async with world.running() as dispatcher:
        await loaded_all(world, "a", "e", "c")
        await dispatcher.unload(frozenset(map(ModelId, "aec")))
        assert world.alive() == []
    stops = [line for line in world.history if line.startswith("stop")]
    assert stops == ["stop c 10", "stop e 25", "stop a 45"]


async def test_r_10_equal_graces_run_side_by_side(autojump_clock: MockClock) -> None:
    world = RouterWorld(configured("fifo", {m: {} for m in "ace"}, groups=ACE, unloadTimeout=7))
    world.stop_s = dict.fromkeys("ace", 6.0)
    async with world.running() as dispatcher:
        await loaded_all(world, "a", "c", "e")
        began = trio.current_time()
        await dispatcher.unload(None)
        assert trio.current_time() - began == 6
    assert [life.graces for life in world.lives] == [[7], [7], [7]]


async def test_r_11_an_explicit_grace_is_everybodys(autojump_clock: MockClock) -> None:
    world = RouterWorld(configured("fifo", TIMEOUTS, groups=ACE))
    async with world.running() as dispatcher:
        await loaded_all(world, "a", "e", "c")
        await dispatcher.unload(None, grace=1)
    assert [life.graces for life in world.lives] == [[1], [1], [1]]


async def test_r_12_the_others_stay(autojump_clock: MockClock) -> None:
    world = RouterWorld(configured("fifo", {m: {} for m in "abc"}, groups=TOGETHER))
    async with world.running() as dispatcher:
        await loaded_all(world, "a", "b", "c")
        assert await dispatcher.unload(frozenset((B, ModelId("ghost")))) == ()
        assert [(running.model, running.state) for running in dispatcher.running()] == [("a", "ready"), ("c", "ready")]
    assert world.told("stop") == ["b"]


# -- shutdown ----------------------------------------------------------------------------------------------------------


@every_scheduler
async def test_r_13_after_a_shutdown_nothing_is_served_and_nothing_stopped_again(
    use: str, autojump_clock: MockClock
) -> None:
    world = RouterWorld(configured(use, {m: {} for m in "abc"}, groups=TOGETHER))
    async with world.running() as dispatcher, trio.open_nursery() as nursery:
        for model in "abc":
            await dispatcher.load(ModelId(model))
        await dispatcher.shut_down(drain=True)
        assert world.alive() == []
        late = await arrive(nursery, dispatcher, "a")
        await dispatcher.shut_down(drain=False)
    assert isinstance(late.outcome, ShuttingDownError) and late.outcome.status == 503
    assert [len(life.graces) for life in world.lives] == [1, 1, 1]


@every_scheduler
async def test_r_14_shutdown_while_a_model_loads(use: str, autojump_clock: MockClock) -> None:
    world = RouterWorld(configured(use, {"a": {}}))
    world.load_s["a"] = math.inf
    async with world.running() as dispatcher, trio.open_nursery() as nursery:
        waiter = await arrive(nursery, dispatcher, "a")
        await dispatcher.shut_down(drain=True)
        assert world.alive() == []
    assert isinstance(waiter.outcome, ShuttingDownError) and waiter.ended_at == 0
    assert world.history == ["start a", "stop a 10", "gone a"]


@every_scheduler
async def test_r_15_shutdown_while_a_swap_waits_for_its_victim(use: str, autojump_clock: MockClock) -> None:
    world = RouterWorld(configured(use, {"a": {}, "x": {}}))
    world.stop_s["x"] = 3
    async with world.running() as dispatcher, trio.open_nursery() as nursery:
        await dispatcher.load(ModelId("x"))
        waiter = await arrive(nursery, dispatcher, "a")
        assert dispatcher.state(ModelId("x")) == "stopping"
        await dispatcher.shut_down(drain=True)
    assert isinstance(waiter.outcome, ShuttingDownError)
    assert world.history == ["start x", "ready x", "stop x 10", "gone x"]


# -- side by side ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("use", ["fifo", "batch"])
async def test_r_16_models_that_do_not_exclude_each_other_load_side_by_side(
    use: str, autojump_clock: MockClock
) -> None:
    world = RouterWorld(configured(use, {"a": {}, "b": {}}, groups=APART))
    async with world.running() as dispatcher, trio.open_nursery() as nursery:
        clients = [await arrive(nursery, dispatcher, model) for model in "ab"]
    assert [client.outcome for client in clients] == ["served", "served"]
    assert world.history[:2] == ["start a", "start b"]


async def test_r_17_what_is_running_is_what_is_not_stopped(autojump_clock: MockClock) -> None:
    world = RouterWorld(configured("fifo", {m: {} for m in "abc"}, groups=TOGETHER))
    world.load_s["b"] = math.inf
    async with world.running() as dispatcher, trio.open_nursery() as nursery:
        await dispatcher.load(A)
        loading = await arrive(nursery, dispatcher, "b")
        assert [(running.model, running.state) for running in dispatcher.running()] == [
            ("a", "ready"),
            ("b", "starting"),
        ]
        loading.scope.cancel()


@every_scheduler
async def test_r_18_a_process_that_dies_between_its_grant_and_the_first_byte(
    use: str, autojump_clock: MockClock
) -> None:
    """The request is told that there is nobody (502), and is counted no longer than it lives."""
    world = RouterWorld(configured(use, {"a": {}}))
    async with world.running() as dispatcher:
        with dispatcher.request(A) as lease:
            upstream = await lease.wait()
            (await world.life("a")).die()
            assert upstream.take_idle() is None
            with pytest.raises(UpstreamError, match="the model has been stopped") as refused:
                await upstream.open()
            assert refused.value.status == 502
        await dispatcher.load(A)
    assert world.told("start") == ["a", "a"]


# -- ttl ---------------------------------------------------------------------------------------------------------------


@every_scheduler
async def test_r_19_a_model_whose_client_left_while_it_loaded_gets_its_whole_ttl(
    use: str, autojump_clock: MockClock
) -> None:
    world = RouterWorld(configured(use, {"a": {"ttl": 1}}))
    world.load_s["a"] = 5
    async with world.running() as dispatcher, trio.open_nursery() as nursery:
        leaving = await arrive(nursery, dispatcher, "a")
        leaving.scope.cancel()
        await trio.sleep(5.9)
        assert dispatcher.state(A) == "ready"
        await trio.sleep(0.2)
        assert dispatcher.state(A) == "stopping"


@every_scheduler
async def test_r_20_a_model_that_is_used_stays(use: str, autojump_clock: MockClock) -> None:
    world = RouterWorld(configured(use, {"a": {"ttl": 1}}))
    async with world.running() as dispatcher:
        for _ in range(6):
            with dispatcher.request(A) as lease:
                await lease.wait()
            await trio.sleep(0.75)
    assert world.history == ["start a", "ready a"]


@every_scheduler
async def test_r_21_a_model_is_not_stopped_during_a_long_request(use: str, autojump_clock: MockClock) -> None:
    world = RouterWorld(configured(use, {"a": {"ttl": 1}}))
    async with world.running() as dispatcher:
        with dispatcher.request(A) as lease:
            await lease.wait()
            await trio.sleep(50)
            assert dispatcher.state(A) == "ready"
        await trio.sleep(0.9)
        assert dispatcher.state(A) == "ready"
        await trio.sleep(0.2)
        assert dispatcher.state(A) == "stopping"


@every_scheduler
async def test_r_23_without_ttl_a_model_is_never_stopped(use: str, autojump_clock: MockClock) -> None:
    world = RouterWorld(configured(use, {"a": {"ttl": 0}}, globalTTL=3))
    async with world.running() as dispatcher:
        await dispatcher.load(A)
        await trio.sleep(24 * 3600)
        assert dispatcher.state(A) == "ready"


# -- reload ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("use", ["fifo", "batch"])
async def test_r_28_a_reload_leaves_alone_what_did_not_change(use: str, autojump_clock: MockClock) -> None:
    """a goes on with its request; b, which was idle, is gone from the configuration."""
    world = RouterWorld(configured(use, {m: {} for m in "abc"}, groups=TOGETHER))
    async with world.running() as dispatcher, trio.open_nursery() as nursery:
        await loaded_all(world, "a", "b")
        served = await arrive(nursery, dispatcher, "a", for_s=30)
        dispatcher.replace_config(configured(use, {"a": {}, "c": {}}))
        await trio.sleep(2)
        assert world.loaded() == ["a"]
        assert served.outcome == "served" and not served.ended_at
        late = await arrive(nursery, dispatcher, "b")
        assert isinstance(late.outcome, ModelNotFoundError)
    assert served.ended_at == 31
    assert (sorted(world.told("start")), world.told("stop")) == (["a", "b"], ["b"])


@every_scheduler
async def test_r_29_queued_requests_are_served_under_the_new_configuration(use: str, autojump_clock: MockClock) -> None:
    old = configured(use, {"a": {}, "b": {}, "c": {}})
    world = RouterWorld(old)
    async with world.running() as dispatcher, trio.open_nursery() as nursery:
        await arrive(nursery, dispatcher, "a", for_s=10)
        await trio.sleep(2)
        queued = [await arrive(nursery, dispatcher, model) for model in "cbc"]
        without_b = {name: spec for name, spec in old.models.items() if name != "b"}
        changed = replace(without_b[ModelId("c")], cmd="serve c anew")
        dispatcher.replace_config(replace(old, models=without_b | {changed.id: changed}))
        await wait_all_tasks_blocked()
        assert isinstance(queued[1].outcome, ModelNotFoundError) and queued[1].outcome.status == 404
    assert queued[0].outcome == queued[2].outcome == "served"
    assert queued[0].ended_at <= queued[2].ended_at
    assert [life.spec.cmd for life in world.lives] == ["serve a", "serve c anew"]


# -- what an unload means for whom (13) --------------------------------------------------------------------------------


@every_scheduler
async def test_an_unload_refuses_who_waits_for_its_models_and_nobody_else(use: str, autojump_clock: MockClock) -> None:
    world = RouterWorld(configured(use, {"a": {}, "b": {}}))
    world.load_s["a"] = math.inf
    async with world.running() as dispatcher, trio.open_nursery() as nursery:
        loading = await arrive(nursery, dispatcher, "a")
        other = await arrive(nursery, dispatcher, "b")
        await dispatcher.unload(frozenset((A,)))
        assert isinstance(loading.outcome, UnloadedError)
        assert str(loading.outcome) == "unspecific error: group: model unloaded" and loading.outcome.status == 500
    assert other.outcome == "served"
    assert world.told("ready") == ["b"]
