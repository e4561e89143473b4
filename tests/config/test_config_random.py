"""Whatever is in the file: a configuration that keeps its promises, or `ConfigError`. Nothing else, ever."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from llamaswap.config.load import Loaded, load_text
from llamaswap.config.text.problems import Problems
from llamaswap.config.text.sources import decoded
from llamaswap.errors import ConfigError

ENVIRON = {"SET": "value", "NUM": "7", "EMPTY": "", "NESTED": "${env.SET}", "LIST": "[a, b]", "BROKEN": "[a"}

_names = st.sampled_from(["a", "b", "A", "m10", "m9", "x/y", "", "1", "~", "a.b", "${env.SET}"])
_texts = st.sampled_from(
    [
        "srv",
        "srv ${PORT}",
        "${m}",
        "${n} x",
        "${PORt}",
        "http://h:${PORT}",
        "http://h:5800",
        "",
        "'",
        '"',
        "\\",
        "# c",
        "${env.SET}",
        "${env.NUM}",
        "${env.EMPTY}",
        "${env.NO}",
        "${env.NESTED}",
        "${env.LIST}",
        "${env.BROKEN}",
        "none",
        "/health",
        ":",
        "on",
    ]
)
_scalars = st.one_of(_texts, st.integers(-3, 70000), st.floats(), st.booleans(), st.none(), st.text(max_size=6))
_junk = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=3), max_leaves=6
)
_model_keys = ["cmd", "cmdStop", "proxy", "checkEndpoint", "ttl", "unloadTimeout", "env", "aliases", "useModelName"]
_model_keys += ["concurrencyLimit", "unlisted", "name", "macros", "filters", "healthCheckTimeout", "nonsense"]
_sane_model = st.fixed_dictionaries(
    {"cmd": st.sampled_from(["srv ${PORT}", "x -p ${PORT}"])},
    optional={
        "aliases": st.lists(_names, max_size=2),
        "ttl": st.integers(-1, 3),
        "macros": st.just({"m": "1", "n": "${m}"}),
    },
)
_model = st.one_of(_sane_model, st.dictionaries(st.sampled_from(_model_keys), _junk, max_size=4), _junk)
_root_keys = [
    "startPort",
    "globalTTL",
    "unloadTimeout",
    "logLevel",
    "logToStdout",
    "apiKeys",
    "hooks",
    "routing",
    "cors",
]
_root_keys += ["macros", "stallTimeout", "peers", "nonsense", "healthCheckTimeout", "includeAliasesInList", "matrix"]
_config = st.fixed_dictionaries(
    {
        "models": st.one_of(
            st.dictionaries(_names, _sane_model, max_size=4), st.dictionaries(_names, _model, max_size=3)
        )
    },
    optional=dict.fromkeys(_root_keys, _junk),
)


def _load(text: str) -> Loaded | None:
    try:
        return load_text(text, "c.yaml", ENVIRON)
    except ConfigError as error:
        assert error.problems
        assert str(error)
        return None


def _check(loaded: Loaded) -> None:
    config = loaded.config
    for warning in loaded.warnings:
        assert str(warning)
    assert all(name == model.id for name, model in config.models.items())
    assert set(config.models) <= set(config.names)
    assert set(config.names.values()) <= set(config.models)
    for name, model in config.models.items():
        assert config.names[name] == name
        assert all(config.names[alias] in config.models for alias in model.aliases)
        assert model.ttl >= 0
        assert model.unload_timeout > 0
        assert model.health_check_timeout >= 15
        assert model.concurrency_limit >= 0
        assert "${PORT}" not in "".join((model.cmd, model.proxy, *model.argv, *model.cmd_stop))
    owned = [model.proxy.rpartition(":")[2] for model in config.models.values() if model.owns_port]
    assert len(owned) == len(set(owned))
    assert all(config.names[name] == name for name in config.preload)


@given(_config)
@settings(max_examples=400, deadline=None)
def test_a_configuration_keeps_its_promises_or_is_refused(config: dict[str, Any]) -> None:
    loaded = _load(json.dumps(config))
    if loaded:
        _check(loaded)


@given(st.dictionaries(_names.filter(lambda n: n != "${env.SET}"), _sane_model, min_size=1, max_size=4))
@settings(max_examples=100, deadline=None)
def test_sane_models_load_unless_an_alias_is_given_twice(models: dict[str, Any]) -> None:
    aliases = ["value" if a == "${env.SET}" else a for model in models.values() for a in model.get("aliases", [])]
    loaded = _load(json.dumps({"models": models}))
    assert (loaded is not None) == (len(aliases) == len(set(aliases)))
    if loaded:
        _check(loaded)


@given(
    st.text(alphabet=st.sampled_from("ab:-[]{}&*!|>'\"%@`#?,.~<0123 \n\t\\${}env\x00\x85\ufeff\ue000é"), max_size=60)
)
@settings(max_examples=600, deadline=None)
def test_any_text_is_loaded_or_refused(text: str) -> None:
    loaded = _load(text)
    if loaded:
        _check(loaded)


@given(st.binary(max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_a_text_or_a_problem(data: bytes) -> None:
    problems = Problems()
    source = decoded("c.yaml", data, problems)
    if source is None:
        try:
            problems.raise_errors()
        except ConfigError as error:
            assert "not UTF-8" in str(error)
            return
        raise AssertionError("refused without a reason")
    _load(source.text)
