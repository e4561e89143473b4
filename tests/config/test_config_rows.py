"""The edge cases of the configuration specification, under the numbers that they have there (section 20).

The short hand is that of `rows`. Where we deviate from the reference on purpose, the row names the quirk (Q-n).
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from llamaswap.config.load import load, sources
from llamaswap.errors import ConfigError
from tests.config.rows import (
    ENVIRON,
    config,
    global_ttl,
    m,
    models,
    plain,
    raw,
    refused,
    start_port,
    time_format,
    warned,
)

VALUES: list[tuple[int, str, Callable[[str], Any], Any]] = [
    (1, "", models, {}),
    (
        5,
        "startPort: 6100↵models: {p: ‹P›}↵---↵startPort: 6200",
        lambda t: models(t)["p"].proxy,
        "http://localhost:6100",
    ),
    (7, "StartPort: 6100", start_port, 5800),
    (8, "helthCheckTimeout: 900↵models: {a: ‹M›}", lambda t: models(t)["a"].health_check_timeout, 120.0),
    (3, "x-a: &a {in: &a 6100}↵startPort: *a", start_port, 6100),  # 3.1: the latest definition of an anchor counts
    (3, "x-a: &a 1↵x-b: &a 6100↵startPort: *a", start_port, 6100),
    (10, "startPort: 6100.9", start_port, 6100),
    (11, "startPort: 0x1770", start_port, 6000),
    (12, "startPort: 013560", start_port, 6000),
    (13, "startPort: 6_000", start_port, 6000),
    (14, "globalTTL: 1e3", global_ttl, 1000.0),
    (16, "startPort: ~", start_port, 5800),
    (19, m("unlisted: on"), lambda t: models(t)["a"].unlisted, True),
    (20, m('unlisted: "yes"'), lambda t: models(t)["a"].unlisted, True),
    (23, m("metadata: {flag: on}"), lambda t: raw(t, "models", "a", "metadata", "flag"), "on"),
    (23, m("metadata: {t: 12:30}"), lambda t: raw(t, "models", "a", "metadata", "t"), "12:30"),
    (
        23,
        m("metadata: {d: 2031-05-06}"),
        lambda t: raw(t, "models", "a", "metadata", "d"),
        datetime(2031, 5, 6, tzinfo=UTC),
    ),
    (24, m("name: 1.50"), lambda t: models(t)["a"].name, "1.5"),
    (24, m("description: 0x1F"), lambda t: models(t)["a"].description, "31"),
    (24, m("aliases: [007]"), lambda t: models(t)["a"].aliases, ("7",)),
    (25, "models: {70: ‹M›, b: ‹M›}", lambda t: sorted(models(t)), ["70", "b"]),  # upstream loses all models
    (26, 'models: {"70": ‹M›}', lambda t: sorted(models(t)), ["70"]),
    (27, "models: {yes: ‹M›, 7b: ‹M›}", lambda t: sorted(models(t)), ["7b", "yes"]),
    (
        28,
        "models: {a: ~}",
        lambda t: (models(t)["a"].proxy, models(t)["a"].check_endpoint, models(t)["a"].ttl),
        ("", "", 0),
    ),
    (
        30,
        'base: &b {cmd: srv, proxy: "http://127.0.0.1:1", ttl: 5, name: n}↵models: {a: {<<: *b, ttl: 9}}',
        lambda t: (models(t)["a"].ttl, models(t)["a"].name),
        (9.0, "n"),
    ),
    (31, "x: &x {startPort: 6100}↵y: &y {startPort: 6200, globalTTL: 3}↵<<: [*x, *y]", start_port, 6100),
    (31, "x: &x {startPort: 6100}↵y: &y {startPort: 6200, globalTTL: 3}↵<<: [*x, *y]", global_ttl, 3.0),
    (35, "# ${env.LS_UNSET}↵logLevel: warn", lambda t: config(t).config.log_level, "warn"),
    (37, "startPort: ${env.LS_NUM}", start_port, 7100),
    (39, "apiKeys: [${env.LS_HOST}]", lambda t: config(t).config.api_keys, ("10.1.2.3",)),
    # comments are never searched.
    (40, "# ${env.LS_UNSET}↵apiKeys: [${env.LS_HOST}]", lambda t: config(t).config.api_keys, ("10.1.2.3",)),
    (43, 'logTimeFormat: "${env.LS_WIN}"', time_format, r"D:\gguf\x"),
    (44, "logTimeFormat: ${env.LS_WIN}", time_format, r"D:\gguf\x"),  # values are data
    (46, "logTimeFormat: ${env.LS_COLON}", time_format, "k: v"),  # values are data
    (47, 'macros: {who: bob}↵logTimeFormat: "${env.LS_MACRO}"', time_format, "bob"),
    (48, 'logTimeFormat: "${env.9X} ${env.}"', time_format, "${env.9X} ${env.}"),
    (49, 'macros: {port0: 6400}↵startPort: "${port0}"', start_port, 6400),
    (52, 'macros: {b: true}↵logTimeFormat: "x${b}"', time_format, "xtrue"),
    (53, 'macros: {f: 2500000.0}↵logTimeFormat: "x${f}"', time_format, "x2.5e+06"),
    (54, 'macros: {f: 3.0}↵logTimeFormat: "x${f}"', time_format, "x3"),
    (55, 'macros: {a: 4, b: "${a}"}↵globalTTL: "${b}"', global_ttl, 4.0),
    (57, 'macros: {b: "v${zz}"}↵logLevel: warn', lambda t: config(t).config.log_level, "warn"),
    (66, 'macros: {x: done, inner: x}↵logTimeFormat: "${${inner}}"', time_format, "done"),
    (67, 'logTimeFormat: "${A:-1} $B ${a.b}"', time_format, "${A:-1} $B ${a.b}"),
    (69, 'defs: {x: "${nope}"}', models, {}),
    (
        71,
        'macros: {k: z}↵peers: {"${k}": {proxy: "http://127.0.0.1:2", models: "${k}"}}',
        lambda t: raw(t, "peers", "${k}", "models"),
        "z",
    ),
    (
        72,
        'macros: {v: 1}↵models: {a: {macros: {v: 2}, cmd: "srv ${v}", proxy: "http://127.0.0.1:1"},'
        ' b: {cmd: "srv ${v}", proxy: "http://127.0.0.1:1"}}',
        lambda t: [model.cmd for model in models(t).values()],
        ["srv 2", "srv 1"],
    ),
    (
        73,
        'macros: {v: 1, w: "w${v}"}↵models: {a: {macros: {v: 2}, cmd: "srv ${w}", proxy: "http://127.0.0.1:1"}}',
        lambda t: models(t)["a"].cmd,
        "srv w2",
    ),
    (
        75,
        'models: {a: {macros: {p: 1, q: "${p}2"}, cmd: "srv ${q}", proxy: "http://127.0.0.1:1"}}',
        lambda t: models(t)["a"].cmd,
        "srv 12",
    ),
    (
        78,
        "models: {z: ‹P›, A: ‹P›, m10: ‹P›, m9: ‹P›}",
        lambda t: {name: model.argv[-1] for name, model in models(t).items()},
        {"z": "5803", "A": "5800", "m10": "5801", "m9": "5802"},
    ),
    (79, "models: {a: ‹M›, b: ‹P›}", lambda t: models(t)["b"].proxy, "http://localhost:5800"),
    (
        80,
        'models: {a: {cmd: "srv -p ${PORT}", proxy: "http://127.0.0.1:9"}, b: ‹P›}',
        lambda t: [(model.cmd, model.proxy, model.owns_port) for model in models(t).values()],
        [("srv -p 5800", "http://127.0.0.1:9", False), ("srv --port 5801", "http://localhost:5801", True)],
    ),
    (82, 'models: {a: {cmd: srv, proxy: ""}}', lambda t: models(t)["a"].proxy, ""),
    (
        84,
        'macros: {base: "srv --port ${PORT}"}↵models: {a: {cmd: "${base} -x"}}',
        lambda t: models(t)["a"].cmd,
        "srv --port 5800 -x",
    ),
    (
        85,
        'models: {a: {cmd: "srv ${PORT}", metadata: {p: "${PORT}", q: "p${PORT}"}}}',
        lambda t: (raw(t, "models", "a", "metadata", "p"), raw(t, "models", "a", "metadata", "q")),
        (5800, "p5800"),
    ),
    (87, "startPort: 65535↵models: {a: ‹P›, b: ‹P›}", lambda t: models(t)["b"].proxy, "http://localhost:65536"),
    (
        90,
        'models: {org.x: {cmd: "srv ${MODEL_ID}", proxy: "http://127.0.0.1:1"}}',
        lambda t: models(t)["org.x"].cmd,
        "srv org.x",
    ),
    (91, m('cmdStop: "kill ${PID}"'), lambda t: models(t)["a"].cmd_stop, ("kill", "${PID}")),
    (
        93,
        'globalTTL: 300↵models: {a: ‹M›, b: {cmd: srv, proxy: "http://127.0.0.1:1", ttl: 0},'
        ' c: {cmd: srv, proxy: "http://127.0.0.1:1", ttl: -1}}',
        lambda t: [model.ttl for model in models(t).values()],
        [300.0, 0.0, 300.0],
    ),
    (96, "unloadTimeout: 0↵" + m("unloadTimeout: 0"), lambda t: models(t)["a"].unload_timeout, 10.0),
    (97, "healthCheckTimeout: 4↵" + m("healthCheckTimeout: 600"), lambda t: models(t)["a"].health_check_timeout, 15.0),
    (99, 'models: {a: {cmd: srv, proxy: "localhost:8999"}}', lambda t: models(t)["a"].proxy, "localhost:8999"),
    (101, 'models: {a: {proxy: "http://127.0.0.1:1"}}', lambda t: models(t)["a"].argv, ()),
    (103, "models: {b: ‹M›, a: " + m("aliases: [b]")[12:], lambda t: config(t).config.names["b"], "b"),
    (104, m("aliases: [~, q]"), lambda t: models(t)["a"].aliases, ("q",)),
    (114, m("env: [lower=1, NOEQ]"), lambda t: models(t)["a"].env, ("lower=1", "NOEQ")),
    (
        115,
        'models: {comfyui_auto: {cmd: "srv ${PORT}", concurrencyLimit: 8}}',
        lambda t: models(t)["comfyui_auto"].concurrency_limit,
        50,
    ),
    (117, "logLevel: LOUD", lambda t: config(t).config.log_level, "info"),
    (130, "apiKeys: [12345]", lambda t: config(t).config.api_keys, ("12345",)),
    (
        131,
        m("aliases: [al]") + '↵hooks: {on_startup: {preload: [" al ", ghost, a]}}',
        lambda t: config(t).config.preload,
        ("a", "a"),
    ),
]


@pytest.mark.parametrize(("number", "row", "look", "value"), VALUES, ids=[str(row[0]) for row in VALUES])
def test_the_row_gives_this_value(number: int, row: str, look: Callable[[str], Any], value: Any) -> None:
    assert look(row) == value


REFUSED: list[tuple[int, str, str]] = [
    (2, "- startPort: 1", "must hold a mapping"),
    (3, "plain words", "must hold a mapping"),  # upstream takes it for an empty file
    (6, "startPort: 6100↵startPort: 6100", "startPort: this key stands here twice"),
    (9, 'startPort: "6100"', "remove the quotes"),
    (9, "startPort: true", "must be a whole number, not true or false"),
    (15, "globalTTL: 9223372036854775808", "must be a whole number"),
    (21, m('unlisted: "true"'), "must be true or false, not text"),
    (22, m("unlisted: 1"), "must be true or false, not a number"),
    (29, "models: [a]", "models: this must be a mapping, not a list"),
    (32, "x: &x {startPort: 6100}↵<<: *x↵<<: *x", "`<<` stands here twice"),
    (33, "<<: 5", "takes a mapping or a list of mappings"),
    (34, 'logLevel: "${env.LS_UNSET}"', "LS_UNSET is not set"),
    (
        36,
        "models:↵  a:↵    proxy: http://127.0.0.1:1↵    cmd: |↵      # ${env.LS_UNSET}↵      srv",
        "c.yaml:5:9: models.a.cmd: the environment variable LS_UNSET",
    ),
    (38, 'startPort: "${env.LS_NUM}"', "must be a whole number, not text"),
    (41, 'apiKeys: ["${env.LS_EMPTY}"]', "must not be empty"),
    (42, "apiKeys:↵  - ${env.LS_EMPTY}", "open to all"),  # upstream accepts it and needs no key then
    (45, 'logTimeFormat: "${env.LS_MULTI}"', "LS_MULTI holds a line break"),
    (50, 'macros: {port0: 64}↵startPort: "${port0}00"', "must be a whole number"),
    (51, 'macros: {t: "15"}↵globalTTL: ${t}', "must be a whole number"),
    (56, 'macros: {b: "v${a}", a: 4}↵logTimeFormat: "${b}"', "move a up, above the macro b"),
    (58, 'macros: {a: "x${a}"}', "refers to itself"),
    (59, "macros: {PORT: 1}", "PORT is reserved"),
    (60, "macros: {a.b: 1}", "no name for a macro"),
    (61, "macros: {a: [1]}", "a macro cannot be a list"),
    (62, "macros: {a: ~}", "a macro cannot be nothing"),
    (63, "macros: {a: 2031-05-06}", "a macro cannot be a date"),
    (64, "d: &d {a: 1}↵macros: {<<: *d, b: 2}", "macros.<<"),
    (65, 'macros: {inner: outer, x: 1}↵logTimeFormat: "${${inner}}"', "no macro ${outer}"),
    (68, 'models: {a: {cmd: "sh -c \'echo ${HOME}\'", proxy: "http://127.0.0.1:1"}}', "no macro ${HOME}"),
    (70, m('note: "${nope}"'), "models.a.note: there is no macro ${nope}"),
    (
        74,
        'macros: {v: 1, w: 5}↵models: {a: {macros: {v: "q${w}"}, cmd: "srv ${v}", proxy: "http://127.0.0.1:1"}}',
        "the macro w is declared too late",
    ),
    (
        76,
        'base: &b {macros: {x: 1, y: 2}, cmd: "srv ${x}${y}", proxy: "http://127.0.0.1:1"}↵'
        "models: {a: {<<: *b, macros: {x: 3}}}",
        "no macro ${y}",
    ),
    (77, m('metadata: {inner: {1: "${nope}"}}'), "no macro ${nope}"),  # upstream does not look inside
    (81, "models: {a: {cmd: srv}}", "the model has no proxy"),
    (83, "models:↵  a:↵    cmd: |↵      # --port ${PORT}↵      srv", "the model has no proxy"),
    (86, m('cmdStop: "stop ${PORT}"'), "the model has no port"),
    (88, "startPort: 0", "must be 1 or more"),
    (89, 'peers: {p: {proxy: "http://127.0.0.1:${PORT}", models: [x]}}', "exists only inside models"),
    (92, 'models: {a: {cmd: "srv ${PID}", proxy: "http://127.0.0.1:1"}}', "known only to cmdStop"),
    (94, m("ttl: -2"), "must be -1 or more"),
    (95, "globalTTL: -1", "must be 0 or more"),
    (98, 'models: {a: {cmd: srv, proxy: "127.0.0.1:8999"}}', "the scheme (http://) is missing"),
    (
        100,
        'models: {a: {cmd: [srv, -p], proxy: "http://127.0.0.1:1"}}',
        "models.a.cmd: this must be a text, not a list",
    ),
    (102, m("aliases: [q, q]"), "given twice"),
    (113, m("env: {A: b}"), "must be a list, not a mapping"),
    (118, "logToStdout: Both", "did you mean both?"),
    (129, 'apiKeys: ["a b"]', "must not hold a blank"),
]


@pytest.mark.parametrize(("number", "row", "reason"), REFUSED, ids=[str(row[0]) for row in REFUSED])
def test_the_row_is_refused(number: int, row: str, reason: str) -> None:
    assert reason in refused(row)


WARNED: list[tuple[str, str, str]] = [
    ("Q-1", "models: {70: ‹M›}", "read as the text '70'"),
    ("Q-4", "models: {a: ~}", "an empty model"),
    ("Q-12", "startPort: 65536↵models: {a: ‹P›}", "there is no port 65536"),
    (
        "Q-12",
        'models: {a: ‹P›, b: {cmd: x, proxy: "http://127.0.0.1:5800"}}',
        "port 5800 is also given out to the model a",
    ),
    ("Q-13", 'models: {a: {cmd: srv, proxy: ""}}', "cannot be sent to this address"),
    ("Q-13", 'models: {a: {proxy: "http://127.0.0.1:1"}}', "there is no command"),
    ("Q-14", "models: {b: ‹M›, a: " + m("aliases: [b]")[12:], "this alias has no effect"),
    ("Q-19", m("name: ${env.LS_NESTED}"), "refers to another variable"),
    ("Q-22", "helthCheckTimeout: 900", "did you mean healthCheckTimeout?"),
    ("Q-22", m("tll: 5"), "did you mean ttl?"),
    ("Q-33", 'models: {a: {cmd: \'srv "x\', proxy: "http://127.0.0.1:1"}}', "never closed"),
    ("Q-34", "models: {a: {cmd: 'srv \\\\', proxy: \"http://127.0.0.1:1\"}}", "two backslashes"),
    ("Q-40", m("name: 1.10"), 'becomes the text "1.1"'),
    ("6.1", "healthCheckTimeout: 4", "raised to 15"),
    ("6.1", "logLevel: LOUD", "info is used"),
    ("6.2", "logTimeFormat: rfc3393", "did you mean rfc3339?"),
    ("6.12", "models: {alpha: ‹M›}↵hooks: {on_startup: {preload: [alpah]}}", "did you mean alpha?"),
    ("3.1", "startPort: 1↵---↵startPort: 2", "only what stands above this line is read"),
]


@pytest.mark.parametrize(("quirk", "row", "warning"), WARNED)
def test_what_is_kept_is_warned_of(quirk: str, row: str, warning: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENVIRON, "LS_NESTED", "${env.LS_HOST}")
    assert warning in warned(row)


def test_a_text_that_only_looks_like_a_stand_in_for_a_variable_is_kept() -> None:
    row = 'apiKeys: [${env.LS_HOST}, "\\uE000ZZZZZZ\\uE000", "\\uE000' + "9" * 5000 + '\\uE000"]'
    assert config(row).config.api_keys[:2] == ("10.1.2.3", "\ue000ZZZZZZ\ue000")


def test_q23_a_health_path_that_cannot_be_asked_for_is_refused() -> None:
    assert "models.a.checkEndpoint" in refused(m("checkEndpoint: /%zz"))


FILES: list[tuple[int, dict[str, str], str, str]] = [
    (
        169,
        {"10.yaml": "macros: {a: 1}", "20.yml": 'macros: {b: "${a}2"}↵models: {"m": {cmd: "${b}", proxy: "http://h"}}'},
        "cmd",
        "12",
    ),
    (
        170,
        {"10.yaml": 'logTimeFormat: "${b}"↵macros: {b: "${a}2"}', "20.yml": "macros: {a: 1}"},
        "refused",
        "declared too late",
    ),
    (
        171,
        {"10.yaml": "models: {a: ‹M›}", "20.yaml": "models: {a: ‹M›}"},
        "refused",
        "defined in two files, here and at",
    ),
    (172, {"10.yaml": "globalTTL: 60", "20.yaml": "globalTTL: 60↵models: {m: ‹M›}"}, "ttl", "60.0"),
    (173, {"10.yaml": "globalTTL: 60", "20.yaml": "globalTTL: 0x3c"}, "refused", "two files give different values"),
    (174, {"10.yaml": "globalTTL:", "20.yaml": "globalTTL: 60↵models: {m: ‹M›}"}, "ttl", "60.0"),
    (175, {"10.yaml": "globalTTL: ~", "20.yaml": "globalTTL: 60↵models: {m: ‹M›}"}, "ttl", "60.0"),
    (176, {"10.yaml": "models:", "20.yaml": "models: {m: ‹M›}"}, "cmd", "srv"),
    (178, {"10.yaml": "models: {m: ‹M›}↵matrix: {vars: {v: m}}", "20.yaml": "matrix: {sets: {s: v}}"}, "cmd", "srv"),
    (
        179,
        {"10.yaml": "matrix: {sets: {s: a}}", "20.yaml": "matrix: {sets: {t: a}}"},
        "refused",
        "matrix.sets: this is defined in two",
    ),
    (180, {"10.yaml": 'x: &t {cmd: one, proxy: "http://h"}', "20.yaml": "models: {m: *t}"}, "refused", "no anchor &t"),
    (
        181,  # anchors are per file
        {
            "10.yaml": 'defs: {one: &t {cmd: one, proxy: "http://h"}}↵models: {m: {<<: *t}}',
            "20.yaml": 'defs: {two: &t {cmd: two, proxy: "http://h"}}↵models: {b: {<<: *t}}',
        },
        "cmd",
        "one",
    ),
    (
        182,
        {".x.yaml": "globalTTL: 5↵models: {m: ‹M›}", "sub/y.yaml": "globalTTL: 6", "z.YAML": "globalTTL: 7"},
        "ttl",
        "5.0",
    ),
    (183, {"readme.txt": "x"}, "refused", "no *.yaml or *.yml"),
    (4, {"c.yaml": "- startPort: 1"}, "refused", "must hold a mapping"),
]


@pytest.mark.parametrize(("number", "files", "look", "value"), FILES, ids=[str(row[0]) for row in FILES])
def test_files_of_a_directory(number: int, files: dict[str, str], look: str, value: str, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(plain(text))
    if look == "refused":
        with pytest.raises(ConfigError, match=value.replace("*", r"\*")):
            load(sources(None, tmp_path), ENVIRON)
        return
    model = next(iter(load(sources(None, tmp_path), ENVIRON).config.models.values()))
    assert str(getattr(model, look)) == value


def test_177_lists_are_appended(tmp_path: Path) -> None:
    (tmp_path / "10.yaml").write_text("apiKeys: [k1]")
    (tmp_path / "20.yaml").write_text("apiKeys: [k1, k2]")
    assert load(sources(None, tmp_path), {}).config.api_keys == ("k1", "k1", "k2")


def test_184_a_file_given_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("globalTTL: 5")
    with pytest.raises(ConfigError, match="given by -config and found by -config-dir"):
        sources(tmp_path / "a.yaml", tmp_path)


def test_185_a_scalar_where_a_list_is_due_is_refused(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "c.yaml").write_text("globalTTL: 5")
    (tmp_path / "d" / "a.yaml").write_text("apiKeys: k")
    with pytest.raises(ConfigError, match="apiKeys: this must be a list, not text"):
        load(sources(tmp_path / "c.yaml", tmp_path / "d"), {})
