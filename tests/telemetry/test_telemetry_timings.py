"""What was measured outlives the daemon; whatever is wrong with its file, the daemon does without."""

import json
import os
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from llamaswap.config.schema import ModelId
from llamaswap.state_dir import state_dir, timings_path
from llamaswap.telemetry import timings
from llamaswap.telemetry.timings import EVERY_S, Timings

A = ModelId("a")


async def saved(path: Path) -> None:
    first = Timings(path)
    first.measured.of(A).load.add(3.25)
    await first.save()


async def test_it_is_there_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "timings.json"
    await saved(path)
    assert Timings(path).measured.as_plain() == {"a": {"load": [3.25], "service": [], "stop": []}}
    assert list(path.parent.iterdir()) == [path]


async def test_what_has_not_changed_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "timings.json"
    await Timings(path).save()
    assert not path.exists()
    await saved(path)
    path.unlink()
    again = Timings(path)
    await again.save()
    assert not path.exists()


async def test_files_do_not_pile_up(tmp_path: Path) -> None:
    for number in range(timings.MOST_FILES + 8):
        path = tmp_path / f"timings-{number}.json"
        await saved(path)
        os.utime(path, (number, number))
    await saved(tmp_path / "timings-new.json")
    left = set(os.listdir(tmp_path))  # noqa: PTH208 - the other way counts as blocking, this one does not
    assert len(left) == timings.MOST_FILES
    assert "timings-new.json" in left
    assert "timings-8.json" not in left


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"version":2,"models":{}}',
        '{"version":1,"models":[]}',
        "\x00" * 99,
        "{" + " " * (5 << 20),
    ],
    ids=range(7),
)
async def test_a_file_that_is_no_use_is_begun_anew(tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "timings.json"
    path.write_text(text)
    assert Timings(path).measured.as_plain() == {}
    assert "is begun anew" in caplog.text
    await saved(path)
    assert json.loads(path.read_text())["version"] == 1


async def test_a_directory_that_cannot_be_written_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file stands where the directory should be: not even root can write there."""
    (tmp_path / "file").write_text("")
    kept = Timings(tmp_path / "file" / "timings.json")
    for number in range(3):
        kept.measured.of(A).load.add(number)
        await kept.save()
    assert len(caplog.records) == 1
    assert "forecasts do without" in caplog.text


async def test_it_is_written_now_and_then_and_at_the_end(
    tmp_path: Path, mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "timings.json"
    kept = Timings(path)
    write, written = kept._write, trio.Event()

    def write_and_tell(text: str) -> None:
        write(text)
        trio.from_thread.run_sync(written.set)

    monkeypatch.setattr(kept, "_write", write_and_tell)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(kept.run)
        kept.measured.of(A).load.add(1.0)
        await wait_all_tasks_blocked()
        mock_clock.jump(EVERY_S - 1)
        await wait_all_tasks_blocked()
        assert not path.exists()
        mock_clock.jump(2)
        await written.wait()
        kept.measured.of(A).load.add(2.0)
        nursery.cancel_scope.cancel()
    assert json.loads(path.read_text())["models"]["a"]["load"] == [1.0, 2.0]


async def test_a_disk_that_hangs_holds_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hang = tmp_path / "pipe"
    os.mkfifo(hang)
    monkeypatch.setattr(timings, "LAST_S", 0.05)
    kept = Timings(tmp_path / "timings.json")
    kept.measured.of(A).load.add(1.0)
    monkeypatch.setattr(kept, "_write", lambda text: hang.read_bytes())
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(kept.run)
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
    hang.write_bytes(b"")  # lets the thread go


def test_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LLAMASWAP_STATE_DIR", "LLAMASWAP_RUNTIME_DIR", "STATE_DIRECTORY", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/someone")
    assert state_dir() == Path("/home/someone/.local/state/llamaswap")
    for name, value, expected in (
        ("XDG_STATE_HOME", "relative", "/home/someone/.local/state/llamaswap"),
        ("XDG_STATE_HOME", "/x", "/x/llamaswap"),
        ("STATE_DIRECTORY", "/var/lib/a:/var/lib/b", "/var/lib/a"),
        ("LLAMASWAP_RUNTIME_DIR", "/r", "/r"),
        ("LLAMASWAP_STATE_DIR", "/s", "/s"),
    ):
        monkeypatch.setenv(name, value)
        assert state_dir() == Path(expected)


def test_each_configuration_has_its_own() -> None:
    one, other = (timings_path(Path("/s"), [Path(name)]) for name in ("a.yaml", "/b.yaml"))
    assert one != other
    assert one == timings_path(Path("/s"), [Path("a.yaml").absolute()])
