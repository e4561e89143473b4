"""What somebody reads who made a mistake: where it is, what is wrong, and what to do about it."""

import pytest

from llamaswap.config.load import load_text
from llamaswap.config.text.place import Source, looks_secret
from llamaswap.config.text.problems import Problem, dotted
from llamaswap.errors import ConfigError


def report(text: str, environ: dict[str, str] | None = None, *, strict: bool = False) -> str:
    with pytest.raises(ConfigError) as caught:
        load_text(text, "c.yaml", environ or {}, strict=strict)
    return str(caught.value)


def warnings(text: str) -> list[str]:
    return [warning.headline for warning in load_text(text, "c.yaml", {}).warnings]


def test_a_fixed_port_without_proxy_names_both_ways_out() -> None:
    assert report("models:\n  qwen:\n    cmd: llama-server -m q.gguf --port 9001\n") == (
        "the configuration cannot be used: 1 problem\n"
        "c.yaml:3:5: models.qwen.proxy: the model has no proxy, and its cmd does not use ${PORT},"
        " so nobody knows where it listens\n"
        "        cmd: llama-server -m q.gguf --port 9001\n"
        "        ^\n"
        "    either let it listen on ${PORT} (cmd: ... --port ${PORT}), or say where it listens"
        " (proxy: http://127.0.0.1:9001)"
    )


def test_a_misspelt_port_is_one_problem_at_its_very_place() -> None:
    text = "models:\n  qwen:\n    cmd: |\n      llama-server\n      --port ${PORt}\n"
    assert report(text) == (
        "the configuration cannot be used: 1 problem\n"
        "c.yaml:5:14: models.qwen.cmd: there is no macro ${PORt}\n"
        "          --port ${PORt}\n"
        "                 ^\n"
        "    did you mean ${PORT}?"
    )


def test_an_address_without_scheme_is_written_out() -> None:
    assert "write http://127.0.0.1:8999" in report("models: {a: {cmd: x, proxy: '127.0.0.1:8999'}}")


def test_a_duration_is_a_number() -> None:
    message = report("globalTTL: 5m")
    assert 'globalTTL: this must be a whole number, not text ("5m")' in message
    assert "write 300: it is in seconds, without a unit" in message


def test_an_alias_given_twice_names_both_places() -> None:
    text = "models:\n  a: {cmd: x, proxy: http://h, aliases: [gpt]}\n  b: {cmd: x, proxy: http://h, aliases: [gpt]}\n"
    assert "c.yaml:3:42: models.b.aliases[0]: this alias is given twice, first to the model a at c.yaml:2:42" in report(
        text
    )


def test_every_problem_is_told_at_once_in_the_order_of_the_file() -> None:
    text = "startPort: '1'\nglobalTTL: -1\nmodels:\n  a: {cmd: x}\n  b: [x]\n"
    text += "  c: {cmd: '${nope}', proxy: http://h}\nlogToStdout: X\n"
    lines = [line for line in report(text).splitlines() if line.startswith("c.yaml:")]
    assert [line.split(":")[1] for line in lines] == ["1", "2", "4", "5", "6", "7"]


def test_an_unset_variable_suggests_one_that_is_set() -> None:
    message = report("logLevel: ${env.LEVL}\n", {"LEVEL": "warn"})
    assert "c.yaml:1:11: logLevel: the environment variable LEVL is not set" in message
    assert "did you mean ${env.LEVEL}?" in message


def test_an_unset_variable_is_told_once_and_causes_no_second_problem() -> None:
    assert "1 problem\n" in report("startPort: ${env.NO}\nglobalTTL: ${env.NO}\n")


@pytest.mark.parametrize(
    "text",
    [
        "models: {a: {cmd: x, proxy: http://h}}\ngroups: {g: {members: ['${env.MY_KEY}']}}",
        "models: {a: {cmd: x, proxy: http://h, aliases: ['${env.MY_KEY}', '${env.MY_KEY}']}}",
        "models: {a: {cmd: x, proxy: http://h}}\nhooks: {on_startup: {preload: ['${env.MY_KEY}']}}\nstartPort: x",
        "models: {'${env.MY_KEY}': {cmd: x}}",
    ],
)
def test_a_secret_is_in_no_message(text: str) -> None:
    message = report(text, {"MY_KEY": "hunter2" * 20})
    assert "***" in message
    assert "hunter" not in message


@pytest.mark.parametrize("sets", ["[a]", "a", "7", "{s: [a]}"])
def test_sets_of_a_wrong_type_are_one_problem(sets: str) -> None:
    assert "1 problem\n" in report(f"models: {{a: {{cmd: x, proxy: http://h}}}}\nmatrix: {{sets: {sets}}}")


@pytest.mark.parametrize("key", ["Bearer abc", "Authorization: Bearer abc", "bearer  abc"])
def test_what_stands_before_a_key_does_not_belong_to_it(key: str) -> None:
    message = report(f"apiKeys: ['{key}']")
    assert "leave out bearer: clients put it before the key" in message.lower().replace("\n", " ")
    assert "abc" not in message


@pytest.mark.parametrize(
    "line",
    [
        "API-Key: x",
        "my_apikey",
        "HF_TOKEN=x",
        "--passwd x",
        "http://me:x@h",
        "  env: [A=b]",
        '"env": [',
        "env:",
        "BEARER x",
    ],
)
def test_lines_that_may_hold_a_secret(line: str) -> None:
    assert looks_secret(line)


@pytest.mark.parametrize(
    "line", ["key: x", "http://h/a@b", "${env.HOME}: x", "env:x", "model.env: x", "my-env-name: x", "a@b://h"]
)
def test_lines_that_hold_none(line: str) -> None:
    assert not looks_secret(line)


@pytest.mark.parametrize("rare", ["", "\r\n", "\r", "\x85", "\u2028", "\u2029"])
def test_lines_are_counted_as_yaml_counts_them(rare: str) -> None:
    text = f"a{rare}b\nc\x0bd\x1ce\n"
    assert Source("c.yaml", text).lines == [*(["a", "b"] if rare else ["ab"]), "c\x0bd\x1ce", ""]


def test_an_unknown_key_of_many_models_is_told_of_once() -> None:
    text = "models:\n" + "".join(f"  m{n}: {{cmd: x, proxy: http://h, tll: 5}}\n" for n in range(40))
    text += "groups: {g: {tll: 5}}\n"
    assert warnings(text) == [
        "c.yaml:2:33: models.m0.tll: unknown key, ignored; 40 times, also at c.yaml:3:33, c.yaml:4:33, c.yaml:5:33"
        " and 36 more",
        "c.yaml:42:14: groups.g.tll: unknown key, ignored",
    ]
    assert "did you mean ttl?" in report(text, strict=True)


def test_strict_makes_unknown_keys_errors() -> None:
    assert load_text("modles: {}", "c.yaml", {}).warnings[0].code == "unknown-key"
    assert "did you mean models?" in report("modles: {}", strict=True)


def test_a_key_at_the_wrong_level_is_sent_home() -> None:
    warning = load_text("models: {a: {cmd: x, proxy: http://h, startPort: 1}}", "c.yaml", {}).warnings[0]
    assert warning.remedy == "this key belongs at the top level"


@pytest.mark.parametrize("text", ["x-notes: 1", "shared: &s {cmd: x}", "list: [&s {cmd: x}]"])
def test_places_for_notes_and_anchors_are_no_unknown_keys(text: str) -> None:
    assert warnings(text) == []


def test_keys_that_are_not_acted_on_yet_are_told_once_each() -> None:
    text = "models: {a: {cmd: x, proxy: http://h, timeouts: {}}, b: {cmd: x, proxy: http://h, timeouts: {}}}\nui: {}"
    assert warnings(text) == [
        "c.yaml:1:39: models.a.timeouts: recognised, but this version does not act on it yet",
        "c.yaml:2:1: ui: recognised, but this version does not act on it yet",
    ]


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("models:\n\ta: 1\n", "2:1", "a tab is used for indentation"),
        ("a: 1\n b: 2\n", "2:2", "this line is indented deeper than the one above"),
        (" a: 1\nb: 2\n", "2:1", "indented less than the first one"),
        ("x:\n  a: 1\n b: 2\n", "3:2", "matches nothing above"),
        ('a: "x\nb: 1\n', "1:4", "a quotation mark is opened here and never closed"),
        ("a: 'x\n", "1:4", "a quotation mark is opened here and never closed"),
        ("a: [1, 2\nb: 3\n", "1:4", "the bracket [ opened here"),
        ("a: {b: 1\n", "1:4", "the brace { opened here"),
        ("a: @x\n", "1:4", "a value cannot start with @"),
        ('a: "C:\\q"\n', "1:7", "an unknown escape"),
        ("a: \x01\n", "1:4", "the control character U+0001"),
        ("ä: 1\nb: \x01\n", "2:4", "the control character U+0001"),
        ("a: *x\n", "1:4", "no anchor &x"),
        ("a: 1\nb: 2\na: 3\n", "3:1", "stands here twice, first in line 1"),
        ("a: !z!b c\n", "1:4", "unknown tag"),
        ("a:\n  b: 1\n  c\nd: 1\n", "3:3", "a key without a colon"),
        ("a: 'it's'\n", "1:8", "does not belong to the value before it"),
        ("a: [\n", "2:1", "the file ends where a value is due"),
        ("? [a]\n: 1\n", "1:3", "a key must be a text"),
    ],
)
def test_broken_yaml_is_explained(text: str, place: str, what: str) -> None:
    first = report(text).splitlines()[1]
    assert f"c.yaml:{place}: " in first
    assert what in first


@pytest.mark.parametrize(
    "text",
    [
        "apiKeys: hunter2",
        "apiKeys: [hunter2 x]",
        "apiKeys:\n  - hunter2\n  - hunter2 x\n",
        "apiKeys:\n  - 'hunter2\n",
        "apiKeys: ${env.SECRET}",
        "logToStdout: ${env.SECRET}",
        "macros: {m: '${env.SECRET}'}\nlogToStdout: '${m}x'",
        "models: {a: {cmd: x, proxy: http://h, env: {TOKEN: hunter2}}}",
        "models: {a: {cmd: x, proxy: http://h, env: HF_TOKEN=hunter2}}",
        "apiKeys: [!!int hunter2]",
        "models:\n  a:\n    env:\n    - 'HF_TOKEN=hunter2\n",
        "models: {a: {cmd: x, proxy: 'http://me:hunter2@h:8x'}}",
        "models: {a: {cmd: 'x --api-key hunter2 ${nope}', proxy: http://h}}",
        "apiKeys\n  - hunter2: x\n",
        "apiKeys:\n  - 'hunter2' x\n",
        "apiKeys:\n  - a: b: hunter2\n",
        "apiKeys:hunter2\nb: 1\n",
        "b: 1\napiKeys=hunter2\nc: 1\n",
        "apiKeys: ${env.LIST}",
    ],
)
def test_secrets_are_not_quoted(text: str) -> None:
    assert "hunter2" not in report(text, {"SECRET": "hunter2", "LIST": "[{k: hunter2, k: 2}]"})


def test_warnings_do_not_quote_secrets_either() -> None:
    loaded = load_text("models: {a: {cmd: 'x --api-key \"hunter2', proxy: 'http://me:hunter2@h'}}", "c.yaml", {})
    assert len(loaded.warnings) == 1
    assert "hunter2" not in str(loaded.warnings[0])


def test_a_configuration_that_is_printed_shows_no_secret() -> None:
    text = "apiKeys: [hunter2]\nmodels: {a: {cmd: x, proxy: http://h, env: [HF_TOKEN=hunter2]}}"
    assert "hunter2" not in repr(load_text(text, "c.yaml", {}))


def test_nothing_that_a_terminal_acts_on_gets_through() -> None:
    assert "\x1b" not in report("a: \x1b[31mred\n")
    assert report('logToStdout: "\\e[31m"\n').isprintable() is False  # line breaks only
    assert "\x1b" not in report('logToStdout: "\\e[31m"\n"\\e": 1\n', strict=True)


def test_an_error_carries_its_problems() -> None:
    with pytest.raises(ConfigError) as caught:
        load_text("startPort: 0\nglobalTTL: -1", "c.yaml", {})
    problems = [problem for problem in caught.value.problems if isinstance(problem, Problem)]
    assert [(p.path, p.code, p.mark and p.mark.line) for p in problems] == [
        (("startPort",), "range", 1),
        (("globalTTL",), "range", 2),
    ]


def test_paths_are_written_so_that_they_can_be_read() -> None:
    assert dotted(("models", "org.x", "aliases", 0)) == 'models."org.x".aliases[0]'
    assert dotted(("models", "", "cmd")) == 'models."".cmd'


@pytest.mark.parametrize("use", ["", "serial"])
def test_the_scheduler_that_there_is(use: str) -> None:
    assert load_text(f"routing: {{scheduler: {{use: '{use}'}}}}", "c.yaml", {}).warnings == ()


@pytest.mark.parametrize("name", ["serial", "fifo", "batch"])
def test_each_scheduler_can_be_chosen(name: str) -> None:
    loaded = load_text(f"routing: {{scheduler: {{use: {name}}}}}", "c.yaml", {})
    assert (loaded.config.routing.scheduler.use, loaded.warnings) == (name, ())


def test_a_scheduler_that_there_is_not_is_refused_with_the_one_that_was_meant() -> None:
    assert "there is no such choice" in report("routing: {scheduler: {use: lifo}}")
    assert "did you mean fifo?" in report("routing: {scheduler: {use: lifo}}")


def test_our_own_keys() -> None:
    loaded = load_text(
        "routing: {scheduler: {settings: {serial: {parallel: 3, abortOrphanLoads: true}}}}\n"
        "cors: {origins: [https://a.example]}\nallowedHosts: [gpu.example]\nstallTimeout: 5\nmaxRequestBody: 2\n",
        "c.yaml",
        {},
    )
    config = loaded.config
    assert loaded.warnings == ()
    serial = config.routing.scheduler.serial
    assert (serial.parallel, serial.abort_orphan_loads) == (3, True)
    assert (config.cors_origins, config.allowed_hosts) == (("https://a.example",), ("gpu.example",))
    assert (config.stall_timeout, config.max_request_body) == (5.0, 2 << 20)
    for bad in ("stallTimeout: 0", "maxRequestBody: 0", "routing: {scheduler: {settings: {serial: {parallel: 0}}}}"):
        assert "must be 1 or more" in report(bad)


def test_the_concurrency_limit_is_none_unless_it_is_set() -> None:
    text = "models: {a: {cmd: x, proxy: http://h%s}}"
    for written, limit in [
        ("", 0),
        (", concurrencyLimit: 0", 0),
        (", concurrencyLimit: -3", 0),
        (", concurrencyLimit: 4", 4),
    ]:
        assert next(iter(load_text(text % written, "c.yaml", {}).config.models.values())).concurrency_limit == limit


def test_warnings_are_told_beside_the_errors() -> None:
    """Whoever has to open the file anyway wants to see everything in one go."""
    with pytest.raises(ConfigError) as refused:
        load_text("modles: {}\nstartPort: 0\n", "c.yaml", {})
    assert "startPort" in str(refused.value)
    assert "did you mean models?" in str(refused.value)


def test_a_set_of_the_wrong_type_is_one_problem() -> None:
    text = "models: {a: {cmd: x, proxy: http://h}}\nmatrix: {sets: {s: [a]}}"
    assert "1 problem\n" in report(text)
    assert "there is no set" in report(text.replace("{s: [a]}", "{}"))


def test_a_selector_called_like_its_target_is_one_problem() -> None:
    message = report(
        "models: {q: {cmd: x, proxy: 'http://h'}}\nselectors: {q: {strategy: warm, targets: [q]}}",
    )
    assert message.startswith("the configuration cannot be used: 1 problem\n")
