"""The effective configuration: every key is in it, no secret is, and loaded again it means the same."""

import json
from collections.abc import Iterator
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings

from llamaswap.config.commands import argv
from llamaswap.config.effective.masks import without
from llamaswap.config.effective.root import as_text, effective
from llamaswap.config.load import load_text
from llamaswap.config.schema import Config
from llamaswap.config.table.root import ROOT
from llamaswap.config.table.shapes import Each, Key, Section
from llamaswap.config.text.secrets import is_secret, is_secret_variable
from llamaswap.errors import ConfigError
from tests.config import test_config_rows as first
from tests.config import test_config_rows_sections as second
from tests.config.random_config import generate
from tests.config.rows import ENVIRON, plain
from tests.config.test_config_random import ENVIRON as RANDOM_ENVIRON
from tests.config.test_config_random import _config as random_configs

ROWS = list(dict.fromkeys(plain(str(row[1])) for row in [*first.VALUES, *first.WARNED, *second.VALUES, *second.WARNED]))
GROUPS = """
models:
  a: {cmd: srv, proxy: "http://127.0.0.1:1"}
  b: {cmd: srv, proxy: "http://127.0.0.1:1"}
groups: {g: {members: [a]}}
selectors: {s: {strategy: pin, targets: [a]}}
profiles: {p: {pins: {x: a}}}
peers: {q: {proxy: "http://127.0.0.1:2", models: [x]}}
store: {path: ":memory:"}
"""
MATRIX = "models: {a: {cmd: srv, proxy: 'http://127.0.0.1:1'}}\nmatrix: {sets: {s: a}}"


def same(config: Config) -> Config:
    """*config* without what depends on how its ports came about and where its comments stood."""
    models = {
        name: replace(model, owns_port=False, port=None, cmd=argv.without_comments(model.cmd))
        for name, model in config.models.items()
    }
    return replace(config, models=MappingProxyType(models))


def check_round_trip(text: str, environ: dict[str, str]) -> None:
    try:
        config = load_text(text, "c.yaml", environ).config
    except ConfigError:
        return
    again = load_text(as_text(effective(config, masked=False)), "again.json", {}).config
    assert same(again) == same(config)
    assert json.loads(as_text(effective(config)))


@pytest.mark.parametrize("row", ROWS)
def test_loaded_again_it_means_the_same(row: str) -> None:
    check_round_trip(row, ENVIRON)


@given(random_configs)
@settings(max_examples=200, deadline=None)
def test_loaded_again_whatever_it_is_means_the_same(config: dict[str, Any]) -> None:
    check_round_trip(json.dumps(config), RANDOM_ENVIRON)


def test_loaded_again_what_is_nearly_right_means_the_same() -> None:
    for seed in range(150):
        check_round_trip(generate(seed), {})


@pytest.mark.parametrize(
    "text",
    [
        # A var has the ID of another model, which has a cost all the same.
        "models: {a: ‹M›, b: ‹M›}↵matrix: {vars: {a: b, v: a}, evict_costs: {v: 3, b: 2}, sets: {s: a & v}}",
        "reload: {keepModels: false}↵cors: {origins: [https://x]}↵allowedHosts: [h]↵maxRequestBody: 3↵stallTimeout: 7",
        "performance: {disabled: true, every: 90.5s}↵hooks: {on_startup: {preload: [a]}}↵models: {a: ‹M›}",
        "routing: {scheduler: {use: batch, settings: {batch: {maxWait: 3}, serial: {abortOrphanLoads: true}}}}",
    ],
)
def test_loaded_again_rarer_keys_mean_the_same(text: str) -> None:
    assert load_text(plain(text), "c.yaml", {})
    check_round_trip(plain(text), {})


def keys(section: Section, path: str = "") -> Iterator[tuple[str, Key]]:
    for name, key in section.keys.items():
        yield f"{path}{name}", key
        if isinstance(key.shape, Section):
            yield from keys(key.shape, f"{path}{name}.")
        elif isinstance(key.shape, Each):
            yield from keys(key.shape.of, f"{path}{name}.*.")


def found(value: Any, section: Section, path: str = "") -> Iterator[str]:
    for name, inner in (value or {}).items():
        yield f"{path}{name}"
        shape = section.keys[name].shape
        if isinstance(shape, Section):
            yield from found(inner, shape, f"{path}{name}.")
        elif isinstance(shape, Each):
            for entry in inner.values():
                yield from found(entry, shape.of, f"{path}{name}.*.")


def test_every_key_of_the_table_is_in_it() -> None:
    """But for those of older places, and those that have no effect."""
    texts = (GROUPS, MATRIX)
    there = {key for text in texts for key in found(effective(load_text(text, "c.yaml", {}).config), ROOT)}
    older = {"groups", "matrix", "logRequests", "models.*.filters.strip_params", "models.*.healthCheckTimeout"}
    wanted = {key for key, _ in keys(ROOT) if key not in older and not key.startswith(("groups.", "matrix."))}
    assert there == wanted


SECRETS = """
apiKeys: [hunter2-hunter2]
models:
  a:
    cmd: |
      srv --api-key hunter2 --max-tokens 100 --hf-token=hunter2 -H "Authorization: Bearer hunter2" -e TOKEN=hunter2
    cmdStop: |
      curl -H 'x-api-key: hunter2' http://me:hunter2@h/stop
    proxy: http://me:hunter2@127.0.0.1:1
    env: [HF_TOKEN=hunter2, PLAIN=hunter2, hunter2]
    metadata: {apiKey: hunter2, inner: [{password: {x: hunter2}}], url: "http://me:hunter2@h", max_tokens: 7}
    filters:
      setParams: {auth_token: hunter2, max_tokens: 9}
      setParamsByID: {x: {secret: hunter2}}
peers: {p: {proxy: "http://me:hunter2@h", models: [x], apiKey: hunter2, filters: {setParams: {apikey: hunter2}}}}
selectors: {s: {strategy: pin, targets: [a], metadata: {client_secret: hunter2}}}
"""


def test_no_secret_is_in_it() -> None:
    shown = effective(load_text(SECRETS, "c.yaml", {}).config)
    assert "hunter2" not in as_text(shown)
    model = shown["models"]["a"]
    assert "--max-tokens 100 " in model["cmd"]
    assert model["env"] == ["HF_TOKEN=***", "PLAIN=***", "***"]
    assert (model["metadata"]["max_tokens"], model["filters"]["setParams"]["max_tokens"]) == (7, 9)
    assert "hunter2" in as_text(effective(load_text(SECRETS, "c.yaml", {}).config, masked=False))


@pytest.mark.parametrize("name", ["apiKey", "HF_TOKEN", "x-api-key", "PASSWORD", "clientSecret", "authToken"])
def test_names_of_secrets(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", ["max_tokens", "maxTokens", "tokenizer", "key", "author", "n_predict", "monkey"])
def test_names_of_other_things(name: str) -> None:
    assert not is_secret(name)


@pytest.mark.parametrize("name", ["KEY", "OPENAI_KEY", "DB_PASS", "SECRET", "MYAPIKEY", "db_password", "CREDENTIAL"])
def test_names_of_variables_that_hold_secrets(name: str) -> None:
    assert is_secret_variable(name)


@pytest.mark.parametrize("name", ["PWD", "MAX_TOKENS", "MONKEY", "PASSAGE", "HOME", "KEYBOARD", "BYPASS"])
def test_names_of_variables_that_hold_none(name: str) -> None:
    assert not is_secret_variable(name)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("models: {a: {cmd: srv, proxy: '${env.SECRET}'}}", "http://me:pw@10.1.2.3:81/hunter2"),
        ("models: {a: {cmd: srv, proxy: 'http://h/${env.A_PASS}/x'}}", "hun2"),
        ("macros: {m: '${env.KEY}'}\nmodels: {a: {cmd: 'srv ${m}', proxy: http://h}}", "hunter2"),
        ("models: {a: {cmd: srv, proxy: http://h, metadata: {pin: '${env.KEY}', n: 1}}}", "81234"),
        ("models: {a: {cmd: srv, proxy: http://h, filters: {setParams: {pin: ${env.KEY}}}}}", "0x13d52"),
        ("models: {a: {cmd: srv, proxy: http://h, metadata: ${env.KEY}}}", "{x: hunter2, y: [81234]}"),
        ("models: {a: {cmd: srv, proxy: http://h, aliases: ['${env.KEY}']}}", "hunter2"),
        ("models: {a: {cmd: 'srv -H \"${env.KEY}\"', proxy: http://h}}", "x-api-key: hunter2"),
    ],
)
def test_what_comes_from_a_variable_with_a_secrets_name_is_masked(text: str, value: str) -> None:
    environ = dict.fromkeys(("SECRET", "A_PASS", "KEY"), value)
    loaded = load_text(text, "c.yaml", environ)
    shown = as_text(without(effective(loaded.config), loaded.written.secrets))
    assert not any(part in shown for part in ("hun2", "hunter2", "10.1.2.3", "81234"))
    assert "***" in shown
    assert any(part in as_text(effective(loaded.config, masked=False)) for part in ("hun", "10.1.2.3", "81234"))


def test_a_word_that_only_holds_a_short_secret_is_left_alone() -> None:
    text = "models: {a: {cmd: 'srv -m ${env.KEY} models', proxy: http://h}}"
    loaded = load_text(text, "c.yaml", {"KEY": "mode"})
    shown = without(effective(loaded.config), loaded.written.secrets)
    assert shown["models"]["a"]["cmd"] == "srv -m *** models"


def test_what_a_terminal_acts_on_is_escaped_and_read_back() -> None:
    text = 'models: {a: {cmd: srv, proxy: "http://h", name: "\\e[31m\\u202e\\U000e0001é"}}'
    config = load_text(text, "c.yaml", {}).config
    shown = as_text(effective(config))
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "é" in shown
    assert json.loads(shown)["models"]["a"]["name"] == "\x1b[31m\u202e\U000e0001é"
