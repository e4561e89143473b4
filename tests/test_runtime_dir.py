"""Where the private socket lies, and who may put one there."""

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from llamaswap import runtime_dir
from llamaswap.runtime_dir import RuntimeDirError


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Path]:
    path = runtime_dir.socket_path(tmp_path, 8080)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(8)
        yield path


def stale(path: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(path))
    return path


def test_the_order_of_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("LLAMASWAP_RUNTIME_DIR", "/named")
    assert runtime_dir.runtime_dir() == Path("/named")
    assert runtime_dir.search_dirs() == [Path("/named")]
    monkeypatch.delenv("LLAMASWAP_RUNTIME_DIR")
    assert runtime_dir.runtime_dir() == tmp_path / "llamaswap"
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "missing"))
    monkeypatch.setattr(os, "geteuid", lambda: 1234)
    assert runtime_dir.runtime_dir() == Path("/tmp/llamaswap-1234")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "access", lambda *_: True)
    assert runtime_dir.runtime_dir() == Path("/run/llamaswap")
    assert Path("/tmp/llamaswap-0") in runtime_dir.search_dirs()


def test_it_is_made_for_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deep" / "place"
    monkeypatch.setenv("LLAMASWAP_RUNTIME_DIR", str(path))
    assert stat.S_IMODE(runtime_dir.make_runtime_dir().stat().st_mode) == 0o700
    path.chmod(0o755)
    assert stat.S_IMODE(runtime_dir.make_runtime_dir().stat().st_mode) == 0o700


def test_a_place_prepared_by_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "file").touch()
    for name in ("link", "file", "file/below"):
        monkeypatch.setenv("LLAMASWAP_RUNTIME_DIR", str(tmp_path / name))
        with pytest.raises(RuntimeDirError, match="LLAMASWAP_RUNTIME_DIR"):
            runtime_dir.make_runtime_dir()
    monkeypatch.setenv("LLAMASWAP_RUNTIME_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setattr(os, "geteuid", lambda: 4321)
    with pytest.raises(RuntimeDirError, match="of this user"):
        runtime_dir.make_runtime_dir()


def test_live_and_stale_sockets(tmp_path: Path, live: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLAMASWAP_RUNTIME_DIR", str(tmp_path))
    dead = stale(runtime_dir.socket_path(tmp_path, 9))
    (tmp_path / "control-x.sock").touch()
    assert runtime_dir.live_sockets() == [live]
    for path in (dead, live, tmp_path / "control-x.sock", tmp_path / "missing"):
        runtime_dir.remove_stale(path)
    assert not dead.exists()
    assert live.exists()
    assert (tmp_path / "control-x.sock").exists()


def test_a_daemon_too_busy_to_accept_is_live(tmp_path: Path) -> None:
    """Were it taken for gone, whoever starts next would remove its socket."""
    path = runtime_dir.socket_path(tmp_path, 8080)
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as first:
        busy.bind(str(path))
        busy.listen(0)
        first.connect(str(path))
        assert runtime_dir.is_live(path)


def test_ports_of_names() -> None:
    assert runtime_dir.port_of(Path("/x/control-8080.sock")) == 8080
    assert runtime_dir.port_of(Path("/x/control-.sock")) is None
