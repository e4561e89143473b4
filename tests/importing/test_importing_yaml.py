"""Whatever files are called, the configuration loads without a warning and its commands say exactly that."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llamaswap.config.commands.argv import split
from llamaswap.config.load import load_text
from llamaswap.config.names import ModelId
from llamaswap.embedded.commandline import parse
from llamaswap.embedded.flags import BY_NAME
from llamaswap.importing.found import Candidate, Harvest, Header
from llamaswap.importing.names import identifier
from llamaswap.importing.result import Result, configuration
from llamaswap.importing.yamltext import word

SERVER = ["/opt/my tools/llama-server ${x}"]
EMBEDDED = ["/usr/bin/python3", "-m", "llamaswap.embedded"]
COMMON = ["--host", "127.0.0.1", "--port", "5800", "--alias"]

#: What has a meaning for one of the readers on the way, and what only looks as if.
PIECES = st.sampled_from(
    ["${", "}", "${PORT}", "${env.HOME}", "${MODEL_ID}", "$", "'", '"', "\\", "\n", "\n#", "\n #", "\\\n", " ", "\t",
     "\r",
     "#", " #", ": ", "- ", "{", "%", "&", "*", "!", "|", ">", "`", "\x85", "\u2028", "\ufeff", "\x1b[31m", "\x7f", "é",
     "\U0001f600", "\ue000", "\U000f0000", "\ufffe", "a", "~"]
)  # fmt: skip
NAMES = st.lists(
    PIECES | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=3), max_size=8
)
TEXTS = NAMES.map("".join)


def model(path: str, kind: str = "chat", **more: object) -> Candidate:
    ids = (identifier(Path(path).stem[-40:]) or "model",)
    values = {"path": Path(path), "ids": ids, "source": "folder", "kind": kind, "header": Header(context=32768)}
    return Candidate(**{**values, **more})  # type: ignore[arg-type] # of tests


def write(*models: Candidate, server: list[str] = SERVER, ctx: int = 8192) -> Result:
    takes = BY_NAME.__contains__ if server == EMBEDDED else None
    return configuration(Harvest(list(models)), server, ctx, takes)


def commands(result: Result) -> list[list[str]]:
    loaded = load_text(result.text, "config.yaml", {}, strict=True)
    assert loaded.warnings == ()
    assert len(loaded.config.models) == len(result.entries)
    return [list(loaded.config.models[ModelId(entry.id)].argv) for entry in result.entries]


@given(TEXTS)
@settings(max_examples=300)
def test_any_text_is_one_word(text: str) -> None:
    if "\U000f0000" not in text:  # the splitter's own sign for a process ID
        assert split(f"a\n{word(text)} b").words == ("a", text, "b")


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS, st.sampled_from(["chat", "embedding", "reranker"])), max_size=3))
@settings(max_examples=150, deadline=None)
def test_any_name_loads_and_arrives(files: list[tuple[str, str, str, str]]) -> None:
    models = [
        model(
            f"/m/{number}/{name}.gguf", kind, title=title, projector=Path(f"/p/{name}"), options=(("--x", f"v{value}"),)
        )
        for number, (name, title, value, kind) in enumerate(files)
    ]
    result = write(*models)
    assert len(result.entries) + len(result.skipped) == len(models)
    assert len(result.skipped) == sum("\U000f0000" in name + value for name, _, value, _ in files)
    for argv, entry in zip(commands(result), result.entries, strict=True):
        assert argv[: len(SERVER)] == SERVER
        assert argv[argv.index("-m") + 1] == str(entry.candidate.path)
        assert argv[argv.index("--x") + 1] == entry.candidate.options[0][1]


def test_context_is_what_it_was_trained_on_up_to_a_limit() -> None:
    small, silent = model("/s.gguf", header=Header(context=512)), model("/n.gguf", header=Header())
    chosen = model("/c.gguf", options=(("--ctx-size", "100"),))

    def contexts(ctx: int) -> list[str]:
        result = write(model("/b.gguf"), chosen, silent, small, ctx=ctx)
        return [argv[argv.index("--ctx-size") + 1] for argv in commands(result)]

    assert contexts(8192) == ["8192", "100", "8192", "512"]
    assert contexts(0) == ["32768", "100", "0", "512"]


def test_vectors_and_scores() -> None:
    vectors = model("/v.gguf", "embedding", header=Header("nomic-bert", context=512))
    last = model("/w.gguf", "embedding", header=Header("qwen3", pooling=3, context=512))
    scores = model("/x.gguf", "reranker", header=Header("bert", context=512))
    own = model("/y.gguf", "embedding", options=(("--pooling", "cls"), ("--ubatch-size", "64")))
    batch = ["--batch-size", "512", "--ubatch-size", "512"]
    tails = [argv[argv.index("--ctx-size") + 2 :] for argv in commands(write(vectors, last, scores, own))]
    assert tails == [
        ["--embeddings", "--pooling", "mean", *batch],
        ["--embeddings", "--pooling", "last", *batch],
        ["--reranking", *batch],
        ["--pooling", "cls", "--ubatch-size", "64"],
    ]


def test_the_whole_of_an_entry() -> None:
    result = write(
        model(
            "/m/Thing-7B-Q4_K_M.gguf",
            header=Header("llama", quantisation="Q4_K_M", size_label="7B", context=4096),
            size_bytes=4_400_000_000,
            title='The "Thing" ${x}',
            preload=True,
            stop_timeout_s=30,
        ),
        server=["llama-server"],
    )
    config = load_text(result.text, "config.yaml", {}, strict=True).config
    (thing,) = config.models.values()
    assert thing.id == "Thing-7B-Q4_K_M"
    assert thing.argv == (
        "llama-server", *COMMON, thing.id, "-m", "/m/Thing-7B-Q4_K_M.gguf", "--ctx-size", "4096",
    )  # fmt: skip
    assert (thing.name, thing.aliases, thing.unload_timeout) == ('The "Thing" $ {x}', ("Thing-7B",), 30.0)
    assert config.preload == (thing.id,)
    assert thing.owns_port


def test_nothing_found_loads_too() -> None:
    assert commands(write()) == []


def test_the_embedded_server_gets_only_what_it_takes() -> None:
    fine = model("/a.gguf", "embedding", projector=Path("/p.gguf"), options=(("--temp", "0.5"),))
    strange = model("/b.gguf", options=(("--hf-repo", "a/b"), ("--flash-attn", "on"), ("--swa-full",)))
    result = write(fine, strange, server=EMBEDDED)
    (argv,) = commands(result)
    assert argv[:3] == EMBEDDED
    assert dict(parse(argv[3:]))["model.path"] == "/a.gguf"
    (skip,) = result.skipped
    assert skip.reason == "has options that the embedded server does not take (--hf-repo --swa-full)"


@pytest.mark.parametrize("name", ["/m/\udcff.gguf"])
def test_a_name_that_is_no_text_is_told(name: str) -> None:
    (skip,) = write(model(name)).skipped
    assert "is not UTF-8" in skip.reason


def test_the_same_models_give_the_same_text() -> None:
    models = [model("/b.gguf"), model("/a.gguf")]
    assert write(*models).text == write(*reversed(models)).text
