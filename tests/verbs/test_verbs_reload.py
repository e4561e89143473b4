"""``llamaswap reload`` against a real control plane."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from llamaswap import verbs
from llamaswap.config.load import Loaded
from llamaswap.config.text.problems import Problem
from llamaswap.errors import ConfigError
from tests.control.rig import CONFIG, A, control_plane

OUT = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def own_runtime_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLAMASWAP_RUNTIME_DIR", str(tmp_path))


async def run(*argv: str) -> int:
    return await trio.to_thread.run_sync(verbs.main, ["reload", *argv], abandon_on_cancel=True)


async def test_the_plan_is_printed_and_carried_out(tmp_path: Path, capfd: OUT) -> None:
    async with control_plane(tmp_path) as rig:
        warning = Problem("warning", "x", ("models", "\x1b[2Ja"), None, "looks odd")
        rig.on_disk = Loaded(replace(CONFIG, models={A: CONFIG.models[A]}), (warning,))
        assert await run("--dry-run") == 0
        lines = capfd.readouterr().out.splitlines()
        assert lines[0].startswith("warning: models.")
        assert "\x1b" not in lines[0]
        assert lines[1:] == ["models: 1 kept, 2 removed", "- c", "- org/b", "dry run: nothing was changed"]
        assert rig.config is CONFIG
        assert await run() == 0
        assert capfd.readouterr().out.splitlines() == lines[:-1]
        assert list(rig.config.models) == [A]
        assert await run() == 0
        assert capfd.readouterr().out.splitlines()[1:] == ["nothing changes"]


async def test_a_bad_configuration_is_told_and_the_exit_code_is_1(tmp_path: Path, capfd: OUT) -> None:
    async with control_plane(tmp_path) as rig:
        rig.on_disk = ConfigError("c.yaml:1:1: it is no good")
        assert await run() == 1
        out, err = capfd.readouterr()
        assert (out, err) == ("", "llamaswap reload: nothing has changed: c.yaml:1:1: it is no good\n")
        assert await run("--json", "--dry-run") == 1
        assert json.loads(capfd.readouterr().out)["reason"] == "c.yaml:1:1: it is no good"


async def test_for_programs(tmp_path: Path, capfd: OUT) -> None:
    async with control_plane(tmp_path):
        assert await run("--json") == 0
        assert json.loads(capfd.readouterr().out)["plan"]["nothing_changes"] is True


async def test_no_daemon(capfd: OUT) -> None:
    assert await run() == 3
    assert "no daemon runs" in capfd.readouterr().err
