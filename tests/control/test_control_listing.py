"""The records of the model list, one by one."""

from collections.abc import Mapping
from typing import Any

import pytest

from llamaswap.config.load import load_text
from llamaswap.config.parts import Capabilities
from llamaswap.config.schema import ModelId
from llamaswap.control.abilities import describe_abilities
from llamaswap.control.listing import list_models


def records(text: str, states: Mapping[str, str] | None = None) -> dict[str, dict[str, Any]]:
    config = load_text(text, "c.yaml", {}).config
    known = {ModelId(model): state for model, state in (states or {}).items()}
    listed = list_models(config, known, 7)["data"]
    assert [record["id"] for record in listed] == sorted(record["id"] for record in listed)
    return {record["id"]: record for record in listed}


@pytest.mark.parametrize(
    ("can", "expected"),
    [
        (Capabilities(), {}),
        (
            Capabilities(("text", "image")),
            {"architecture": {"input_modalities": ["text", "image"]}, "capabilities": {"vision": True}},
        ),
        (Capabilities((), ("text",)), {"architecture": {"output_modalities": ["text"]}}),
        (Capabilities(context=4096), {"context_length": 4096}),
        (
            Capabilities(tools=True),
            {"capabilities": {"function_calling": True}, "supported_parameters": ["tools", "tool_choice"]},
        ),
        (Capabilities(reranker=True), {"capabilities": {"reranker": True}}),
    ],
)
def test_what_a_model_can_do(can: Capabilities, expected: dict[str, Any]) -> None:
    assert describe_abilities(can) == expected


@pytest.mark.parametrize(
    ("inputs", "outputs", "flags"),
    [
        ("audio", "text", {"audio_transcriptions"}),
        ("text", "audio", {"audio_speech"}),
        ("text", "image", {"image_generation"}),
        ("image", "image", {"vision", "image_to_image"}),
        ("text", "text", set()),
    ],
)
def test_what_a_model_turns_into_what(inputs: str, outputs: str, flags: set[str]) -> None:
    told = describe_abilities(Capabilities((inputs,), (outputs,)))
    assert told["architecture"]["modality"] == f"{inputs}->{outputs}"
    assert set(told.get("capabilities", {})) == flags
    several = describe_abilities(Capabilities(("text", "audio"), ("text",)))
    assert several["architecture"]["modality"] == "text+audio->text"


def test_the_keys_of_a_record_come_in_their_order() -> None:
    listed = records(
        "models: {a: {cmd: x, proxy: 'http://h', name: ' A ', description: d,"
        " capabilities: {in: [image], out: [text], tools: true, context: 9}}}"
    )
    assert list(listed["a"]) == [
        "id", "object", "created", "owned_by", "name", "description", "architecture", "capabilities",
        "supported_parameters", "context_length", "meta", "status",
    ]  # fmt: skip
    assert listed["a"]["meta"] == {"llamaswap": {"type": "model"}, "n_ctx": 9}


METADATA = "metadata: {type: mine, size: 7, nested: {a: [1]}, architecture: x, context_length: 1}"


def test_metadata_is_told_but_our_own_keys_win() -> None:
    listed = records(
        f"models: {{a: {{cmd: x, proxy: 'http://h', aliases: [b], {METADATA}}}}}\nincludeAliasesInList: true"
    )
    told = {"size": 7, "nested": {"a": [1]}, "architecture": "x", "context_length": 1}
    assert listed["a"]["meta"] == {"llamaswap": {**told, "type": "model", "aliases": ["b"]}}
    assert listed["b"]["meta"] == {"llamaswap": {**told, "type": "alias", "modelID": "a"}}


def test_metadata_may_not_contradict_capabilities() -> None:
    listed = records(f"models: {{a: {{cmd: x, proxy: 'http://h', capabilities: {{tools: true}}, {METADATA}}}}}")
    assert listed["a"]["meta"] == {"llamaswap": {"size": 7, "nested": {"a": [1]}, "type": "model"}}
    assert listed["a"]["capabilities"] == {"function_calling": True}


SELECTORS = """
models:
  a: {cmd: x, proxy: 'http://h', aliases: [aa]}
  b: {cmd: x, proxy: 'http://h'}
groups: {g: {swap: false, members: [a, b]}}
selectors:
  pinned: {strategy: pin, targets: [aa, b], name: ' P ', description: d, metadata: {k: 1, strategy: mine}}
  warm: {strategy: warm, targets: [a, b]}
  over: {strategy: spillover, targets: [a, b], settings: {spillover: 3}}
  hidden: {strategy: pin, targets: [a], unlisted: true}
"""


def test_selectors_are_listed_with_what_they_choose_from() -> None:
    listed = records(SELECTORS)
    assert set(listed) == {"a", "b", "over", "pinned", "warm"}
    pinned = listed["pinned"]
    assert list(pinned) == ["id", "object", "created", "owned_by", "name", "description", "meta", "status"]
    assert (pinned["name"], pinned["description"], pinned["created"]) == ("P", "d", 7)
    own = {"type": "selector", "strategy": "pin", "targets": ["aa", "b"]}
    assert pinned["meta"] == {"llamaswap": {"k": 1, **own}}
    assert listed["over"]["meta"]["llamaswap"] == {
        "type": "selector",
        "strategy": "spillover",
        "targets": ["a", "b"],
        "spillover": 3,
    }
    assert "spillover" not in listed["warm"]["meta"]["llamaswap"]


@pytest.mark.parametrize(
    ("states", "loaded"),
    [
        ({}, set()),
        ({"a": "ready"}, {"a", "pinned", "warm", "over"}),
        ({"b": "starting"}, {"b", "warm", "over"}),
        ({"a": "stopping"}, {"a"}),
    ],
)
def test_a_selector_is_loaded_when_what_it_would_choose_is(states: dict[str, str], loaded: set[str]) -> None:
    """R-17 has the same states in /running; a model counts as loaded in whichever of them."""
    listed = records(SELECTORS, states)
    assert {name for name, record in listed.items() if record["status"] == {"value": "loaded"}} == loaded
