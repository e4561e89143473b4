"""What is put off until the daemon listens stays put off, and is caught up with."""

import gc
import importlib.util
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from llamaswap import startup

LISTENING = """
import sys
from pathlib import Path
import llamaswap.cli
from llamaswap.configfiles import ConfigFiles
first = ConfigFiles(Path(sys.argv[1]), None).load()
from llamaswap.daemon import Daemon, Options
from llamaswap.startup import LATER
print(sorted({*LATER, "quart", "hypercorn", "rich", "difflib"} & sys.modules.keys()))
"""


@pytest.fixture
def collecting() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


def test_nothing_of_it_is_imported_before_the_daemon_listens(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("models:\n  a:\n    cmd: server --port ${PORT}\n")
    command = [sys.executable, "-c", LISTENING, str(config)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ}, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("name", startup.LATER)
def test_there_is_such_a_module(name: str) -> None:
    assert importlib.util.find_spec(name)


async def test_it_is_caught_up_with(monkeypatch: pytest.MonkeyPatch, collecting: None) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    monkeypatch.setattr(startup, "LATER", ("colorsys",))
    await startup.catch_up()
    assert "colorsys" in sys.modules
    assert gc.isenabled()


async def test_what_cannot_be_imported_is_told(
    monkeypatch: pytest.MonkeyPatch, collecting: None, caplog: pytest.LogCaptureFixture
) -> None:
    """Only who needs it fails."""
    monkeypatch.setattr(startup, "LATER", ("llamaswap.nowhere", "llamaswap.errors"))
    with caplog.at_level(logging.ERROR):
        await startup.catch_up()
    assert "cannot import llamaswap.nowhere" in caplog.text
    assert gc.isenabled()
