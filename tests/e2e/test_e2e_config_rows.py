"""The edge cases of command line, watching and reloading, under the numbers of the configuration's list (186 to 208).

Rows 190 and 198 to 201 are about refusals and drains that other tests hold in more detail; here each is seen once, from
outside, with a daemon of its own.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from llamaswap.flags import parse_flags
from llamaswap.stillness import QUIET_S
from tests.e2e.conftest import StartDaemon
from tests.e2e.running import ROOT, Daemon, fake, until

pytestmark = pytest.mark.e2e


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "llamaswap", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def reloaded(daemon: Daemon) -> int:
    return sum("reload: done" in line for line in daemon.log.lines)


def test_186_no_flag_at_all() -> None:
    ended = run()
    assert (ended.returncode, "which configuration?" in ended.stderr) == (1, True)


def test_187_the_last_of_two_configurations_counts() -> None:
    assert parse_flags(["-config", "a.yaml", "-config", "b.yaml"]).config == "b.yaml"


def test_188_parsing_stops_at_the_first_word_that_is_no_flag(daemon: StartDaemon) -> None:
    flags = parse_flags(["--config=a.yaml", "-watch-config=false", "x", "-listen", ":9"])
    assert (flags.config, flags.listen, flags.ignored) == ("a.yaml", "", ("x", "-listen", ":9"))
    running = daemon({"a": fake("a")}, "-watch-config", "false")
    running.log.wait("ignored, because no flag can come after the first of it: false")


def test_189_an_unknown_flag() -> None:
    ended = run("-lsten", ":9")
    assert (ended.returncode, "did you mean -listen?" in ended.stderr) == (2, True)


def test_190_half_a_tls_pair(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("models: {}")
    assert run("-config", str(tmp_path / "c.yaml"), "-tls-cert-file", "c.pem").returncode == 1


def test_191_any_free_loopback_port(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a")})  # it is always started with port 0
    assert "every machine that can reach this address" not in str(running.log)


def test_192_a_directory_that_is_not_there(tmp_path: Path) -> None:
    ended = run("-config-dir", str(tmp_path / "missing"))
    assert (ended.returncode, "missing" in ended.stderr) == (1, True)


def test_193_195_touched_or_gone_and_back_unchanged(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a")}, "-watch-config")
    text = running.config_file.read_text()
    running.config_file.touch()
    running.config_file.unlink()
    running.config_file.write_text(text)
    mark = len(running.log.lines)
    running.configure({"models": {"a": fake("a"), "b": fake("b")}})  # seen by the same watcher, so the others were too
    running.log.wait("reload: done models=2", after=mark)
    assert reloaded(running) == 1


def test_194_equal_size_and_restored_time_are_noticed(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a")}, "-watch-config", ttl=0)
    before = running.config_file.stat()
    text = running.config_file.read_text()
    running.config_file.write_text(text.replace('"unloadTimeout": 2', '"unloadTimeout": 3'))
    os.utime(running.config_file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert running.config_file.stat().st_size == before.st_size
    running.log.wait("reload: done")


@pytest.mark.parametrize("half", ['{"models": {"a"', '{"models": {}}'], ids=["196 invalid", "197 valid"])
def test_196_197_a_file_saved_in_two_halves_is_acted_on_when_it_is_whole(half: str, daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a")}, "-watch-config")
    for attempt in range(20):
        assert running.chat("a").status == 200
        pid, seen, began = running.model_pid("a"), len(running.log.lines), time.monotonic()
        running.config_file.write_text(half)
        running.configure({"models": {"a": fake("a"), f"b{attempt}": fake("b")}})
        if quick := time.monotonic() - began < QUIET_S:
            break
        running.log.wait("reload: done models=2", after=seen)  # we were held up: the half may count as a file
    assert quick
    running.log.wait("reload: done models=2", after=seen)
    assert running.model_pid("a") == pid
    assert "models=0" not in "\n".join(running.log.lines[seen:])


def test_198_199_files_of_a_directory_come_and_go(tmp_path: Path, daemon: StartDaemon) -> None:
    directory = tmp_path / "d"
    directory.mkdir()
    (directory / "b.yaml").write_text(json.dumps({"models": {"b": fake("b")}}))
    (directory / "c.yaml").write_text(json.dumps({"models": {"c": fake("c")}}))
    running = daemon({"a": fake("a")}, "-watch-config", "-config-dir", str(directory))
    (directory / "c.yaml").unlink()
    running.log.wait("reload: done models=2")
    (directory / "b.yaml").unlink()
    running.log.wait("reload: done models=1")
    running.config_file.unlink()
    mark = len(running.log.lines)
    running.signal(signal.SIGHUP)
    running.log.wait("reload: the configuration is unchanged", after=mark)
    assert running.chat("a").status == 200


def test_200_a_signal_while_a_reload_runs_leads_to_one_more(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a")})
    for _ in range(20):
        running.signal(signal.SIGHUP)
    running.configure({"models": {"a": fake("a"), "b": fake("b")}})
    running.signal(signal.SIGHUP)
    running.log.wait("reload: done models=2")


def test_201_202_a_removed_model_stops_and_the_others_keep_running(daemon: StartDaemon) -> None:
    parallel = {"use": "group", "settings": {"groups": {"g": {"swap": False, "members": ["m", "z"]}}}}
    routing = {"router": parallel, "scheduler": {"use": "fifo"}}
    running = daemon({"m": fake("m"), "z": fake("z")}, routing=routing)
    assert [running.chat(name).status for name in "mz"] == [200, 200]
    pid = running.model_pid("m")
    running.configure({"models": {"a": fake("a"), "m": fake("m")}})  # a sorts first: ports must not move
    running.signal(signal.SIGHUP)
    running.log.wait("reload: done")
    until(lambda: [name for name, _ in running.running()] == ["m"], "the end of the removed model")
    assert running.model_pid("m") == pid
    assert running.chat("m").status == 200


def test_203_204_what_is_printed_and_how_much_follows_a_reload(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a")}, logToStdout="proxy", logLevel="info")
    running.configure({"models": {"a": fake("a")}, "logToStdout": "both", "logLevel": "debug"})
    running.signal(signal.SIGHUP)
    running.log.wait("reload: done")
    assert running.chat("a").status == 200
    running.log.wait(r"^READY \d")  # the model's own output
    running.log.wait(r"\[DEBUG\]")


def test_206_an_unknown_member_changes_nothing(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a")})
    running.configure({"models": {"a": fake("a")}, "groups": {"g": {"members": ["ghost"]}}, "logLevel": "error"})
    running.signal(signal.SIGHUP)
    running.log.wait("reload: the configuration is unchanged.*")
    assert running.chat("a").status == 200
    answer = running.get("/api/config").json()
    assert "ghost" in json.dumps(answer)


def test_208_what_is_to_be_preloaded_is_loaded_after_a_reload(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a")})
    hooks = {"on_startup": {"preload": ["b"]}}
    running.configure({"models": {"a": fake("a"), "b": fake("b")}, "hooks": hooks})
    running.signal(signal.SIGHUP)
    until(lambda: running.running() == [("b", "ready")], "the preloaded model")
