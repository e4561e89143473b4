"""Seeing changes: real files and the real clock, with events and without."""

import errno
import itertools
import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
from inotify_simple import INotify

from llamaswap import hints, stillness
from llamaswap import watch as watch_module
from llamaswap.config.text.sources import sources
from llamaswap.watch import look, watch
from tests.allowance import ALLOWANCE_S

#: Promised: the last of several writes wins within so long. (What is done with it takes a moment of its own.)
PROMISED_S = 5.0 + ALLOWANCE_S
QUIET_S = stillness.QUIET_S


class Watched:
    """What `watch` is given, what it looks at, and what it tells."""

    def __init__(self, files: Callable[[], list[Path]]) -> None:
        self.files = files
        self.gate = trio.Event()  # lets calls return
        self.gate.set()
        self._looked = trio.Event()
        self._send, self._calls = trio.open_memory_channel[str](100)

    def look(self, files: Callable[[], list[Path]]) -> stillness.Seen:
        seen = look(files)
        trio.from_thread.run_sync(self._note_look)
        return seen

    def _note_look(self) -> None:
        self._looked.set()
        self._looked = trio.Event()

    async def changed(self) -> None:
        self._send.send_nowait("+".join(path.read_text() for path in self.files()))
        await self.gate.wait()

    async def looks(self, count: int) -> None:
        """Wait until *count* more looks are over."""
        with trio.fail_after(20):
            for _ in range(count):
                await self._looked.wait()

    async def told(self) -> str:
        """The content at the next call."""
        with trio.fail_after(PROMISED_S):
            return await self._calls.receive()

    def told_nothing(self) -> bool:
        return self._calls.statistics().current_buffer_used == 0


@asynccontextmanager
async def watching(files: Callable[[], list[Path]]) -> AsyncIterator[Watched]:
    watched = Watched(files)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watch_module, "look", watched.look)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch, files, watched.changed)
            await watched.looks(1)
            yield watched
            nursery.cancel_scope.cancel("test is over")


def without_events(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(hints, "INotify", refuse)


@pytest.fixture(params=["events", "polling"])
def how(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Events alone, or polling alone: each must do by itself."""
    if request.param == "polling":
        without_events(monkeypatch)
    monkeypatch.setattr(stillness, "POLL_S", 60.0 if request.param == "events" else 0.05)
    monkeypatch.setattr(stillness, "QUIET_S", 0.05)
    return str(request.param)


@pytest.fixture
def polled_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks do not end, so that one can wait for some of them."""
    monkeypatch.setattr(stillness, "POLL_S", 0.05)
    monkeypatch.setattr(stillness, "QUIET_S", 0.05)


@pytest.fixture
def as_shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the quiet time as it is; to be named after `how`."""
    monkeypatch.setattr(stillness, "QUIET_S", QUIET_S)


# -- how people and programs save -------------------------------------------------------------------------------------


def in_place(path: Path) -> None:
    path.write_text("two")


def with_same_size_and_time(path: Path) -> None:
    before = path.stat()
    path.write_text("two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns


def by_atomic_replace(path: Path) -> None:
    new = path.with_name(".new")
    new.write_text("two")
    new.replace(path)


def as_vim_does(path: Path) -> None:
    probe, backup = path.with_name("4913"), path.with_name("config.yaml~")
    probe.touch()
    probe.unlink()
    path.rename(backup)
    path.write_text("two")
    backup.unlink()


def as_emacs_does(path: Path) -> None:
    lock = path.with_name(".#config.yaml")
    lock.symlink_to("someone@somewhere.4711:1")
    path.rename(path.with_name("config.yaml~"))
    path.write_text("two")
    lock.unlink()


def by_removal_and_creation(path: Path) -> None:
    path.unlink()
    path.write_text("two")


def by_a_link_in_its_place(path: Path) -> None:
    other = path.with_name("other")
    other.write_text("two")
    path.unlink()
    path.symlink_to("other")


SAVES = (
    in_place,
    with_same_size_and_time,
    by_atomic_replace,
    as_vim_does,
    as_emacs_does,
    by_removal_and_creation,
    by_a_link_in_its_place,
)


@pytest.mark.parametrize("save", SAVES, ids=lambda save: save.__name__)
async def test_a_save_is_told_once(how: str, save: Callable[[Path], None], tmp_path: Path) -> None:
    """In a configuration directory, where locks and backups of editors lie beside it."""
    path = tmp_path / "config.yaml"
    path.write_text("one")
    async with watching(partial(sources, None, tmp_path)) as watched:
        save(path)
        assert await watched.told() == "two"
        path.write_text("three")
        assert await watched.told() == "three"


async def test_a_half_written_file_is_not_told(how: str, as_shipped: None, tmp_path: Path) -> None:
    """A look has seen the half; the rest follows within the quiet time."""
    path = tmp_path / "config.yaml"
    path.write_text("one")
    async with watching(partial(sources, path, None)) as watched:
        path.write_text("half wri")
        await watched.looks(1)
        with path.open("a") as file:
            file.write("tten")
        assert await watched.told() == "half written"
        assert watched.told_nothing()


async def test_a_file_emptied_by_its_generator_is_not_told(how: str, as_shipped: None, tmp_path: Path) -> None:
    """`generate > config.yaml` empties the file when it starts, and fills it when it is ready."""
    path = tmp_path / "config.yaml"
    path.write_text("one")
    async with watching(partial(sources, path, None)) as watched:
        path.write_text("")
        await watched.looks(1)
        with trio.move_on_after(3 * stillness.QUIET_S):  # this long it thinks
            await trio.sleep_forever()
        path.write_text("generated")
        assert await watched.told() == "generated"
        assert watched.told_nothing()


async def test_the_last_of_many_writes_wins(how: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("one")
    async with watching(partial(sources, path, None)) as watched:
        for number in range(60):
            path.write_text(f"write {number}")
            await trio.sleep(0.01)  # the writer's pace
        with trio.fail_after(PROMISED_S):
            while await watched.told() != "write 59":
                pass


async def test_a_file_rewritten_without_end_is_told_all_the_same(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stillness, "MOST_LOOKS", 4)
    path = tmp_path / "config.yaml"
    path.write_text("one")

    async def rewrite() -> None:
        for number in itertools.count():
            path.with_name("new").write_text(f"write {number}")
            path.with_name("new").replace(path)
            await trio.sleep(stillness.QUIET_S / 5)

    async with trio.open_nursery() as nursery, watching(partial(sources, path, None)) as watched:
        nursery.start_soon(rewrite)
        assert (await watched.told()).startswith("write")
        nursery.cancel_scope.cancel("seen")


# -- links and directories --------------------------------------------------------------------------------------------


def config_map(root: Path) -> Path:
    """A ConfigMap as Kubernetes mounts it."""
    (root / "..2026_1").mkdir()
    (root / "..2026_1" / "config.yaml").write_text("one")
    (root / "..data").symlink_to("..2026_1")
    (root / "config.yaml").symlink_to("..data/config.yaml")
    return root / "config.yaml"


def flip(root: Path, old: str, new: str, text: str) -> None:
    """As the kubelet updates it: a new directory, a new link renamed over the old one, the old directory removed."""
    (root / new).mkdir()
    (root / new / "config.yaml").write_text(text)
    (root / "..data_tmp").symlink_to(new)
    (root / "..data_tmp").rename(root / "..data")
    shutil.rmtree(root / old)


async def test_a_config_map_is_updated_again_and_again(how: str, tmp_path: Path) -> None:
    path = config_map(tmp_path)
    async with watching(partial(sources, path, None)) as watched:
        for number in range(1, 4):
            flip(tmp_path, f"..2026_{number}", f"..2026_{number + 1}", f"update {number}")
            assert await watched.told() == f"update {number}"


async def test_the_target_of_a_link_elsewhere_is_seen(how: str, tmp_path: Path) -> None:
    """A link on the way, `current`, and the file behind it, in one directory and then in the other."""
    for release in ("1", "2"):
        (tmp_path / "releases" / release).mkdir(parents=True)
        (tmp_path / "releases" / release / "config.yaml").write_text(f"release {release}")
    (tmp_path / "here").mkdir()
    current = tmp_path / "here" / "current"
    current.symlink_to("../releases/1")
    async with watching(partial(sources, current / "config.yaml", None)) as watched:
        (tmp_path / "releases" / "1" / "config.yaml").write_text("edited 1")
        assert await watched.told() == "edited 1"
        (tmp_path / "new").symlink_to("../releases/2")
        (tmp_path / "new").rename(current)
        assert await watched.told() == "release 2"
        (tmp_path / "releases" / "2" / "config.yaml").write_text("edited 2")
        assert await watched.told() == "edited 2"


async def test_files_come_and_go_in_a_directory(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.yaml").write_text("a")
    async with watching(partial(sources, None, tmp_path)) as watched:
        (tmp_path / "b.yaml").write_text("b")
        assert await watched.told() == "a+b"
        (tmp_path / "a.yaml").unlink()
        assert await watched.told() == "b"
        (tmp_path / "c.yaml").write_text("c")
        assert await watched.told() == "b+c"
        monkeypatch.setattr(stillness, "EMPTY_S", 0.5)
        (tmp_path / "b.yaml").write_text("")
        assert await watched.told() == "+c"


async def test_a_directory_that_is_gone_may_come_back(how: str, tmp_path: Path) -> None:
    directory, other = tmp_path / "conf.d", tmp_path / "other"
    directory.mkdir()
    (directory / "a.yaml").write_text("one")
    async with watching(partial(sources, None, directory)) as watched:
        directory.rename(other)
        await watched.looks(1)
        (other / "a.yaml").write_text("two")
        other.rename(directory)
        assert await watched.told() == "two"
        shutil.rmtree(directory)
        await watched.looks(1)
        directory.mkdir()
        (directory / "a.yaml").write_text("three")
        assert await watched.told() == "three"


async def test_a_directory_next_to_a_file_may_be_empty_for_a_while(how: str, tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "config.yaml").write_text("one")
    added = tmp_path / "conf.d" / "a.yaml"
    added.write_text("a")
    async with watching(partial(sources, tmp_path / "config.yaml", tmp_path / "conf.d")) as watched:
        added.unlink()
        assert await watched.told() == "one"
        added.write_text("b")
        assert await watched.told() == "one+b"


# -- what is no change ------------------------------------------------------------------------------------------------


def touched(path: Path) -> None:
    path.touch()


def rewritten(path: Path) -> None:
    path.write_text("one")


def gone_for_good(path: Path) -> None:
    path.unlink()


def replaced_by_its_equal(path: Path) -> None:
    path.with_name("new").write_text("one")
    path.with_name("new").replace(path)


def beside_another_file(path: Path) -> None:
    path.with_name("notes.txt").write_text("two")


NO_CHANGES = (touched, rewritten, gone_for_good, replaced_by_its_equal, beside_another_file)


@pytest.mark.usefixtures("polled_often")
@pytest.mark.parametrize("what", NO_CHANGES, ids=lambda what: what.__name__)
async def test_what_is_no_change_is_not_told(what: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("one")
    async with watching(partial(sources, None, tmp_path)) as watched:
        what(path)
        await watched.looks(4)
        assert watched.told_nothing()


@pytest.mark.usefixtures("polled_often")
async def test_a_file_that_comes_back_unchanged_is_not_told(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("one")
    async with watching(partial(sources, path, None)) as watched:
        path.unlink()
        await watched.looks(2)
        path.write_text("one")
        await watched.looks(4)
        assert watched.told_nothing()


# -- calls, the start and the end -------------------------------------------------------------------------------------


async def test_changes_during_a_call_lead_to_one_more(how: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("one")
    async with watching(partial(sources, path, None)) as watched:
        watched.gate = trio.Event()
        path.write_text("two")
        assert await watched.told() == "two"
        path.write_text("three")
        path.write_text("four")
        assert watched.told_nothing()
        watched.gate.set()
        assert await watched.told() == "four"
        path.write_text("five")
        assert await watched.told() == "five"


async def test_a_change_between_loading_and_watching_is_told(how: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("one")
    files = partial(sources, path, None)
    loaded = look(files)
    path.write_text("two")
    watched = Watched(files)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch, files, watched.changed, loaded)
        assert await watched.told() == "two"
        nursery.cancel_scope.cancel("test is over")


async def test_what_cannot_be_read_is_told(how: str, tmp_path: Path) -> None:
    """Loading it says why. A pipe is left alone: reading it would take what it holds from the loader."""
    path, told = tmp_path / "config.yaml", trio.Event()
    path.write_text("one")

    async def changed() -> None:
        told.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch, lambda: [path], changed, look(lambda: [path]))
        for unreadable in (os.mkfifo, lambda path: path.symlink_to(path)):
            path.unlink()
            unreadable(path)
            with trio.fail_after(PROMISED_S):
                await told.wait()
            told = trio.Event()
        nursery.cancel_scope.cancel("test is over")


async def test_what_is_missing_for_long_is_told_once(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading it says why; that it is back as it was is no change, and another file's change is one."""
    monkeypatch.setattr(stillness, "MISSING_S", 0.3)
    one, other = tmp_path / "a.yaml", tmp_path / "b.yaml"
    one.write_text("one")
    other.write_text("other")
    send, calls = trio.open_memory_channel[None](10)

    async def changed() -> None:
        send.send_nowait(None)

    def files() -> list[Path]:
        return [one, other]

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch, files, changed, look(files))
        with trio.fail_after(PROMISED_S):
            one.unlink()
            await calls.receive()
            other.write_text("another")
            await calls.receive()
        assert calls.statistics().current_buffer_used == 0
        nursery.cancel_scope.cancel("test is over")


@pytest.mark.usefixtures("polled_often")
async def test_a_limit_of_the_kernel_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(INotify, "add_watch", refuse)
    path = tmp_path / "config.yaml"
    path.write_text("one")
    with caplog.at_level(logging.WARNING):
        async with watching(partial(sources, path, None)) as watched:
            await watched.looks(3)
            path.write_text("two")
            assert await watched.told() == "two"
    assert [record.getMessage().split(";")[0] for record in caplog.records] == [
        "changes of the configuration may be seen some seconds late: no file system events: No space left on device"
    ]


def open_descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))  # noqa: PTH208 - this one is of the kernel


async def test_cancelling_leaves_nothing_behind(how: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("one")

    async def once() -> None:
        async with watching(partial(sources, path, None)) as watched:
            path.write_text(path.read_text() + "+")
            await watched.told()

    await once()  # idle workers of Trio's, for a while, stay for all who come
    descriptors, threads = open_descriptors(), threading.active_count()
    for _ in range(5):
        await once()
        with trio.fail_after(20):  # a look that was given up ends by itself
            while open_descriptors() - descriptors or threading.active_count() > threads:  # noqa: ASYNC110 - nobody tells
                await trio.sleep(0.01)


def test_who_does_not_watch_does_not_import_the_library() -> None:
    script = "import sys, llamaswap.watch; sys.exit('inotify_simple' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
