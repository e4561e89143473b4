"""The configuration over HTTP: what holds, what became of the last reload, and asking for one."""

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from llamaswap.config.load import Loaded, load_text
from llamaswap.config.schema import ModelConfig
from llamaswap.errors import ConfigError
from tests.control.rig import CONFIG, A, B, control_plane

BAD = "apiKeys: [s3cr3t-key]\nmodels:\n  a:\n    cmd: srv ${PORT}\n    tll: {}\n    ttl: soon\n"


def bad() -> ConfigError:
    try:
        load_text(BAD, "conf.d/x.yaml", {}, strict=True)
    except ConfigError as error:
        return error
    raise AssertionError("it loads")


async def test_what_holds_before_any_reload(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as rig:
        answer = await rig.ask("GET", "/api/config")
        told = json.loads(answer.body)
        assert (answer.status, list(told)) == (200, ["sources", "loaded_at", "generation", "warnings", "last_reload"])
        assert (told["sources"], told["generation"], told["last_reload"]) == (["c.yaml"], 1, None)
        assert told["loaded_at"].endswith("Z")
        datetime.fromisoformat(told["loaded_at"])


async def test_a_reload_answers_with_its_plan_once_it_holds(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as rig:
        new = replace(CONFIG, models={A: CONFIG.models[A], B: ModelConfig(B, argv=("new",), env=("K=s3cr3t",))})
        rig.on_disk = Loaded(new, ())
        answer = await rig.ask("POST", "/api/config/reload")
        told = json.loads(answer.body)
        assert (answer.status, told["ok"], told["reason"]) == (200, True, "")
        assert rig.config is new
        assert {each["model"]: each["fate"] for each in told["plan"]["models"]} == {
            "a": "kept",
            "org/b": "restarted",
            "c": "removed",
        }
        assert told["plan"]["queue"] == {"keep_their_place": 0, "model_gone": 0}
        assert told["plan"]["text"][0] == "models: 1 kept, 1 restarted, 1 removed"
        held = json.loads((await rig.ask("GET", "/api/config")).body)
        assert (held["generation"], held["last_reload"]) == (2, told)
        assert b"s3cr3t" not in answer.body


async def test_a_bad_configuration_is_told_problem_by_problem(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as rig:
        rig.on_disk = bad()
        answer = await rig.ask("POST", "/api/config/reload", "Accept: text/html")
        told = json.loads(answer.body)
        assert (answer.status, told["src"], told["ok"], told["plan"]) == (422, "llama-swap", False, None)
        assert list(told["error"]) == ["message", "type", "param", "code"]
        assert told["error"]["message"] == told["reason"]
        places = [(p["file"], p["line"], p["column"], p["path"]) for p in told["problems"]]
        assert places == [("conf.d/x.yaml", 5, 5, "models.a.tll"), ("conf.d/x.yaml", 6, 10, "models.a.ttl")]
        assert all(p["severity"] == "error" and p["what"] and p["remedy"] for p in told["problems"])
        assert b"s3cr3t" not in answer.body
        held = json.loads((await rig.ask("GET", "/api/config")).body)
        assert held["generation"] == 1
        assert held["last_reload"]["problems"] == told["problems"]
        assert rig.config is CONFIG


@pytest.mark.parametrize("query", ["?dry_run=1", "?dry_run", "?dry_run=true"])
async def test_a_dry_run_changes_nothing(tmp_path: Path, query: str) -> None:
    async with control_plane(tmp_path) as rig:
        rig.on_disk = Loaded(replace(CONFIG, models={A: CONFIG.models[A]}), ())
        answer = await rig.ask("POST", f"/api/config/reload{query}")
        assert json.loads(answer.body)["plan"]["text"] == [
            "models: 1 kept, 2 removed",
            "- c",
            "- org/b",
        ]
        assert rig.config is CONFIG
        assert json.loads((await rig.ask("GET", "/api/config")).body)["last_reload"] is None


async def test_only_a_post_reloads(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as rig:
        rig.on_disk = Loaded(replace(CONFIG, models={}), ())
        answer = await rig.ask("GET", "/api/config/reload")
        assert (answer.status, answer.headers["allow"]) == (405, "POST")
        assert rig.reloader.last is None
