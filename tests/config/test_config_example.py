"""configs/example.yaml is the reference for users: it shows every key, says its default, and loads."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llamaswap.config.load import load
from llamaswap.config.shipped import shipped
from llamaswap.config.table.root import ROOT
from llamaswap.config.table.shapes import (
    Anything,
    Duration,
    Each,
    Key,
    Macros,
    Names,
    Section,
    Switch,
    Text,
    Texts,
    Whole,
)
from llamaswap.config.text.environment import Variables
from llamaswap.config.text.nodes import Entry, Map
from llamaswap.config.text.place import Source
from llamaswap.config.text.problems import Problems
from llamaswap.config.text.scalars import text_of
from llamaswap.config.text.tree import TreeBuilder
from llamaswap.config.text.yaml import compose

EXAMPLE = shipped("example.yaml")
#: Older spellings, which an example should not teach.
OLDER = {"groups", "matrix", "logRequests", "strip_params"}
LINES = EXAMPLE.read_text().splitlines()


def tree() -> Map:
    source, problems = Source("example.yaml", EXAMPLE.read_text()), Problems()
    raw = compose(source, source.text, problems)
    assert raw is not None
    root = TreeBuilder(Variables(Source("", ""), {}, problems), problems).build(raw)
    assert isinstance(root, Map)
    return root


def keys(section: Section, nodes: list[Map], where: str = "") -> Iterator[tuple[str, Key, list[Entry]]]:
    """Each key of the table with the places where the example has it."""
    for name, key in section.keys.items():
        path = f"{where}.{name}" if where else name
        if path in OLDER or name == "strip_params" or path == "models.*.healthCheckTimeout":
            continue
        found = [node.entries[name] for node in nodes if name in node.entries]
        yield path, key, found
        below = [entry.value for entry in found if isinstance(entry.value, Map)]
        if isinstance(key.shape, Section):
            yield from keys(key.shape, below, path)
        elif isinstance(key.shape, Each):
            named = [entry.value for node in below for entry in node.entries.values() if isinstance(entry.value, Map)]
            yield from keys(key.shape.of, named, f"{path}.*")


ALL = list(keys(ROOT, [tree()]))


@pytest.mark.parametrize(("path", "key", "found"), ALL, ids=[path for path, _, _ in ALL])
def test_the_key_is_shown_with_its_default(path: str, key: Key, found: list[Entry]) -> None:
    assert found, f"{path} is missing in the example"
    default = default_text(key)
    if default is not None:
        assert any(default in comment_above(entry.key.line) for entry in found), f"the default {default} is not told"


IDLE = {path for path, key, _ in ALL if "does not act on it yet" in key.note}
OUTSIDE = [each for each in ALL if not any(each[0].startswith(f"{path}.") for path in IDLE)]


@pytest.mark.parametrize(("path", "key", "found"), OUTSIDE, ids=[path for path, _, _ in OUTSIDE])
def test_what_does_nothing_yet_is_marked(path: str, key: Key, found: list[Entry]) -> None:
    marked = any("Not yet acted on" in comment_above(entry.key.line) for entry in found)
    assert marked == (path in IDLE) or isinstance(key.shape, Section)


def default_text(key: Key) -> str | None:  # noqa: PLR0911 - one return for each shape
    """How the example writes the default; None if there is nothing to write."""
    match key.shape:
        case Text(required=True) | Texts(required=True):
            return "Needed"
        case Switch(default=None):
            return "the value of the top-level key"
        case Text(default=default) | Whole(default=default) | Switch(default=default):
            return text_of(default) or '""'
        case Duration(default=seconds):
            return f"{seconds:g}s"
        case Texts(default=texts):
            return f"[{', '.join(texts)}]"
        case Macros() | Each() | Names() | Anything():
            return "Default"
        case _:
            return None


def comment_above(line: int) -> str:
    """The nearest comment above *line* that tells of defaults; one comment may tell of several keys that follow."""
    start = next(n for n in range(line - 2, -1, -1) if re.search(r"# .*(Defaults?:|Needed)", LINES[n]))
    first = start
    while LINES[first - 1].lstrip().startswith("#"):
        first -= 1
    return "\n".join(LINES[first : start + 1])


def test_it_means_what_it_says() -> None:
    loaded = load([EXAMPLE], {}, strict=True)
    assert {warning.code for warning in loaded.warnings} <= {"no-effect"}
    assert loaded.config.routing.scheduler.use == "serial"


def test_shipped_files_are_found_in_a_checkout_and_in_a_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shipped("config-schema.json").exists()
    monkeypatch.setattr("llamaswap.config.shipped._PACKAGE", tmp_path)
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "example.yaml").write_text("")
    assert shipped("example.yaml").parent == tmp_path / "configs"


def test_every_shipped_file_is_named_for_the_wheel() -> None:
    project = (EXAMPLE.parents[1] / "pyproject.toml").read_text()
    named: Any = re.findall(r'"configs/([^"]+)" = "llamaswap/configs/\1"', project)
    assert set(named) == {path.name for path in EXAMPLE.parent.iterdir() if path.is_file()}
