"""The edge cases of filters, capabilities, peers, selectors, groups and the matrix, by their numbers (section 20)."""

from collections.abc import Callable
from typing import Any

import pytest

from llamaswap.config.names import ModelId
from llamaswap.config.parts import Filters
from llamaswap.config.routing import GroupConfig, RoutingConfig
from tests.config.rows import config, m, models, refused, warned

PEER = 'proxy: "http://127.0.0.1:2"'
DEFAULT_HEADERS = ("X-Session-ID", "X-Litellm-Session-Id")


def filters(row: str) -> Filters:
    return models(row)["a"].filters


def routing(row: str) -> RoutingConfig:
    return config(row).config.routing


def groups(row: str) -> dict[str, GroupConfig]:
    return {each.name: each for each in routing(row).groups}


def group(name: str, *names: str, swap: bool = True) -> GroupConfig:
    return GroupConfig(name, swap=swap, members=tuple(map(ModelId, names)))


def members(row: str) -> dict[str, tuple[str, ...]]:
    return {name: each.members for name, each in groups(row).items()}


def sets(row: str) -> list[str]:
    matrix = routing(row).matrix
    assert matrix is not None
    return [each.name for each in matrix.sets]


VALUES: list[tuple[int, str, Callable[[str], Any], Any]] = [
    (17, "ui: {activity: {session_id: ~}}", lambda t: config(t).config.session_headers, ()),
    (18, "ui: ~", lambda t: config(t).config.session_headers, DEFAULT_HEADERS),
    (
        105,
        m('filters: {setParamsByID: {"${MODEL_ID}": {t: 1}, "${MODEL_ID}:hot": {t: 2}}}'),
        lambda t: (models(t)["a"].aliases, dict(filters(t).set_params_by_id)),
        (("a:hot",), {"a": {"t": 1}, "a:hot": {"t": 2}}),
    ),
    (
        105,  # 9: the port is filled in there too
        'models: {a: {cmd: "srv ${PORT}", filters: {setParamsByID: {"a${PORT}": {t: 1}}}}}',
        lambda t: models(t)["a"].aliases,
        ("a5800",),
    ),
    (108, m('filters: {stripParams: "", strip_params: "top_k"}'), lambda t: filters(t).strip_params, ("top_k",)),
    (
        108,  # 11: split, trimmed; blanks, repeats and model dropped; sorted
        m('filters: {stripParams: " top_k, b.c,,model, top_k ", strip_params: x}'),
        lambda t: filters(t).strip_params,
        ("b.c", "top_k"),
    ),
    (
        111,
        m("capabilities: {in: [text, text], context: 0}"),
        lambda t: models(t)["a"].capabilities.inputs,
        ("text", "text"),
    ),
    (
        112,
        m("timeouts: {keepalive: 0, connect: -3}"),
        lambda t: (
            models(t)["a"].timeouts.keepalive,
            models(t)["a"].timeouts.connect,
            models(t)["a"].timeouts.idle_conn,
        ),
        (0, -3, 90),
    ),
    (
        115,
        'models: {comfyui_auto: {cmd: "srv ${PORT}", compat: {ignoreWebsockets: false}}}',
        lambda t: models(t)["comfyui_auto"].ignore_websockets,
        True,
    ),
    (
        116,
        'sendLoadingState: true↵models: {a: ‹M›, b: {cmd: srv, proxy: "http://127.0.0.1:1", sendLoadingState: false}}',
        lambda t: [model.send_loading_state for model in models(t).values()],
        [True, False],
    ),
    (121, "performance: {every: 0s}", lambda t: config(t).config.performance.every, 5.0),
    (122, "performance: {every: 1m30s}", lambda t: config(t).config.performance.every, 90.0),
    (
        123,
        "upstream: {ignorePaths: []}",
        lambda t: [config(t).config.ignore_paths.search(path) for path in ("/a/app.js", "/v1/models")],
        [True, False],
    ),
    (
        125,
        'ui: {activity: {session_id: [" X-A ", "", x-a, X-B]}}',
        lambda t: config(t).config.session_headers,
        ("X-A", "X-B"),
    ),
    (
        133,
        'models: {a: ‹M›}↵profiles: {p: {pins: {x: ~, y: "", a: a}}}',
        lambda t: dict(config(t).config.profiles["p"].pins),
        {"x": "", "y": "", "a": "a"},
    ),
    (
        137,
        "models: {a: ‹M›, b: ‹M›}↵groups: {g: {swap: false, members: [a, b]}}"
        "↵selectors: {s: {strategy: spillover, targets: [a, b]}}",
        lambda t: config(t).config.selectors["s"].spillover,
        1,
    ),
    (
        137,  # 14.1: with a matrix, some set must hold all targets
        'models: {a: ‹M›, b: ‹M›}↵matrix: {sets: {s: "a & b"}}↵selectors: {s: {strategy: spillover, targets: [a, b]}}',
        lambda t: config(t).config.selectors["s"].targets,
        ("a", "b"),
    ),
    (
        138,
        "models: {a: ‹M›}↵selectors: {s: {strategy: pin, targets: [a], settings: {spillover: 0}}}",
        lambda t: config(t).config.selectors["s"].strategy,
        "pin",
    ),
    (
        141,
        f"peers: {{p: {{{PEER}, models: [x]}}}}↵selectors: {{x: {{strategy: pin, targets: [p/x]}}}}",
        lambda t: config(t).config.selectors["x"].targets,
        ("p/x",),
    ),
    (
        145,
        "peers: {p: ~}",
        lambda t: (config(t).config.peers["p"].models, config(t).config.peers["p"].timeouts.connect),
        ((), 0),
    ),
    (
        146,
        f"peers: {{p: {{{PEER}, models: [x]}}}}↵models: {{a: ‹M›}}",
        lambda t: (config(t).config.peers["p"].timeouts.response_header, models(t)["a"].timeouts.response_header),
        (60, 0),
    ),
    (
        147,
        "models: {b: ‹M›, a: ‹M›, c: ‹M›}↵groups: {g: {members: [b]}}",
        groups,
        {"g": group("g", "b"), "(default)": group("(default)", "a", "c")},
    ),
    (148, "models: {a: ‹M›}↵groups: {g: {members: [a]}}", members, {"g": ("a",), "(default)": ()}),
    (
        149,  # upstream loses a
        "models: {a: ‹M›, b: ‹M›}↵groups: {(default): {swap: false, members: [a]}}",
        groups,
        {"(default)": group("(default)", "a", "b", swap=False)},
    ),
    (
        150,
        "models: {a: ‹M›}↵groups: {g: ~}",
        lambda t: (groups(t)["g"].swap, groups(t)["g"].exclusive, groups(t)["g"].members),
        (False, False, ()),
    ),
    (
        151,  # an alias means its model
        m("aliases: [al]") + "↵groups: {g: {members: [al]}}",
        members,
        {"g": ("a",), "(default)": ()},
    ),
    (
        155,
        "models: {a: ‹M›}↵groups: {g: {members: [a]}}↵routing: {scheduler: {use: fifo}}",
        lambda t: (routing(t).router, routing(t).scheduler.use),
        ("group", "fifo"),
    ),
    (
        156,
        "models: {a: ‹M›}↵routing: {router: {settings: {matrix: {sets: {s: a}}}}}",
        lambda t: routing(t).matrix,
        None,
    ),
    (
        158,
        "models: {a: ‹M›}↵routing: {router: {use: group, settings: {matrix: {sets: {s: ghost}}}}}",
        lambda t: routing(t).router,
        "group",
    ),
    (
        159,  # upstream never finds it
        m("aliases: [al]") + "↵routing: {scheduler: {settings: {fifo: {priority: {al: 7}}}}}",
        lambda t: dict(routing(t).scheduler.fifo.priority),
        {"a": 7},
    ),
    (162, 'models: {a: ‹M›, b/c: ‹M›}↵matrix: {vars: {v: b/c}, sets: {s: "a & v"}}', sets, ["s"]),
    (
        168,
        "models: {a: ‹M›, b: ‹M›}↵matrix: {sets: {zed: a, set10: b, set9: b}}",
        sets,
        ["zed", "set10", "set9"],
    ),
]


@pytest.mark.parametrize(("number", "row", "look", "value"), VALUES, ids=[str(row[0]) for row in VALUES])
def test_the_row_gives_this_value(number: int, row: str, look: Callable[[str], Any], value: Any) -> None:
    assert look(row) == value


REFUSED: list[tuple[int, str, str]] = [
    (106, "models: {b: ‹M›, a: " + m("filters: {setParamsByID: {b: {t: 1}}}")[12:], "this name is another model's ID"),
    (
        106,  # 7: nor may it be an alias of another model
        'models: {b: {cmd: srv, proxy: "http://127.0.0.1:1", aliases: [al]}, a: '
        + m("filters: {setParamsByID: {al: {t: 1}}}")[12:],
        "this name is an alias of the model b",
    ),
    (
        107,
        "macros: {x: k, y: k}↵" + m('filters: {setParamsByID: {"${x}": {t: 1}, "${y}": {t: 2}}}'),
        "two keys are both 'k'",
    ),
    (107, m('filters: {setParamsByID: {"${nope}": {t: 1}}}'), "there is no macro ${nope}"),  # 5.4
    (109, m("filters: {stripParams: [top_k]}"), "models.a.filters.stripParams: this must be a text, not a list"),
    (110, m("capabilities: {in: [Text]}"), "did you mean text?"),
    (110, m("capabilities: {context: -1}"), "must be 0 or more"),
    (119, "performance: {every: 20}", "must be a length of time, not a number"),
    (120, "performance: {every: 4s, disabled: true}", "must be 5s or more"),
    (124, 'upstream: {ignorePaths: ["^(?!/v1)"]}', "look-ahead and look-behind do not exist here"),
    (126, 'store: {path: "  "}', "store.path"),
    (127, "store: {path: /no-such-dir-here/a.db}", "/no-such-dir-here"),
    (128, "store: {}", "store.path: path is missing"),
    (132, "profiles: {p: [a]}", "profiles.p: this must be a mapping, not a list"),
    (134, "models: {a: ‹M›}↵profiles: {p: {pins: {x: a, y: x}}}", "no model or selector of this name"),
    (135, "models: {a: ‹M›}↵profiles: {p: {}}", "at least one pin"),
    (
        136,
        "models: {a: ‹M›, b: ‹M›}↵selectors: {s: {strategy: spillover, targets: [a, b]}}",
        "cannot run together",
    ),
    (
        136,  # 14.1
        'models: {a: ‹M›, b: ‹M›}↵matrix: {sets: {s: "a | b"}}↵selectors: {s: {strategy: spillover, targets: [a, b]}}',
        "cannot run together",
    ),
    (
        139,
        "models: {a: ‹M›}↵selectors: {s: {strategy: spillover, targets: [a], settings: {spillover: 0}}}",
        "must be 1 or more",
    ),
    (
        140,
        f"peers: {{p: {{{PEER}, models: [x]}}, q: {{{PEER}, models: [x]}}}}"
        "↵selectors: {s: {strategy: pin, targets: [x]}}",
        "write p/x or q/x",
    ),
    (142, f"peers: {{p: {{{PEER}, models: [x]}}}}↵models: {{p/x: ‹M›}}", "taken by a model of a peer"),
    (
        143,
        f"peers: {{a: {{{PEER}, models: [b/c]}}, a/b: {{{PEER}, models: [c]}}}}",
        "would both be called a/b/c",
    ),
    (144, f"peers: {{p: {{{PEER}, models: []}}}}", "models is empty"),
    (144, "peers: {p: {models: [x]}}", "peers.p.proxy: proxy is missing"),  # 6.7
    (151, "models: {a: ‹M›}↵groups: {g: {members: [ghost]}}", "no such model"),
    (152, "models: {a: ‹M›}↵groups: {g: {members: [a]}, h: {members: [a]}}", "the model a is in the group g too"),
    (152, "models: {a: ‹M›}↵groups: {g: {members: [a, a]}}", "the model a is in this group twice"),  # 7
    (153, "models: {a: ‹M›}↵groups: {g: {members: [a]}}↵matrix: {sets: {s: a}}", "groups and matrix are both used"),
    (
        154,
        "models: {a: ‹M›}↵groups: {g: {members: [a]}}↵routing: {router: {use: group}}",
        "groups at the top level and routing.router are both used",
    ),
    (157, "models: {a: ‹M›}↵routing: {router: {use: matrix}}", "routing.router.settings.matrix is missing"),
    (160, "routing: {scheduler: {settings: {fifo: {priority: {ghost: 7}}}}}", "no model of this name"),
    (161, "models: {a: ‹M›}↵matrix: {}", "matrix"),
    (163, "models: {b/c: ‹M›}↵matrix: {sets: {s: b/c}}", "matrix.sets.s"),
    (164, "models: {a: ‹M›}↵matrix: {vars: {x_1: a}, sets: {s: a}}", "matrix.vars.x_1"),
    (165, m("aliases: [al]") + "↵matrix: {vars: {v: al}, sets: {s: v}}", "matrix.vars.v"),
    (166, "models: {a: ‹M›}↵matrix: {evict_costs: {a: 0}, sets: {s: a}}", "matrix.evict_costs.a"),
    (167, "models: {a: ‹M›}↵matrix: {sets: {s: +t, t: +s}}", "matrix.sets"),
]


@pytest.mark.parametrize(("number", "row", "reason"), REFUSED, ids=[str(row[0]) for row in REFUSED])
def test_the_row_is_refused(number: int, row: str, reason: str) -> None:
    assert reason in refused(row)


WARNED: list[tuple[str, str, str]] = [
    ("Q-2", "apiKeys:", "no keys are given, so everybody is let in"),
    ("Q-4", "peers: {p: ~}", "an empty peer"),
    ("Q-4", "groups: {g: ~}", "an empty group"),
    ("Q-5", "models: {a: ‹M›}↵groups: {(default): {members: [a]}}", "they become members too"),
    ("Q-6", m("aliases: [al]") + "↵groups: {g: {members: [al]}}", "an alias; the model a is meant"),
    ("Q-7", "models: {a: ‹M›}↵routing: {router: {settings: {matrix: {sets: {s: a}}}}}", "add use: matrix"),
    (
        "Q-10",
        m("aliases: [al]") + "↵routing: {scheduler: {settings: {fifo: {priority: {al: 7, a: 3}}}}}",
        "has two priorities, as al and as a",
    ),
    ("Q-15", m("timeouts: {connect: -3}"), "a negative time limit"),
    ("Q-16", "upstream: {ignorePaths: []}", "never matches"),
    ("Q-24", m("metadata: {x: .inf}"), "becomes null"),
    ("Q-29", "models: {a: ‹M›}↵matrix: {vars: {v: a}, evict_costs: {a: 2, v: 3}, sets: {s: a}}", "evict_costs"),
    ("11", m('filters: {stripParams: "model"}'), "the key model cannot be deleted"),
]


@pytest.mark.parametrize(("quirk", "row", "warning"), WARNED)
def test_what_is_kept_is_warned_of(quirk: str, row: str, warning: str) -> None:
    assert warning in warned(row)


def test_q10_the_entry_by_id_wins() -> None:
    for order in ("al: 7, a: 3", "a: 3, al: 7"):
        row = m("aliases: [al]") + f"↵routing: {{scheduler: {{settings: {{fifo: {{priority: {{{order}}}}}}}}}}}"
        assert dict(routing(row).scheduler.fifo.priority) == {"a": 3}


def test_names_of_peers_models() -> None:
    row = f"peers: {{p: {{{PEER}, models: [x, y, y]}}, q: {{{PEER}, models: [x, p/y]}}}}"
    names = config(row).config.peer_names
    assert {name: (found.peer, found.model) for name, found in names.items()} == {
        "p/x": ("p", "x"),
        "p/y": ("p", "y"),  # a full name wins over the bare name that q's model has
        "q/x": ("q", "x"),
        "q/p/y": ("q", "p/y"),
        "y": ("p", "y"),
    }
