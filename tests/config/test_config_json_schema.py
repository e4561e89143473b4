"""The published schema: what it refuses, the strict loader refuses, and what it can see, it refuses."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from llamaswap.config.load import load, load_text
from llamaswap.config.table.json_schema import json_schema
from llamaswap.config.text.environment import Variables
from llamaswap.config.text.jsonable import jsonable
from llamaswap.config.text.nodes import Map
from llamaswap.config.text.place import Source
from llamaswap.config.text.problems import Problem, Problems
from llamaswap.config.text.tree import TreeBuilder
from llamaswap.config.text.yaml import compose
from llamaswap.errors import ConfigError
from tests.config import test_config_rows as first
from tests.config import test_config_rows_sections as second
from tests.config.rows import ENVIRON, plain

CONFIGS = Path(__file__).parents[2] / "configs"
VALIDATOR = Draft202012Validator(json_schema())
ROWS = list(
    dict.fromkeys(
        plain(str(row[1]))
        for row in [*first.VALUES, *first.REFUSED, *first.WARNED, *second.VALUES, *second.REFUSED, *second.WARNED]
    )
)
#: What a schema can see: it knows types, ranges, choices and keys, but compares nothing.
VISIBLE = {"type", "range", "unknown-key"}
#: A text's length of time cannot be compared, and one range depends on another key.
INVISIBLE = {("performance", "every"), ("selectors", "s", "settings", "spillover")}


def as_an_editor_sees_it(text: str) -> Any:
    """The document without variables and macros filled in; None if it is no mapping, or no YAML."""
    source, problems = Source("c.yaml", text), Problems()
    raw = compose(source, source.text, problems)
    tree = TreeBuilder(Variables(Source("", ""), {}, problems), problems).build(raw) if raw else None
    usable = isinstance(tree, Map) and not tree.anchored
    return jsonable(tree, (), lambda *_: None) if usable and isinstance(tree, Map) else None


def errors_of(text: str) -> list[Problem]:
    try:
        load_text(text, "c.yaml", ENVIRON, strict=True)
    except ConfigError as error:
        return [problem for problem in error.problems if isinstance(problem, Problem)]
    return []


@pytest.mark.parametrize("row", ROWS)
def test_schema_and_loader_agree(row: str) -> None:
    document = as_an_editor_sees_it(row)
    if document is None:
        pytest.skip("the schema sees no mapping here, or one that holds anchors")
    found, errors = list(VALIDATOR.iter_errors(document)), errors_of(row)
    if found:
        assert errors, [error.message for error in found]
    visible = [error for error in errors if error.code in VISIBLE and error.path not in INVISIBLE]
    if visible and not any("${" in text for text in (row, *ENVIRON.values()) if text in row):
        assert found, visible


def test_the_published_file_is_up_to_date() -> None:
    written = json.loads((CONFIGS / "config-schema.json").read_text())
    assert written == json_schema(), "run scripts/schema"


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_every_shipped_configuration_is_valid(path: Path) -> None:
    document = as_an_editor_sees_it(path.read_text())
    assert [error.message for error in VALIDATOR.iter_errors(document)] == []
    loaded = load([path], {}, strict=True)
    assert loaded.config.routing.scheduler.use == "serial"
