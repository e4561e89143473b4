"""The journal on disk: written by the real dispatcher, rotated, and read again, whatever happens to the disk."""

import errno
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from llamaswap.config.journal import JournalSettings
from llamaswap.config.routing import RoutingConfig, SchedulerConfig, SchedulerName
from llamaswap.config.schema import Config, ModelConfig, ModelId
from llamaswap.dispatcher import Dispatcher
from llamaswap.errors import LlamaSwapError
from llamaswap.schedule.choose import rules_for, scheduler_for
from llamaswap.schedule.events import (
    Arrived,
    ConfigReplaced,
    Event,
    Exited,
    Life,
    ModelRules,
    Started,
    StartFailed,
    Ticket,
)
from llamaswap.schedule.rebuild import build
from llamaswap.schedule.replay import Difference, Place, Replay, Step
from llamaswap.telemetry import journal_segments
from llamaswap.telemetry.journal_file import JournalFile
from llamaswap.telemetry.journal_segments import NAME

A = ModelId("a")
MODELS = {A: ModelRules()}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_segments, "RETRY_S", 0.0)
    monkeypatch.setattr("llamaswap.telemetry.journal_file._REST_S", 0.005)


class Fate:
    """A process whose fate is drawn when it begins."""

    def __init__(self, spec: ModelConfig, life: Life, post: Callable[[Event], None], luck: random.Random) -> None:
        self.pid = None
        self._model, self._life, self._post, self._luck = spec.id, life, post, luck
        self._stop = trio.Event()

    async def run(self) -> None:
        with trio.move_on_after(self._luck.choice((0.5, 3.0))):
            await self._stop.wait()
        if not self._stop.is_set() and self._luck.random() < 0.1:
            self._post(StartFailed(self._model, self._life, "no luck \udcff"))
            return
        if not self._stop.is_set():
            self._post(Started(self._model, self._life))
            with trio.move_on_after(self._luck.choice((5.0, 1000.0))):
                await self._stop.wait()
        await trio.sleep(0.25)
        self._post(Exited(self._model, self._life))

    def stop(self, grace: float) -> None:
        self._stop.set()


async def client(dispatcher: Dispatcher, luck: random.Random) -> None:
    for _ in range(15):
        await trio.sleep(luck.choice((0.0, 0.5, 4.0)))
        with trio.move_on_after(luck.choice((1.0, 100.0))), dispatcher.request(ModelId(luck.choice("abc"))) as lease:
            try:
                await lease.wait()
                await trio.sleep(luck.choice((0.0, 2.0)))
            except LlamaSwapError:
                pass


def let_it_be_written() -> None:
    """Blocks, on purpose: the clock jumps, but the writer's thread does not."""
    time.sleep(0.1)


async def record(path: Path, use: SchedulerName, seed: int, max_bytes: int = 1 << 20, files: int = 99) -> None:
    """A random history of the real dispatcher, with a reload, an unload and the shutdown, in a journal at *path*."""
    luck = random.Random(seed)
    models = {
        ModelId(m): ModelConfig(ModelId(m), proxy="http://127.0.0.1:1", ttl=luck.choice((0.0, 3.0))) for m in "abc"
    }
    config = Config(models=models, routing=RoutingConfig(scheduler=SchedulerConfig(use=use)))
    scheduler = scheduler_for(config)
    rules = {model: rules_for(spec) for model, spec in models.items()}
    settings = JournalSettings(str(path), max_bytes, files)
    dispatcher = Dispatcher(config, scheduler, lambda spec, life, post: Fate(spec, life, post, luck))
    journal = JournalFile(settings, lambda: dispatcher.scheduling, rules, trio.current_time())
    dispatcher.observe(journal.on_pass)
    async with trio.open_nursery() as nursery:
        await nursery.start(dispatcher.run)
        async with trio.open_nursery() as clients:
            for _ in range(6):
                clients.start_soon(client, dispatcher, luck)
            await trio.sleep(20)
            let_it_be_written()
            await dispatcher.unload(None)
            dispatcher.replace_config(config)
            await trio.sleep(3)
            let_it_be_written()
        await dispatcher.shut_down(drain=True)
        nursery.cancel_scope.cancel()
    journal.close()
    assert journal.dropped == 0


def files(path: Path) -> list[Path]:
    return sorted(each for each in path.iterdir() if NAME.fullmatch(each.name))


def play(path: Path) -> Iterator[Step | Difference | None]:
    player = Replay()
    for file in files(path):
        for number, line in enumerate(file.read_bytes().splitlines(), 1):
            yield player.feed(line, Place(file.name, number))
        assert not player.begins or file == files(path)[0], "each file continues the one before it"
    assert player.differences == 0


@pytest.mark.parametrize("use", ["serial", "fifo", "batch"])
@pytest.mark.parametrize("seed", range(2))
async def test_what_the_dispatcher_did_comes_out_again(
    tmp_path: Path, use: SchedulerName, seed: int, autojump_clock: MockClock, quick: None
) -> None:
    """Byte for byte, over several files, and also after the first of them have been deleted."""
    await record(tmp_path, use, seed, max_bytes=4000)
    assert len(files(tmp_path)) > 1
    steps = sum(isinstance(step, Step) for step in play(tmp_path))
    assert steps > 150
    files(tmp_path)[0].unlink()
    assert 0 < sum(isinstance(step, Step) for step in play(tmp_path)) < steps


async def test_a_header_that_does_not_continue_is_seen(tmp_path: Path, autojump_clock: MockClock, quick: None) -> None:
    await record(tmp_path, "serial", 1, max_bytes=4000)
    last = files(tmp_path)[-1]
    last.write_bytes(last.read_bytes().replace(b'"_begun":', b'"_begun":1', 1))
    with pytest.raises(AssertionError):
        list(play(tmp_path))


async def test_old_files_go(tmp_path: Path, autojump_clock: MockClock, quick: None) -> None:
    """Ours only: somebody else's file in the directory stays."""
    stranger = tmp_path / "notes.jsonl"
    stranger.write_text("mine")
    await record(tmp_path, "serial", 3, max_bytes=1, files=2)
    assert len(files(tmp_path)) == 2
    assert stranger.exists()
    list(play(tmp_path))


def leave(path: Path, count: int, size: int) -> None:
    """Files of earlier runs."""
    for number in range(1, count + 1):
        (path / f"20260101T000000.000Z-{number:06}.jsonl").write_bytes(b"x" * size)


class Writing:
    """A journal with a machine that takes one request after the other."""

    def __init__(self, path: Path, max_bytes: int = 1 << 24, files: int = 8) -> None:
        self.machine = build(RoutingConfig(), MODELS)
        self.routing = RoutingConfig()
        settings = JournalSettings(str(path), max_bytes, files)
        self.journal = JournalFile(settings, lambda: (self.machine, self.routing), MODELS, 0.0)
        self.now = 0.0

    def arrive(self, count: int = 1) -> None:
        for _ in range(count):
            self.now += 1.0
            self.tell(Arrived(Ticket(int(self.now)), A))

    def tell(self, event: Event) -> None:
        self.journal.on_pass(event, self.now, self.machine.handle(event, self.now))

    def until(self, holds: Callable[[], object]) -> None:
        for _ in range(6000):
            self.arrive()
            if holds():
                return
            time.sleep(0.01)
        raise AssertionError("it never came to that")


@pytest.mark.parametrize(
    ("size", "count", "kept"),
    [
        pytest.param(1000, 20, 3, id="full ones by their number"),
        pytest.param(1100, 20, 3, id="a little more than full"),
        pytest.param(500, 20, 6, id="half ones: twice as many"),
        pytest.param(100, 20, 20, id="short ones: all"),
        pytest.param(0, 500, 200, id="empty ones are not without weight"),
        pytest.param(5000, 20, 1, id="always the newest"),
    ],
)
def test_what_is_kept_is_measured_in_bytes(tmp_path: Path, size: int, count: int, kept: int) -> None:
    leave(tmp_path, count, size)
    before = files(tmp_path)
    writing = Writing(tmp_path, max_bytes=1000, files=4)
    writing.journal.close()
    assert files(tmp_path)[:-1] == before[-kept:]


def test_changes_of_the_scheduler_do_not_shorten_the_history(tmp_path: Path, quick: None) -> None:
    """Each begins a file, of which more than `files` may be kept: all can still be replayed."""
    writing = Writing(tmp_path, files=2)
    for number in range(30):
        writing.arrive(2)
        writing.routing = RoutingConfig(scheduler=SchedulerConfig(use="fifo" if number % 2 else "batch"))
        writing.machine = build(writing.routing, MODELS)
        writing.tell(ConfigReplaced(MODELS))
    writing.journal.close()
    assert len(files(tmp_path)) == 31
    arrivals = [file.read_bytes().count(b'"Arrived"') for file in files(tmp_path)]
    assert arrivals == [2] * 30 + [0]


def test_a_full_disk_takes_nothing_from_the_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: None
) -> None:
    """However often it is tried again."""
    leave(tmp_path, 3, 1000)
    before = files(tmp_path)

    tries = []

    def write(fd: int, data: bytes) -> int:
        tries.append(data)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", write)
    writing = Writing(tmp_path, max_bytes=1000, files=4)
    writing.until(lambda: len(tries) > 10)
    writing.journal.close()
    assert files(tmp_path) == before


def test_where_nothing_can_be_deleted_nothing_is_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: None, caplog: pytest.LogCaptureFixture
) -> None:
    """Else the disk would fill up, a header at a time. Requests go on."""
    leave(tmp_path, 9, 1000)

    def unlink(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted", str(path))

    monkeypatch.setattr(Path, "unlink", unlink)
    writing = Writing(tmp_path, max_bytes=1000, files=4)
    writing.until(lambda: caplog.records)
    writing.arrive(100)
    writing.journal.close()
    assert "Operation not permitted" in caplog.text
    assert len(files(tmp_path)) == 9
    assert writing.journal.dropped > 100


def test_a_disk_that_fills_up_costs_passes_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: None, caplog: pytest.LogCaptureFixture
) -> None:
    """One warning; when there is room again, a new file continues with the whole state, and says what is missing."""
    caplog.set_level(logging.INFO)
    real, full = os.write, [False]

    def write(fd: int, data: bytes) -> int:
        if full[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(fd, data)

    monkeypatch.setattr(os, "write", write)
    writing = Writing(tmp_path)
    writing.until(lambda: files(tmp_path) and files(tmp_path)[0].read_bytes().count(b"\n") > 3)
    full[0] = True
    writing.until(lambda: writing.journal.dropped > 10)
    full[0] = False
    before = len(files(tmp_path))
    writing.until(lambda: len(files(tmp_path)) > before and files(tmp_path)[-1].stat().st_size)
    writing.until(lambda: "complete again" in caplog.text)
    writing.arrive(5)
    writing.journal.close()
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "No space left" in warnings[0].getMessage()
    player, missing = Replay(), 0
    for file in files(tmp_path):
        for number, line in enumerate(file.read_bytes().splitlines(), 1):
            player.feed(line, Place(file.name, number))
        assert player.header is not None
        missing += player.header.dropped
    assert player.differences == 0
    assert missing == writing.journal.dropped
    assert player.machine is not None
    assert len(list(player.machine.waiting())) == len(list(writing.machine.waiting()))


def test_a_directory_that_cannot_be_written_is_told_once(
    tmp_path: Path, quick: None, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    writing = Writing(tmp_path / "file" / "journal")
    writing.until(lambda: caplog.records)
    writing.arrive(100)
    writing.journal.close()
    assert len(caplog.records) == 1
    assert "Not a directory" in caplog.text
    assert writing.journal.dropped > 100


def test_a_directory_that_is_removed_is_made_again(
    tmp_path: Path, quick: None, caplog: pytest.LogCaptureFixture
) -> None:
    """What went into the removed file is gone, but it is told, and nobody else may write into the new directory."""
    directory = tmp_path / "journal"
    directory.mkdir()
    writing = Writing(directory)
    writing.until(lambda: files(directory))
    directory.rename(tmp_path / "gone")
    shutil.rmtree(tmp_path / "gone")
    writing.until(lambda: directory.exists() and files(directory))
    assert "has been removed" in caplog.text
    assert writing.journal.dropped > 0
    second = Writing(directory)
    second.until(lambda: "another daemon keeps its journal" in caplog.text)
    second.journal.close()
    writing.journal.close()


def test_two_daemons_do_not_mix(tmp_path: Path, quick: None, caplog: pytest.LogCaptureFixture) -> None:
    first = Writing(tmp_path)
    first.until(lambda: files(tmp_path))
    second = Writing(tmp_path)
    second.until(lambda: caplog.records)
    second.journal.close()
    assert "another daemon keeps its journal" in caplog.text
    first.journal.close()
    assert len(files(tmp_path)) == 1
    third = Writing(tmp_path)
    third.until(lambda: len(files(tmp_path)) == 2)
    third.journal.close()


def test_a_slow_disk_drops_and_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: None, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("llamaswap.telemetry.journal_file.QUEUE_PASSES", 20)
    writing = Writing(tmp_path)
    writing.until(lambda: files(tmp_path))
    writing.arrive(200)
    assert writing.journal.dropped > 0
    writing.until(lambda: len(files(tmp_path)) > 1)
    writing.journal.close()
    assert "the disk is too slow" in caplog.text


def test_a_state_that_cannot_be_copied_ends_the_journal_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(machine: object) -> object:
        raise TypeError("cannot copy")

    monkeypatch.setattr("llamaswap.telemetry.journal_file.fork", broken)
    writing = Writing(tmp_path)
    writing.arrive(10)
    writing.journal.close()
    assert "given up" in caplog.text
    assert len(caplog.records) == 1
    assert writing.journal.dropped == 10


def test_files_are_private(tmp_path: Path) -> None:
    writing = Writing(tmp_path / "deep" / "journal")
    writing.arrive()
    writing.journal.close()
    (file,) = files(tmp_path / "deep" / "journal")
    assert file.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "deep" / "journal").stat().st_mode & 0o777 == 0o700


def test_another_scheduler_begins_a_file_of_its_own(tmp_path: Path, quick: None) -> None:
    """A reload may bring other settings: what was before and what comes after can each be replayed."""
    writing = Writing(tmp_path)
    writing.arrive(5)
    writing.routing = RoutingConfig(scheduler=SchedulerConfig(use="fifo"))
    writing.machine = build(writing.routing, MODELS)
    writing.tell(ConfigReplaced(MODELS))
    writing.arrive(5)
    writing.journal.close()
    players = []
    for file in files(tmp_path):
        player = Replay()
        players.append(player)
        for number, line in enumerate(file.read_bytes().splitlines(), 1):
            player.feed(line, Place(file.name, number))
        assert player.differences == 0
    assert [type(player.machine).__name__ for player in players] == ["SerialScheduler", "FifoScheduler"]
    assert [player.header and player.header.dropped for player in players] == [0, 1]


KILLED = """
import os, signal, sys, time
from pathlib import Path
from tests.telemetry.test_telemetry_journal import Writing
writing = Writing(Path(sys.argv[1]))
writing.arrive(3)
time.sleep(3.0)
writing.arrive(1)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.processes
def test_a_killed_daemon_loses_the_last_second_only(tmp_path: Path) -> None:
    """Nothing but the kernel keeps what was written; a second is what the documentation promises, if we run then."""
    root = Path(__file__).parents[2]
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=root, check=False)
    assert killed.returncode == -signal.SIGKILL
    (file,) = files(tmp_path)
    assert file.read_bytes().count(b'"Arrived"') in (3, 4)
    again = Writing(tmp_path)
    again.until(lambda: len(files(tmp_path)) == 2)
    again.journal.close()
