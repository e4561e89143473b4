"""A daemon that watches its configuration."""

import time
from pathlib import Path

import pytest

from llamaswap.stillness import QUIET_S
from tests.allowance import ALLOWANCE_S
from tests.e2e.conftest import StartDaemon
from tests.e2e.running import Daemon, fake

#: Promised are 5 s from the last write to what it says being in force.
SOON_S = 5 + ALLOWANCE_S

pytestmark = pytest.mark.e2e


def test_what_is_saved_is_in_force_within_seconds(daemon: StartDaemon) -> None:
    """A bad file changes nothing; the last of several saves wins."""
    running = daemon({"a": fake("a")}, "-watch-config")
    running.configure({"models": {"a": fake("a"), "b": fake("b")}})
    running.log.wait("reload: done models=2", SOON_S)
    assert running.chat("b").status == 200
    pid = running.model_pid("b")

    running.config_file.write_text("models: [")
    running.log.wait("reload: the configuration is unchanged", SOON_S)
    for attempt in range(20):
        seen, began = len(running.log.lines), time.monotonic()
        for names in ("ab", "abcde", ["a", "b", "c", f"d{attempt}"]):
            running.configure({"models": {name: fake(name) for name in names}})
        quick = time.monotonic() - began < QUIET_S  # or we were held up, and what was saved first may count as well
        running.log.wait("reload: done models=4", SOON_S, after=seen)
        if quick:
            break
    assert quick
    assert running.model_pid("b") == pid
    assert "reload: done models=5" not in "\n".join(running.log.lines[seen:])


def test_what_is_saved_between_loading_and_watching_counts(tmp_path: Path) -> None:
    program = (str(Path(__file__).with_name("edited_meanwhile.py")),)
    running = Daemon(tmp_path, {"models": {"a": fake("a"), "b": fake("b")}}, "-watch-config", program=program)
    running.config_file.rename(tmp_path / "next.yaml")
    running.configure({"models": {"a": fake("a")}})
    with running:
        running.log.wait("reload: done models=2", SOON_S)
