"""The file appears whole, with the umask's permissions, and replaces nothing that nobody gave up."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from llamaswap.importing.saving import ExistsError, save


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_a_new_file(tmp_path: Path) -> None:
    save(tmp_path / "x", "é", force=False)
    assert (tmp_path / "x").read_bytes() == "é".encode()
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o640
    assert names(tmp_path) == ["x"]


def test_what_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("old")
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("x", "link"):
        with pytest.raises(ExistsError):
            save(tmp_path / name, "new", force=False)
    assert (tmp_path / "x").read_text() == "old"
    assert names(tmp_path) == ["link", "x"]


def test_force_replaces_and_keeps_links(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("old")
    (tmp_path / "link").symlink_to("x")
    save(tmp_path / "link", "new", force=True)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "x").read_text() == "new"
    assert names(tmp_path) == ["link", "x"]


@pytest.mark.parametrize("force", [False, True])
def test_without_links_between_files(force: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    save(tmp_path / "x", "1", force=force)
    if not force:
        with pytest.raises(ExistsError):
            save(tmp_path / "x", "2", force=False)
    assert names(tmp_path) == ["x"]


@pytest.mark.parametrize("force", [False, True])
def test_nothing_is_left_of_a_failure(force: bool, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises((OSError, ExistsError)):
        save(tmp_path / "folder", "x", force=force)
    with pytest.raises(OSError):
        save(tmp_path / "none" / "x", "x", force=force)
    assert names(tmp_path) == ["folder"]
