"""Files that somebody is writing while they are read."""

from collections.abc import Callable
from pathlib import Path

import pytest

from llamaswap.config import load as loading
from llamaswap.config.load import PortsInUse
from llamaswap.configfiles import MOST_READS, ConfigFiles
from llamaswap.errors import ConfigError

WHOLE = "models:\n  a:\n    cmd: srv ${PORT}\n  b:\n    cmd: srv ${PORT}\n"


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], object]]:
    """What others do in the reader's pauses, one after the other; the reader itself does not wait."""
    todo: list[Callable[[], object]] = []
    monkeypatch.setattr("llamaswap.configfiles.time.sleep", lambda _: todo.pop(0)())
    return todo


def names(files: ConfigFiles) -> list[str]:
    return list(files.read(PortsInUse()).loaded.config.models)


def test_what_holds_still_is_read_once(tmp_path: Path, pauses: list[Callable[[], object]]) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(WHOLE)
    assert names(ConfigFiles(file, None)) == ["a", "b"]


def test_a_file_that_was_just_emptied_is_waited_for(tmp_path: Path, pauses: list[Callable[[], object]]) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("")
    pauses += [lambda: None, lambda: file.write_text(WHOLE)]
    assert names(ConfigFiles(file, None)) == ["a", "b"]
    assert pauses == []


def test_an_empty_file_is_taken_as_it_is_in_the_end(tmp_path: Path, pauses: list[Callable[[], object]]) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("")
    pauses += [lambda: None] * (MOST_READS - 1)
    assert names(ConfigFiles(file, None)) == []
    assert pauses == []


@pytest.mark.parametrize("half", [WHOLE[:35], WHOLE[:45]], ids=["valid", "broken"])
def test_half_a_file_is_not_what_anybody_meant(
    tmp_path: Path, pauses: list[Callable[[], object]], monkeypatch: pytest.MonkeyPatch, half: str
) -> None:
    """The rest of it is written while the first half is being loaded."""
    file = tmp_path / "c.yaml"
    file.write_text(half)
    pauses.append(lambda: None)
    plain = loading.load

    def load_while_it_is_written(*args: object, **keys: object) -> object:
        try:
            return plain(*args, **keys)  # type: ignore[arg-type] # as it was called
        finally:
            file.write_text(WHOLE)

    monkeypatch.setattr("llamaswap.configfiles.load", load_while_it_is_written)
    assert names(ConfigFiles(file, None)) == ["a", "b"]
    assert pauses == []


def test_what_is_wrong_and_holds_still_is_told_at_once(tmp_path: Path, pauses: list[Callable[[], object]]) -> None:
    file = tmp_path / "c.yaml"
    with pytest.raises(ConfigError, match="no such file"):
        names(ConfigFiles(file, None))
    file.write_text("models: [")
    with pytest.raises(ConfigError, match="1 problem"):
        names(ConfigFiles(None, tmp_path))
    file.unlink()
    with pytest.raises(ConfigError, match=r"no \*\.yaml"):
        names(ConfigFiles(None, tmp_path))
