"""IDs that people would type, aliases that only one model can have."""

import re

from hypothesis import given
from hypothesis import strategies as st

from llamaswap.importing.found import Candidate, Header
from llamaswap.importing.names import aliases, identifier, ids_of, named


def candidate(*ids: str, **more: object) -> Candidate:
    return Candidate(path=None, ids=ids, source="folder", kind="chat", **more)  # type: ignore[arg-type] # of tests


def test_ids_read_as_the_files_do() -> None:
    assert identifier("Qwen2.5-7B Instruct (1).Q4_K_M") == "Qwen2.5-7B-Instruct-1-.Q4_K_M"
    assert identifier("llama3.2:3b") == "llama3.2:3b"
    assert identifier("ggml-org/gemma:Q8_0") == "ggml-org/gemma:Q8_0"
    assert identifier("modèle") == "modèle"
    assert identifier("../..//x") == "x"
    assert identifier("${env.HOME}") == "env.HOME"
    assert identifier("\x1b[31m") == "31m"


def test_a_name_that_says_nothing_is_replaced() -> None:
    assert ids_of("ggml-model-q4_0", ("me",), "Phi 3", Header())[0] == "Phi-3-Q4_0"
    assert ids_of("model", (), "", Header(name="Phi", quantisation="Q8_0"))[0] == "Phi-Q8_0"
    assert ids_of("model", (), "", Header())[0] == "model"


def test_models_of_one_name_are_told_apart_by_where_they_are() -> None:
    three = [candidate("x", "a/x", "r/a/x"), candidate("X", "b/X"), candidate("y")]
    assert [name for name, _ in named(three)] == ["a/x", "b/X", "y"]
    assert [name for name, _ in named([candidate("x"), candidate("x"), candidate("x-2")])] == ["x", "x-2", "x-2-2"]
    assert [name for name, _ in named([candidate("comfyui_auto")])] == ["comfyui_auto-2"]


def test_short_names_where_only_one_model_can_be_meant() -> None:
    models = [
        ("Q-7B-Q4_K_M", candidate("Q-7B-Q4_K_M")),
        ("Z-7B-Q4_K_M", candidate("Z-7B-Q4_K_M")),
        ("Z-7B-UD-Q8_K_XL", candidate("Z-7B-UD-Q8_K_XL", aliases=("zed one", "Q-7B-Q4_K_M"))),
        ("plain", candidate("plain")),
    ]
    assert aliases(models) == [("Q-7B",), (), ("zed-one",), ()]


@given(st.lists(st.lists(st.text(max_size=6), min_size=1, max_size=3), max_size=8))
def test_ids_are_always_distinct_and_plain(texts: list[list[str]]) -> None:
    candidates = [candidate(*(identifier(text) or "model" for text in several)) for several in texts]
    pairs = named(candidates)
    names = [name.casefold() for name, _ in pairs]
    assert len(set(names)) == len(names) == len(candidates)
    assert all(re.fullmatch(r"[\w.:/@+-]+", name) for name, _ in pairs)
    assert [model for _, model in pairs] == candidates
    others = [alias.casefold() for several in aliases(pairs) for alias in several]
    assert len(set(others)) == len(others)
    assert not set(others) & set(names)
