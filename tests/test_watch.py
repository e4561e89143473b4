"""Seeing changes: by content, once they have settled."""

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from llamaswap.watch import POLL_S, watch


@pytest.fixture
def inline_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading files in the test's own thread: the mock clock cannot see that a real thread is busy."""

    async def run_sync(function: object, *args: object, abandon_on_cancel: bool = False) -> object:
        await trio.lowlevel.checkpoint()
        assert callable(function)
        return function(*args)

    monkeypatch.setattr(trio.to_thread, "run_sync", run_sync)


class Watched:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.seen: list[str] = []

    def files(self) -> list[Path]:
        return [self.path]

    async def changed(self) -> None:
        self.seen.append(self.path.read_text())


async def looks(count: float) -> None:
    await trio.sleep(count * POLL_S + POLL_S / 2)


@pytest.mark.usefixtures("inline_threads")
async def test_a_change_is_told_once_when_it_has_settled(autojump_clock: MockClock, tmp_path: Path) -> None:
    watched = Watched(tmp_path / "config.yaml")
    watched.path.write_text("one")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch, watched.files, watched.changed)
        await looks(2)
        watched.path.write_text("half wri")
        await looks(0)
        watched.path.write_text("half written")
        await looks(4)
        assert watched.seen == ["half written"]
        nursery.cancel_scope.cancel()


@pytest.mark.usefixtures("inline_threads")
async def test_a_file_that_is_gone_for_a_moment_is_no_change(autojump_clock: MockClock, tmp_path: Path) -> None:
    watched = Watched(tmp_path / "config.yaml")
    watched.path.write_text("one")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch, watched.files, watched.changed)
        await looks(1)
        watched.path.unlink()
        await looks(3)
        watched.path.write_text("one")
        await looks(3)
        assert watched.seen == []
        watched.path.write_text("two")
        await looks(3)
        assert watched.seen == ["two"]
        nursery.cancel_scope.cancel()
