"""What a reload will do: told by settings, never by their values."""

import json
from dataclasses import fields
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from llamaswap.config.load import PortsInUse, load_text
from llamaswap.config.plan.differences import name_of
from llamaswap.config.plan.plan import Alive, Plan, make_plan
from llamaswap.config.plan.text import MOST_LINES, plan_json, plan_lines
from llamaswap.config.schema import Config, ModelConfig, ModelId
from llamaswap.config.table.models import MODEL
from llamaswap.config.table.root import ROOT
from llamaswap.config.table.shapes import Each, Section

A, B = ModelId("a"), ModelId("b")


def config(models: dict[str, Any], in_use: PortsInUse | None = None, **keys: Any) -> Config:
    text = json.dumps({"models": models, **keys})
    return load_text(text, "c.yaml", {}, in_use=in_use or PortsInUse()).config


def model(**keys: Any) -> dict[str, Any]:
    return {"cmd": "srv --port ${PORT}", **keys}


def fates(plan: Plan) -> dict[str, str]:
    return {each.model: each.fate for each in plan.models}


def test_what_a_process_was_started_with_decides() -> None:
    old = config({"kept": model(), "cmd": model(), "env": model(), "gone": model(), "ttl": model(), "stop": model()})
    changed = {"cmd": {"cmd": "srv -v --port ${PORT}"}, "env": model(env=["A=secret"]), "ttl": model(ttl=5)}
    new = config({"kept": model(), **changed, "stop": model(cmdStop="stop ${PID}"), "new": model()}, _sticky(old))
    plan = make_plan(old, new)
    assert fates(plan) == {
        "kept": "kept",
        "cmd": "restarted",
        "env": "restarted",
        "ttl": "kept",
        "stop": "restarted",
        "new": "added",
        "gone": "removed",
    }
    assert [each.because for each in plan.of("restarted")] == [("cmd",), ("env",), ("cmdStop",)]
    assert plan.outdated == {"cmd", "env", "stop"}
    assert "secret" not in f"{plan} {plan_lines(plan)} {plan_json(plan)}"


def _sticky(old: Config) -> PortsInUse:
    return PortsInUse({name: each.port for name, each in old.models.items() if each.port is not None})


def test_the_plan_for_people() -> None:
    old = config({"a": model(), "b": model(), "idle": model(), "c": model()})
    new = config(
        {"a": model(env=["A=1"]), "idle": model(env=["A=1"]), "c": model(ttl=5), "d": model()},
        _sticky(old),
        apiKeys=["k"],
    )
    plan = make_plan(old, new, [Alive(A, 1, requests=1), Alive(B, 2, requests=2)], {A: 2, B: 1})
    assert plan_lines(plan) == [
        "models: 1 kept, 2 restarted, 1 added, 1 removed",
        "~ a: stops after 1 request, and starts anew when it is wanted (env)",
        "~ idle: env",
        "= c: ttl at once",
        "+ d",
        "- b: stops after 2 requests",
        "queue: 2 requests in the same order; 1 request for models that are gone: 404",
        "changes at once: apiKeys",
    ]


def test_nothing_to_do_is_said_in_two_words() -> None:
    same = config({"a": model()}, logLevel="debug")
    assert plan_lines(make_plan(same, config({"a": model()}, logLevel="debug"), [Alive(A)])) == ["nothing changes"]


def test_comments_and_line_breaks_make_no_other_command() -> None:
    old, new = config({"a": model()}), config({"a": {"cmd": "# fast\nsrv \\\n  --port ${PORT}"}})
    assert make_plan(old, new).nothing_changes


def test_every_change_of_the_routing_is_told_once() -> None:
    def routed(**settings: Any) -> Config:
        return config({"a": model(), "b": model()}, routing=settings)

    scheduler = {"scheduler": {"use": "fifo", "settings": {"fifo": {"priority": {"a": 1}}}}}
    assert make_plan(routed(), routed(**scheduler)).settings == (
        "routing.scheduler.use",
        "routing.scheduler.settings.fifo",
    )
    groups = {"router": {"settings": {"groups": {"g": {"swap": False, "members": ["a"]}}}}}
    assert make_plan(routed(), routed(**groups)).settings == ("routing.router",)
    assert make_plan(config({"a": model()}), config({"a": model(), "b": model()})).settings == ()


def test_an_outdated_process_is_not_taken_back() -> None:
    """Its model was removed, and comes back as it was: the process has been told to go, and goes."""
    same = config({"a": model()})
    plan = make_plan(same, same, [Alive(A, 5800, requests=1, outdated=True)])
    assert fates(plan) == {"a": "restarted"}
    assert plan_lines(plan)[1].endswith("(changed before)")
    added = make_plan(config({}), same, [Alive(A, 5800, requests=1, outdated=True)])
    assert plan_lines(added)[1] == "+ a: starts anew once its former process has gone"


def test_the_reference_way_stops_everything() -> None:
    plan = make_plan(config({"a": model()}), config({"a": model()}, reload={"keepModels": False}), [Alive(A)])
    assert plan.outdated == {"a"}
    assert plan_lines(plan)[1] == "~ a: stops now, and starts anew when it is wanted (reload.keepModels)"


def test_only_what_is_new_or_changed_is_preloaded_again() -> None:
    """With the serial scheduler, preloading the others would push out what is in use."""
    old = config({n: model() for n in "abc"}, hooks={"on_startup": {"preload": ["a", "b"]}})
    new = config({"a": model(), "b": model(env=["A=1"]), "c": model()}, hooks={"on_startup": {"preload": list("cab")}})
    assert make_plan(old, new).preload == ("c", "b")
    assert make_plan(new, new).preload == ()


def test_the_lines_about_models_are_bounded_and_harmless() -> None:
    plan = make_plan(config({}), config({f"m\x1b[2J{n}": model() for n in range(200)}))
    lines = plan_lines(plan)
    assert len(lines) == MOST_LINES + 2
    assert lines[-1] == f"and {200 - MOST_LINES} more models"
    assert all(line.isprintable() for line in lines)


def test_every_field_has_the_name_that_people_write() -> None:
    """A new setting is told by its name, or somebody has to think about it."""
    for kind, section in ((Config, ROOT), (ModelConfig, MODEL)):
        for each in fields(kind):
            name = name_of(each.name)
            if name is not None:
                assert _is_key(section, name), f"{kind.__name__}.{each.name} is told as {name}"


def _is_key(section: Section, name: str) -> bool:
    first, _, rest = name.partition(".")
    key = section.keys.get(first)
    if key is None or not rest:
        return key is not None
    shape = key.shape.of if isinstance(key.shape, Each) else key.shape
    return isinstance(shape, Section) and _is_key(shape, rest)


_model = st.fixed_dictionaries(
    {"cmd": st.sampled_from(["srv ${PORT}", "srv  ${PORT}", "srv -v ${PORT}"])},
    optional={
        "ttl": st.integers(0, 2),
        "env": st.sampled_from([["A=1"], ["A=2"]]),
        "aliases": st.just([]),
        "checkEndpoint": st.sampled_from(["/health", "none"]),
        "unlisted": st.booleans(),
    },
)
_models = st.dictionaries(st.sampled_from("abcde"), _model, max_size=5)


@given(_models, _models, st.integers(5800, 5802), st.sets(st.sampled_from("abcde")))
@settings(max_examples=150, deadline=None)
def test_equal_effective_settings_keep_the_process(
    first: dict[str, Any], second: dict[str, Any], start_port: int, alive: set[str]
) -> None:
    old = config(first)
    living = [Alive(each.id, each.port) for each in old.models.values() if each.id in alive]
    new = config(second, _sticky(old), startPort=start_port)
    plan = make_plan(old, new, living)
    assert {each.model for each in plan.models} == {*old.models, *new.models}
    for each in plan.models:
        before, after = old.models.get(each.model), new.models.get(each.model)
        if before is not None and after is not None:
            same = (before.argv, before.env, before.proxy, before.check_endpoint) == (
                after.argv,
                after.env,
                after.proxy,
                after.check_endpoint,
            )
            assert (each.fate == "kept") == same
            assert bool(each.because) != same
        else:
            assert each.fate == ("added" if before is None else "removed")
    assert not make_plan(new, new, living).outdated


def test_what_only_a_restart_changes_is_told_apart() -> None:
    plan = make_plan(config({"a": model()}), config({"a": model()}, journal={"path": "/tmp/j"}))
    assert (plan.settings, plan.need_restart) == ((), ("journal",))
    assert plan_lines(plan)[-1] == "changes only when the daemon is restarted: journal"
