"""The control plane may fail: it is started again, and nobody else notices."""

from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest
import trio
from trio.testing import MockClock

from llamaswap import controlplane
from llamaswap.control.context import ControlContext
from llamaswap.controlplane import ControlPlane


class Failing:
    """Stands in for the server: each life begins to serve, and fails a second later, until `healthy`."""

    def __init__(self) -> None:
        self.begun_at: list[float] = []
        self.healthy = False

    async def serve(
        self,
        path: Path,
        context: ControlContext,
        *,
        shutdown_trigger: Callable[[], Awaitable[None]],
        task_status: trio.TaskStatus[None],
    ) -> None:
        self.begun_at.append(trio.current_time())
        task_status.started()
        if self.healthy:
            await shutdown_trigger()
            return
        await trio.sleep(1)
        raise RuntimeError("planted")


async def test_a_failed_control_plane_is_started_again_with_growing_pauses(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = Failing()
    monkeypatch.setattr(controlplane, "serve_control", server.serve)
    plane = ControlPlane(tmp_path / "socket", cast(Any, None))
    stopping = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(plane.run, stopping)
        await plane.ready.wait()
        await trio.sleep(1.2)
        assert not plane.ready.is_set(), "requests must wait, or be told, while nobody answers there"
        await trio.sleep(3.8)
        server.healthy = True
        await plane.ready.wait()
        await trio.sleep(10)
        assert plane.ready.is_set()
        stopping.set()
        await plane.ended.wait()
    began = server.begun_at
    assert [round(later - earlier, 3) for earlier, later in pairwise(began)] == [1.5, 2.0, 3.0]
    assert [record.exc_info is not None for record in caplog.records] == [True] * 3


async def test_a_daemon_that_stops_does_not_wait_for_the_next_try(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(controlplane, "serve_control", Failing().serve)
    plane = ControlPlane(tmp_path / "socket", cast(Any, None))
    stopping = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(plane.run, stopping)
        await trio.sleep(1.1)
        stopping.set()
        began = trio.current_time()
        await plane.ended.wait()
        assert trio.current_time() == began
