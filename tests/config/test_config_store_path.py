"""A database that cannot be opened is found when the configuration is read, not hours later."""

import os
from pathlib import Path

import pytest

from llamaswap.config.reading.store_path import trimmed, why_no_store


def what(path: str) -> str:
    why = why_no_store(path)
    assert why is not None
    assert why[1], "there is always something to do about it"
    return why[0]


def test_what_can_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert why_no_store(":memory:") is None
    assert why_no_store(f"  {tmp_path}/new.db ") is None
    assert list(tmp_path.iterdir()) == [], "looking makes no file"
    (tmp_path / "old.db").touch()
    assert why_no_store(f"{tmp_path}/old.db") is None
    monkeypatch.chdir(tmp_path)
    assert why_no_store("relative.db") is None
    assert trimmed("\u00a0a.db\n") == "a.db"


def test_a_link_is_followed_to_where_the_file_would_be(tmp_path: Path) -> None:
    (tmp_path / "good").symlink_to(tmp_path / "new.db")
    (tmp_path / "bad").symlink_to(tmp_path / "nowhere" / "new.db")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert why_no_store(str(tmp_path / "good")) is None
    assert "nowhere does not exist" in what(str(tmp_path / "bad"))
    assert "circle" in what(str(tmp_path / "loop"))


def test_what_cannot(tmp_path: Path) -> None:
    assert what("  ") == "the path is blank"
    assert what("a\0b") == "the path holds a NUL character"
    assert what(str(tmp_path)) == "this is a directory"
    assert "/no-such-dir-here does not exist" in what("/no-such-dir-here/a.db")
    assert "does not exist" in what("~/a.db"), "no shell: ~ is a directory like any other"
    (tmp_path / "file").touch()
    assert "does not exist" in what(f"{tmp_path}/file/a.db")
    assert "too long" in what(f"{tmp_path}/{'x' * 5000}")


def test_what_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may write everywhere, so the system's answer is replaced."""
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    (tmp_path / "file").touch()
    assert what(f"{tmp_path}/file") == "the file cannot be written"
    assert "no file can be made in" in what(f"{tmp_path}/a.db")
