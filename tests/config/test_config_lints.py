"""Each rule: a file that it speaks of, the same file repaired, and its line in the documentation.

The short hand is that of `rows`. A file is `c.yaml`; several are a mapping from name to text (None: a dangling link).
"""

import ast
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from llamaswap.config.lints import Facts, lint, placed
from llamaswap.config.load import Examined, examine, sources
from llamaswap.config.names import ModelId
from llamaswap.config.rules import ALWAYS_ERRORS, ALWAYS_WARNINGS, RULES
from llamaswap.config.text.place import Source
from llamaswap.config.text.problems import Problem
from llamaswap.errors import ConfigError
from llamaswap.verbs.check_machine import machine_lints
from tests.config.rows import plain
from tests.config.test_config_random import _config as random_configs

ROOT = Path(__file__).parents[2]
Files = str | Mapping[str, str | bytes | None]

FIFO = "↵routing: {scheduler: {use: fifo}}"
BATCH = "↵routing: {scheduler: {use: batch}}"
A = "models: {a: ‹M›}"
AB = "models: {a: ‹M›, b: ‹P›}"
PEER = '↵peers: {p: {proxy: "http://127.0.0.1:2", models: [x]}}'
KEY = "0123456789abcdef"


@dataclass(frozen=True)
class Example:
    rule: str
    bad: Files
    good: Files
    environ: Mapping[str, str] = field(default_factory=dict)
    listen_port: int | None = None
    load_times: Mapping[ModelId, float] = field(default_factory=dict)


def model(body: str) -> str:
    return f"models: {{a: {{{body}}}}}"


def at(port: int, more: str = "") -> str:
    return f'proxy: "http://127.0.0.1:{port}"{more}'


EXAMPLES = [
    # Files and YAML
    Example("sources", {"c.txt": ""}, ""),
    Example("file", {"c.yaml": None}, ""),
    Example("encoding", {"c.yaml": b"apiKeys: [\xff]"}, "apiKeys: [ÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿ]"),
    Example("yaml", "a: [1", "x-a: [1]"),
    Example("root", "- a", "x-a: 1"),
    Example("key", "{[a]: 1}: 2", "x-a: 1"),
    Example("duplicate-key", "x-a: 1↵x-a: 2", "x-a: 1↵x-b: 2"),
    Example("tag", "startPort: !!int x", "startPort: !!int 7000"),
    Example("merge", {"a.yaml": "globalTTL: 1", "b.yaml": "globalTTL: 2"}, {"a.yaml": "globalTTL: 1", "b.yaml": ""}),
    # Variables and macros
    Example("env", "logLevel: ${env.NO}", "logLevel: ${env.LEVEL}", {"LEVEL": "warn"}),
    Example("macro", model('cmd: "srv ${nope}", ' + at(1)), "macros: {nope: x}↵" + model('cmd: "s ${nope}", ' + at(1))),
    Example("env-in-env", "logLevel: ${env.A}", "logLevel: ${env.B}", {"A": "${env.B}", "B": "warn"}),
    # Values
    Example("type", "startPort: x", "startPort: 6000"),
    Example("range", "startPort: 0", "startPort: 6000"),
    Example("duration", "performance: {every: 5x}", "performance: {every: 5s}"),
    Example("url", model("cmd: srv, proxy: '127.0.0.1:1'"), A),
    Example("regex", "upstream: {ignorePaths: ['(?!x)']}", "upstream: {ignorePaths: [x]}"),
    Example(
        "misplaced-key",
        "models: {healthCheckTimeout: 60, a: ‹M›}",
        "healthCheckTimeout: 60↵models: {logLevel: ‹M›, groups: {cmd: s, " + at(1) + "}}",
    ),
    Example("misplaced-key", "models: {a: ‹M›, groups: {g: {members: [a]}}}", A + "↵groups: {g: {members: [a]}}"),
    Example("misplaced-key", "models: {a: ‹M›, macros: {x: y}}", "macros: {x: y}↵" + A),
    Example("missing", "peers: {p: {models: [x]}}", PEER),
    Example("store", "store: {path: /no-such-dir/x}", "store: {path: ':memory:'}"),
    Example("api-key", "apiKeys: ['']", f"apiKeys: [{KEY}]"),
    Example("choice", "logToStdout: Both", "logToStdout: both"),
    Example("choice", "logLevel: loud", "logLevel: ' WARN '"),
    Example("unknown-key", "modles: {}", "models: {}"),
    Example("port", model("cmd: srv"), "models: {a: ‹P›}"),
    Example("port", "startPort: 65536↵models: {a: ‹P›}", "startPort: 65535↵models: {a: ‹P›}"),
    # Names
    Example("alias", model("cmd: s, aliases: [x, x], " + at(1)), model("cmd: s, aliases: [x, y], " + at(1))),
    Example("peer-name", PEER + "↵models: {p/x: ‹M›}", PEER + "↵models: {p/y: ‹M›}"),
    Example(
        "selector",
        A + "↵selectors: {s: {strategy: pin, targets: [b]}}",
        A + "↵selectors: {s: {strategy: pin, targets: [a]}}",
    ),
    Example("profile", A + "↵profiles: {p: {pins: {x: b}}}", A + "↵profiles: {p: {pins: {x: a}}}"),
    Example("group", A + "↵groups: {g: {members: [b]}}", A + "↵groups: {g: {members: [a]}}"),
    Example(
        "priority",
        A + "↵routing: {scheduler: {settings: {fifo: {priority: {b: 1}}}}}",
        A + "↵routing: {scheduler: {settings: {fifo: {priority: {a: 1}}}}}",
    ),
    Example("matrix", A + "↵matrix: {sets: {s: b}}", A + "↵matrix: {sets: {s: a}}"),
    Example(
        "two-routers",
        A + "↵groups: {g: {members: [a]}}↵matrix: {sets: {s: a}}",
        A + "↵groups: {g: {members: [a]}}",
    ),
    # What YAML does
    Example("second-document", "x-a: 1↵---↵x-b: 2", "x-a: 1"),
    Example("key-type", "models: {70: ‹M›}", 'models: {"70": ‹M›}'),
    Example("comment-in-value", "x-a: abc #def --g", "x-a: 'abc #def --g'"),
    Example("no-space", "x-a:↵  k:v", "x-a:↵  k: v"),
    Example("strange-blank", "\u00a0x: 1", "x-x: 1"),
    Example("typographic", "x-a: \u201cb\u201d", 'x-a: "b"'),
    Example("canonical", model("cmd: s, name: 1.10, " + at(1)), model('cmd: s, name: "1.10", ' + at(1))),
    Example("null-item", model("cmd: s, aliases: [~], " + at(1)), model("cmd: s, aliases: [x], " + at(1))),
    Example("null-entry", "models: {a: ~}", A),
    Example("no-models", "# nothing yet", "models: {}"),
    Example("no-models", "models:\nlogLevel: info", A),
    Example("no-json", model("cmd: s, metadata: {x: .inf}, " + at(1)), model("cmd: s, metadata: {x: 1}, " + at(1))),
    # Keys and values
    Example("no-effect", "ui: {}", "logLevel: info"),
    Example("deprecated-key", "logRequests: true", "logLevel: info"),
    Example(
        "deprecated-key",
        model("cmd: s, filters: {strip_params: x}, " + at(1)),
        model("cmd: s, filters: {stripParams: x}, " + at(1)),
    ),
    Example("raised", "healthCheckTimeout: 4", "healthCheckTimeout: 15"),
    Example(
        "negative-timeout",
        model("cmd: s, timeouts: {connect: -1}, " + at(1)),
        model("cmd: s, timeouts: {connect: 0, keepalive: -1}, " + at(1)),
    ),
    Example("fraction", "globalTTL: 0.5", "globalTTL: 1e3"),
    Example("fraction", model("cmd: s, ttl: 0.5, " + at(1)), model("cmd: s, ttl: 2.0, " + at(1))),
    Example(
        "fraction",
        model("cmd: s, timeouts: {connect: 1.5}, " + at(1)),
        model("cmd: s, metadata: {ttl: 1.5}, " + at(1)),
    ),
    Example("empty-is-default", "upstream: {ignorePaths: []}", "upstream: {ignorePaths: ['$^a']}"),
    Example(
        "protected-key",
        model("cmd: s, filters: {stripParams: 'model, x'}, " + at(1)),
        model("cmd: s, filters: {stripParams: x}, " + at(1)),
    ),
    Example(
        "wildcard-key",
        model("cmd: s, filters: {stripParams: 'a, b.*'}, " + at(1)),
        model(r"cmd: s, filters: {stripParams: 'a, b.\*, \\c'}, " + at(1)),
    ),
    Example(
        "wildcard-key",
        model("cmd: s, filters: {setParams: {'messages.#.x': 1}}, " + at(1)),
        model("cmd: s, filters: {setParams: {messages: {'*': 1}}}, " + at(1)),
    ),
    Example(
        "wildcard-key",
        model("cmd: s, filters: {setParamsByID: {x: {'a?': 1}}}, " + at(1)),
        model("cmd: s, filters: {setParamsByID: {'x?': {a: 1}}}, " + at(1)),
    ),
    Example("wildcard-key", PEER.replace("[x]", "[x], filters: {setParams: {'@a': 1}}"), PEER),
    Example("unusable-url", model("cmd: s, proxy: ''"), A),
    Example(
        "check-url",
        model("cmd: s, checkEndpoint: 'http://127.0.0.1:1/health', " + at(1)),
        model("cmd: s, checkEndpoint: '/health?of=http://x', " + at(1)),
    ),
    Example("no-api-keys", "apiKeys:", f"apiKeys: [{KEY}]"),
    # Commands
    Example("reference-form", model("cmd: 'srv $(PORT)', " + at(1)), model("cmd: 'srv ${PORT}'")),
    Example("no-shell", model("cmd: 'srv | tee x', " + at(1)), model("cmd: \"sh -c 'srv | tee x'\", " + at(1))),
    Example("comment-in-command", model("cmd: 'srv # x', " + at(1)), A),
    Example(
        "lost-backslashes",
        model(r"cmd: 'srv -m C:\models\x.gguf', " + at(1)),
        model(r"""cmd: 'srv -m "C:\models\x.gguf" -a D:\\x\\y --re=blk\.[0-9] -b E:/x', """ + at(1)),
    ),
    Example(
        "lost-backslashes",
        model(r"cmd: 'srv --model=.\x.gguf', " + at(1)),
        model(r"""cmd: "srv -m '..\\x.gguf'", """ + at(1)),
    ),
    Example("unclosed-quote", model("cmd: 'srv \"x', " + at(1)), model("cmd: 'srv \"x\"', " + at(1))),
    Example("lone-blank", model("cmd: 'srv \\\\', " + at(1)), model("cmd: 'srv \\', " + at(1))),
    Example("no-command", model(at(1)), A),
    Example("no-program", model("cmd: no-such-program-anywhere, " + at(1)), model("cmd: sh, " + at(1))),
    Example("no-program", model("cmd: /no/such/program, " + at(1)), model("cmd: /bin/sh, " + at(1))),
    Example(
        "missing-file",
        model("cmd: 'llama-server --port ${PORT} -m /no/such/file.gguf'"),
        model("cmd: 'docker run x llama-server --port ${PORT} -m /no/such/file.gguf'"),
    ),
    Example(
        "missing-file", model("cmd: 'llama-server --model=/no/f.gguf', " + at(1)), model("cmd: 's -m x', " + at(1))
    ),
    Example("env-item", model("cmd: s, env: ['export A=b'], " + at(1)), model("cmd: s, env: ['exporter=b'], " + at(1))),
    Example("env-item", model("cmd: s, env: ['A = b'], " + at(1)), model("cmd: s, env: ['A=b = c'], " + at(1))),
    Example("env-item", model("cmd: s, env: [NOEQ], " + at(1)), model("cmd: s, env: [EMPTY=], " + at(1))),
    Example("repeated-env", model("cmd: s, env: [A=1, A=2], " + at(1)), model("cmd: s, env: [A=1, a=2], " + at(1))),
    Example(
        "ttl-below-load",
        model("cmd: s, ttl: 20, " + at(1)),
        model("cmd: s, ttl: 60, " + at(1)),
        load_times={ModelId("a"): 40.0},
    ),
    Example("ttl-below-load", "globalTTL: 20↵" + A, A, load_times={ModelId("a"): 40.0}),
    # Ports and addresses
    Example("port-clash", "models: {a: ‹P›, b: {cmd: s, " + at(5800) + "}}", AB),
    Example(
        "shared-port",
        "models: {a: {cmd: 's 81', "
        + at(81)
        + "}, b: {cmd: 's 81', "
        + at(81)
        + "}}↵groups: {g: {swap: false, members: [a, b]}}"
        + FIFO,
        "models: {a: {cmd: 's 81', "
        + at(81)
        + "}, b: {cmd: 's 81', "
        + at(81)
        + "}}↵groups: {g: {swap: true, members: [a, b]}}"
        + FIFO,
    ),
    Example(
        "shared-port",
        "models: {a: {cmd: 's 81', "
        + at(81)
        + "}, b: {cmd: 's 81', "
        + at(81)
        + "}}↵matrix: {sets: {s: a & b}}"
        + FIFO,
        "models: {a: {cmd: 's 81', " + at(81) + "}, b: {cmd: 's 81', " + at(81) + "}}",
    ),
    Example("listen-clash", "startPort: 8080↵models: {a: ‹P›}", "models: {a: ‹P›}", listen_port=8080),
    Example("listen-clash", model("cmd: s, " + at(8080)), model("cmd: s, " + at(8081)), listen_port=8080),
    Example("peer-loop", PEER, PEER.replace(":2", ":3"), listen_port=2),
    Example("low-port", "startPort: 80↵models: {a: ‹P›}", "startPort: 80↵" + A),
    Example(
        "port-not-used",
        model("cmd: 's --port ${PORT}', " + at(9)),
        model("cmd: 'docker run -p ${PORT}:9 -e X=9', " + at(9)),
    ),
    Example("port-mismatch", model("cmd: 's --port 9000', " + at(9001)), model("cmd: 's --port 9000', " + at(9000))),
    Example(
        "remote-proxy",
        model("cmd: 'llama-server --port ${PORT}', proxy: 'http://10.0.0.7:${PORT}'"),
        model("cmd: 'llama-server --host 10.0.0.7 --port ${PORT}', proxy: 'http://10.0.0.7:${PORT}'"),
    ),
    # Names
    Example("dead-alias", "models: {b: ‹M›, a: {cmd: s, aliases: [b], " + at(1) + "}}", "models: {b: ‹M›, a: ‹M›}"),
    Example(
        "alias-for-id",
        model("cmd: s, aliases: [x], " + at(1)) + "↵groups: {g: {members: [x]}}",
        model("cmd: s, aliases: [x], " + at(1)) + "↵groups: {g: {members: [a]}}",
    ),
    Example(
        "shadowed-peer",
        model("cmd: s, aliases: [x], " + at(1)) + PEER,
        model("cmd: s, aliases: [y], " + at(1)) + PEER,
    ),
    Example(
        "shadowed-peer",
        A + PEER + "↵selectors: {x: {strategy: warm, targets: [a]}}",
        A + PEER + "↵selectors: {x: {strategy: pin, targets: [p/x]}}",
    ),
    Example(
        "pinned-away",
        AB + "↵profiles: {p: {pins: {a: b}}}",
        AB + "↵profiles: {p: {pins: {a: b, x: a}}}",
    ),
    Example("preload", A + "↵hooks: {on_startup: {preload: [b]}}", A + "↵hooks: {on_startup: {preload: [a]}}"),
    # Who may run beside whom
    Example("ignored-block", AB + "↵groups: {g: {members: [a]}}", AB + "↵groups: {g: {members: [a]}}" + FIFO),
    Example("ignored-block", AB + "↵matrix: {sets: {s: a & b}}", AB + "↵matrix: {sets: {s: a & b}}" + FIFO),
    Example(
        "ignored-block",
        A + "↵routing: {scheduler: {settings: {fifo: {maxWait: 3}}}}",
        A + "↵routing: {scheduler: {use: fifo, settings: {fifo: {maxWait: 3}}}}",
    ),
    Example(
        "ignored-block",
        A + "↵routing: {scheduler: {use: fifo}, router: {use: matrix, settings:"
        " {groups: {g: {members: [a]}}, matrix: {sets: {s: a}}}}}",
        A + "↵routing: {scheduler: {use: fifo}, router: {use: matrix, settings: {matrix: {sets: {s: a}}}}}",
    ),
    Example("ignored-key", model("cmd: s, parallel: 2, " + at(1)), model("cmd: s, parallel: 2, " + at(1)) + BATCH),
    Example(
        "ignored-key",
        "metricsMaxInMemory: 5↵store: {path: ':memory:'}",
        "store: {path: ':memory:'}",
    ),
    Example(
        "ignored-key",
        A + "↵selectors: {s: {strategy: pin, targets: [a], settings: {spillover: 2}}}",
        A + "↵selectors: {s: {strategy: spillover, targets: [a], settings: {spillover: 2}}}",
    ),
    Example("implicit-group", A + "↵groups: {(default): {members: [a]}}", A + "↵groups: {g: {members: [a]}}"),
    Example("empty-group", A + "↵groups: {g: {members: []}}" + FIFO, A + "↵groups: {g: {members: [a]}}" + FIFO),
    Example(
        "swap-without-effect",
        AB + "↵groups: {g: {swap: false, members: [a]}}" + FIFO,
        AB + "↵groups: {g: {swap: false, exclusive: false, members: [a]}}" + FIFO,
    ),
    Example(
        "swap-without-effect",
        AB + "↵groups: {g: {swap: false, members: [a]}}" + FIFO,
        AB + "↵groups: {g: {swap: false, members: [a, b]}}" + FIFO,
    ),
    Example(
        "exclusive-without-effect",
        AB + "↵groups: {g: {exclusive: false, members: [a, b]}}" + FIFO,
        AB + "↵groups: {g: {exclusive: true, members: [a]}}" + FIFO,
    ),
    Example(
        "asymmetric-groups",
        AB + "↵groups: {g: {exclusive: false, members: [a]}}" + FIFO,
        AB + "↵groups: {g: {exclusive: false, persistent: true, members: [a]}}" + FIFO,
    ),
    Example(
        "asymmetric-groups",
        AB + "↵groups: {g: {members: [a]}, h: {persistent: true, members: [b]}}" + FIFO,
        AB + "↵groups: {g: {members: [a]}, h: {members: [b]}}" + FIFO,
    ),
    Example(
        "unreachable-model",
        AB + "↵matrix: {sets: {s: a}}" + FIFO,
        AB + "↵matrix: {sets: {s: a, t: b}}" + FIFO,
    ),
    Example(
        "unused-var",
        A + "↵matrix: {vars: {v: a, w: a}, sets: {s: v}}" + FIFO,
        A + "↵matrix: {vars: {v: a, w: a}, evict_costs: {w: 2}, sets: {s: v}}" + FIFO,
    ),
    Example(
        "var-hides-model",
        AB + "↵matrix: {vars: {a: b}, sets: {s: a}}",
        AB + "↵matrix: {vars: {v: b}, sets: {s: v}}",
    ),
    Example(
        "two-costs",
        A + "↵matrix: {vars: {v: a}, evict_costs: {a: 1, v: 2}, sets: {s: v}}",
        A + "↵matrix: {vars: {v: a}, evict_costs: {v: 2}, sets: {s: v}}",
    ),
    Example(
        "two-priorities",
        model("cmd: s, aliases: [x], " + at(1)) + "↵routing: {scheduler: {settings: {fifo: {priority: {a: 1, x: 2}}}}}",
        model("cmd: s, aliases: [x], " + at(1)) + "↵routing: {scheduler: {settings: {fifo: {priority: {x: 2}}}}}",
    ),
    Example(
        "limit-under-serial",
        model("cmd: s, concurrencyLimit: 3, " + at(1)),
        model("cmd: s, concurrencyLimit: 3, " + at(1)) + FIFO,
    ),
    Example(
        "limit-below-parallel",
        model("cmd: s, concurrencyLimit: 3, parallel: 4, " + at(1)) + BATCH,
        model("cmd: s, concurrencyLimit: 4, parallel: 4, " + at(1)) + BATCH,
    ),
    Example(
        "selector-thrash",
        AB + "↵groups: {g: {swap: false, members: [a, b]}}↵selectors: {s: {strategy: spillover, targets: [a, b]}}",
        AB
        + "↵groups: {g: {swap: false, members: [a, b]}}↵selectors: {s: {strategy: spillover, targets: [a, b]}}"
        + FIFO,
    ),
    Example(
        "pin-ignores-targets",
        AB + "↵selectors: {s: {strategy: pin, targets: [a, b]}}",
        AB + "↵selectors: {s: {strategy: warm, targets: [a, b]}}",
    ),
    Example(
        "preload-thrash",
        AB + "↵hooks: {on_startup: {preload: [a, b]}}",
        AB + "↵hooks: {on_startup: {preload: [a, a]}}",
    ),
    Example(
        "preload-thrash",
        AB + "↵hooks: {on_startup: {preload: [a, b]}}" + FIFO,
        AB + "↵hooks: {on_startup: {preload: [a, b]}}↵groups: {g: {swap: false, members: [a, b]}}" + FIFO,
    ),
    # Who is let in
    Example("short-key", "apiKeys: [hunter2]", f"apiKeys: [{KEY}]"),
    Example("repeated-key", f"apiKeys: [{KEY}, {KEY}]", f"apiKeys: [{KEY}, {KEY}x]"),
    Example(
        "bearer-key",
        PEER.replace("[x]", "[x], apiKey: 'Bearer 0123456789abcdef'"),
        PEER.replace("[x]", "[x], apiKey: bearer-0123456789abcdef"),
    ),
    Example("open-cors", "cors: {origins: ['*']}", f"cors: {{origins: ['*']}}↵apiKeys: [{KEY}]"),
    *(
        Example("cors-origin", f"cors: {{origins: ['{bad}']}}", f"cors: {{origins: ['{good}', 'null']}}")
        for bad, good in [
            ("https://x/chat", "https://x/"),
            ("x:8080", "http://x:8080"),
            ("https://x:443", "https://x:80"),
            ("http://*.lan", "app://x"),
            ("https://x/?a", "HTTPS://X"),
        ]
    ),
    *(
        Example("allowed-host", f"allowedHosts: ['{bad}']", f"allowedHosts: ['{good}', '*', '::1']")
        for bad, good in [("http://x", "x"), ("x:80", "y.x"), ("x/a", "10.0.0.1"), ("*.x", "a.x"), ("x.", "x-y")]
    ),
    Example("relative-store", "store: {path: x.db}", "store: {path: ':memory:'}"),
]


def written(files: Files, folder: Path) -> Path:
    folder.mkdir()
    for name, text in ({"c.yaml": files} if isinstance(files, str) else files).items():
        if text is None:
            (folder / name).symlink_to(folder / "nowhere")
        else:
            (folder / name).write_bytes(text if isinstance(text, bytes) else plain(text).encode())
    return folder


def examined(folder: Path, environ: Mapping[str, str]) -> Examined:
    try:
        return examine(sources(None, folder), environ)
    except ConfigError as error:
        return Examined(tuple(p for p in error.problems if isinstance(p, Problem)), None)


def problems(example: Example, files: Files, folder: Path) -> list[Problem]:
    found = examined(written(files, folder), example.environ)
    if found.loaded is None:
        return list(found.problems)
    loaded = found.loaded
    facts = Facts(loaded.config, loaded.written, example.listen_port, example.load_times)
    return [*found.problems, *lint(facts), *placed(machine_lints(facts), facts)]


@pytest.mark.parametrize("example", EXAMPLES, ids=[f"{e.rule}-{n}" for n, e in enumerate(EXAMPLES)])
def test_a_rule_speaks_of_what_is_wrong_and_of_nothing_else(example: Example, tmp_path: Path) -> None:
    bad = problems(example, example.bad, tmp_path / "bad")
    mine = [problem for problem in bad if problem.code == example.rule]
    assert len(mine) == 1, [str(problem) for problem in bad]
    assert mine[0].remedy or example.rule == "no-effect"
    if example.rule not in ("sources", "file"):
        assert mine[0].mark is not None
    good = problems(example, example.good, tmp_path / "good")
    assert [str(problem) for problem in good if problem.code == example.rule or problem.severity == "error"] == []


@pytest.mark.parametrize("example", EXAMPLES, ids=[f"{e.rule}-{n}" for n, e in enumerate(EXAMPLES)])
def test_a_rule_is_as_severe_as_it_is_listed(example: Example, tmp_path: Path) -> None:
    found = problems(example, example.bad, tmp_path / "bad")
    severities = {problem.severity for problem in found if problem.code == example.rule}
    assert example.rule not in ALWAYS_ERRORS or severities == {"error"}
    assert example.rule not in ALWAYS_WARNINGS or severities == {"warning"}


def test_limits_under_serial_are_told_once(tmp_path: Path) -> None:
    limited = "cmd: s, proxy: 'http://h', concurrencyLimit"
    two = f"models: {{a: {{{limited}: 2}}, b: {{{limited}: 3}}}}"
    found = problems(Example("limit-under-serial", two, ""), two, tmp_path / "c")
    told = [problem for problem in found if problem.code == "limit-under-serial"]
    assert len(told) == 1
    assert told[0].what.endswith("; 2 models have such a limit")


def test_each_rule_has_examples() -> None:
    assert {example.rule for example in EXAMPLES} == set(RULES)


def test_each_name_in_use_is_listed() -> None:
    used = {name for path in (ROOT / "llamaswap").glob("[cv]*/**/*.py") for name in names_in(path)}
    assert used == set(RULES)


def names_in(path: Path) -> Iterator[str]:
    """The rule names that a module reports by, read off its source."""
    if not (path.match("config/**/*.py") or path.match("config/*.py") or path.name.startswith("check")):
        return
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):  # the default of a field
            fields = [each for each in node.body if isinstance(each, ast.AnnAssign)]
            yield from names(*(each.value for each in fields if ast.unparse(each.target) == "code"))
        elif isinstance(node, ast.Call):
            named = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
            called = ast.unparse(node.func).rpartition(".")[2]
            if named:
                yield from names(*named)
            elif called == "_warn":
                yield from names(*node.args[3:])
            elif called in ("warn", "error", "Lint", "Slip") or isinstance(node.func, ast.IfExp):
                yield from names(*node.args[:1])


def names(*nodes: ast.expr | None) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch("[a-z-]+", node.value):
            yield node.value


def test_each_rule_has_its_line_in_the_documentation() -> None:
    lines = (ROOT / "docs" / "checks.md").read_text().splitlines()
    told = {found[1]: found[2] for line in lines if (found := re.fullmatch(r"\| `([a-z][a-z-]*)` \| (.+) \|", line))}
    assert told == dict(RULES)


def test_lints_name_their_place_and_are_in_its_order() -> None:
    text = plain(
        "models:↵  a: ‹P›↵  b: ‹P›↵groups: {g: {members: [a]}}↵hooks: {on_startup: {preload: [a, b]}}↵apiKeys: [x]"
    )
    loaded = examine([Path("c.yaml")], {}, read=lambda _path, _problems: Source("c.yaml", text)).loaded
    assert loaded is not None
    assert [problem.headline.partition(": ")[0] for problem in lint(Facts(loaded.config, loaded.written))] == [
        "c.yaml:4:1",
        "c.yaml:5:22",
        "c.yaml:6:11",
    ]


@given(random_configs)
@settings(max_examples=150, deadline=None)
def test_whatever_loads_is_looked_at_without_an_exception(config: dict[str, Any]) -> None:
    found = examine([Path("c.yaml")], {}, read=lambda _path, _problems: Source("c.yaml", json.dumps(config))).loaded
    if found:
        facts = Facts(found.config, found.written, 5800, dict.fromkeys(found.config.models, 2.0))
        assert all(str(problem) for problem in [*lint(facts), *placed(machine_lints(facts), facts)])


def test_a_program_that_is_missing_is_told_once(tmp_path: Path) -> None:
    names = "models: {a: {cmd: 'nope ${PORT}'}, b: {cmd: 'nope ${PORT}'}, c: {cmd: 'nada ${PORT}'}}"
    found = problems(Example("no-program", names, ""), names, tmp_path / "c")
    assert [(problem.path[1], problem.what) for problem in found] == [
        ("a", "this program is not in PATH; 2 models need it (nope)"),
        ("c", "this program is not in PATH (nada)"),
    ]


def test_what_is_shipped_is_passed_over_in_silence() -> None:
    """But for what serial ignores in the example, which shows every key."""
    for path in (ROOT / "configs").glob("*.yaml"):
        found = [problem for problem in examined_file(path) if problem.code != "no-effect"]
        assert {problem.code for problem in found} <= {"ignored-block"}, path


def examined_file(path: Path) -> list[Problem]:
    found = examine([path], {})
    assert found.loaded is not None
    return [*found.problems, *lint(Facts(found.loaded.config, found.loaded.written))]
