"""What is found in each kind of store, and what is passed over and why."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from tests.importing.stores import by_id, found, hugging_face, ollama, reasons, write_model

PART = "big-Q4_K_M-0000{}-of-00003.gguf"


def test_a_folder(tmp_path: Path) -> None:
    write_model(tmp_path / "Llama-3.2-1B-Instruct-Q4_K_M.gguf", general__name="Llama 3.2", ARCH__context_length=131072)
    write_model(tmp_path / "deep/er/nomic-embed-text-v1.5.Q8_0.gguf", "nomic-bert", ARCH__context_length=2048)
    write_model(tmp_path / "bge-reranker-v2-m3-Q8_0.gguf", "bert")
    write_model(tmp_path / "Qwen3-Embedding-0.6B-Q8_0.gguf", "qwen3", ARCH__pooling_type=3)
    (tmp_path / "README.md").write_text("x")
    harvest = found(tmp_path)
    kinds = {name: candidate.kind for name, candidate in by_id(harvest).items()}
    assert kinds == {
        "Llama-3.2-1B-Instruct-Q4_K_M": "chat",
        "nomic-embed-text-v1.5.Q8_0": "embedding",
        "bge-reranker-v2-m3-Q8_0": "reranker",
        "Qwen3-Embedding-0.6B-Q8_0": "embedding",
    }
    llama = by_id(harvest)["Llama-3.2-1B-Instruct-Q4_K_M"]
    assert (llama.title, llama.header.quantisation, llama.header.context) == ("Llama 3.2", "Q4_K_M", 131072)
    assert harvest.skipped == []
    assert by_id(harvest)["nomic-embed-text-v1.5.Q8_0"].ids[1:3] == (
        "er/nomic-embed-text-v1.5.Q8_0", "deep/er/nomic-embed-text-v1.5.Q8_0",
    )  # fmt: skip


def test_a_folders_name_does_not_make_an_embedding_model(tmp_path: Path) -> None:
    write_model(tmp_path / "embedding/reranker/Llama-Q4_0.gguf")
    assert [candidate.kind for candidate in found(tmp_path).candidates] == ["chat"]


def test_parts_are_one_model(tmp_path: Path) -> None:
    parts = [write_model(tmp_path / PART.format(n), tensor=n > 1) for n in (1, 2, 3)]
    (candidate,) = found(tmp_path).candidates
    assert candidate.ids[0] == "big-Q4_K_M"
    assert candidate.path == parts[0]
    assert candidate.size_bytes == sum(part.stat().st_size for part in parts)
    assert found(parts[1]).candidates == found(parts[0]).candidates


@pytest.mark.parametrize(("absent", "told"), [((1,), r"1 are missing \(1\)"), ((2, 3), r"2 are missing \(2, 3\)")])
def test_missing_parts_are_told(absent: tuple[int, ...], told: str, tmp_path: Path) -> None:
    for n in (1, 2, 3):
        if n not in absent:
            write_model(tmp_path / PART.format(n))
    harvest = found(tmp_path)
    assert harvest.candidates == []
    (skip,) = harvest.skipped
    assert "has 3 parts" in skip.reason
    assert skip.reason.endswith(told.replace("\\", ""))


def test_a_projector_goes_to_its_model(tmp_path: Path) -> None:
    write_model(tmp_path / "one/gemma-3-4b-it-Q4_K_M.gguf", "gemma3")
    write_model(tmp_path / "one/gemma-3-4b-it-Q8_0.gguf", "gemma3")
    half = write_model(tmp_path / "one/mmproj-model-f16.gguf", "clip")
    write_model(tmp_path / "one/mmproj-F32.gguf", "clip")
    write_model(tmp_path / "many/gemma-3-4b-it-Q4_0.gguf", "gemma3")
    write_model(tmp_path / "many/Qwen2-VL-7B-Q4_0.gguf", "qwen2vl")
    qwen = write_model(tmp_path / "many/mmproj-Qwen2-VL-7B-f16.gguf", "clip")
    write_model(tmp_path / "many/mmproj-pixtral-f16.gguf", "clip")
    harvest = found(tmp_path)
    assert {name: candidate.projector for name, candidate in by_id(harvest).items()} == {
        "gemma-3-4b-it-Q4_K_M": half,
        "gemma-3-4b-it-Q8_0": half,
        "gemma-3-4b-it-Q4_0": None,
        "Qwen2-VL-7B-Q4_0": qwen,
    }
    assert set(reasons(harvest)) == {"mmproj-F32.gguf", "mmproj-pixtral-f16.gguf"}


def test_what_cannot_be_served_is_told(tmp_path: Path) -> None:
    whole = write_model(tmp_path / "elsewhere.bin").read_bytes()
    (tmp_path / "cut.gguf").write_bytes(whole[:-20])
    (tmp_path / "header.gguf").write_bytes(whole[:60])
    (tmp_path / "empty.gguf").touch()
    (tmp_path / "page.gguf").write_text("<html>")
    (tmp_path / "half.gguf.part").write_bytes(whole)
    (tmp_path / "half.gguf.downloadInProgress").write_bytes(whole)
    (tmp_path / "nowhere.gguf").symlink_to("gone.gguf")
    (tmp_path / "loop.gguf").symlink_to("loop.gguf")
    os.mkfifo(tmp_path / "pipe.gguf")
    (tmp_path / "folder.gguf").mkdir()
    write_model(tmp_path / "lora.gguf", general__type="adapter")
    write_model(tmp_path / "ggml-vocab-x.gguf", tensor=False)
    write_model(tmp_path / "picture.gguf", "flux")
    harvest = found(tmp_path)
    assert harvest.candidates == []
    told = reasons(harvest)
    assert set(told) == {path.name for path in tmp_path.iterdir()} - {"elsewhere.bin", "folder.gguf"}
    assert told["cut.gguf"].startswith("is cut off: ")
    assert told["nowhere.gguf"] == "is a link to nothing"
    assert told["lora.gguf"] == "is no model of its own (adapter)"
    assert told["pipe.gguf"] == "is no file"
    assert told["half.gguf.part"] == "is a download that was not finished"


def test_links_and_loops_of_folders(tmp_path: Path) -> None:
    path = write_model(tmp_path / "a/x-Q4_0.gguf")
    (tmp_path / "a/again").symlink_to(tmp_path)
    (tmp_path / "b").mkdir()
    (tmp_path / "b/y-Q4_0.gguf").symlink_to(path)
    harvest = found(tmp_path)
    (candidate,) = harvest.candidates
    assert (candidate.path, candidate.aliases) == (path, ("y-Q4_0",))
    assert reasons(harvest) == {"y-Q4_0.gguf": f"is the same file as {path}"}


def test_a_link_to_another_disk_is_followed_and_told(tmp_path: Path) -> None:
    """Once, however many links lead there; a link there in turn is no other case."""
    here, disk, third = tmp_path / "here", tmp_path / "disk", tmp_path / "third"
    write_model(disk / "deep/x-Q4_0.gguf")
    write_model(third / "z-Q4_0.gguf")
    here.mkdir()
    (here / "more").symlink_to(disk)
    (here / "once-more").symlink_to(disk)
    (disk / "back").symlink_to(disk)
    (disk / "deep/on").symlink_to(third)
    harvest = found(here)
    assert [candidate.path for candidate in harvest.candidates] == [
        here / "more/deep/x-Q4_0.gguf",
        here / "more/deep/on/z-Q4_0.gguf",
    ]
    assert [(each.link, each.target) for each in harvest.followed] == [
        (here / "more", disk),
        (here / "more/deep/on", third),
    ]
    assert harvest.skipped == []


def test_a_link_to_a_folder_around_is_not_followed(tmp_path: Path) -> None:
    """Somebody's whole disk is not what was asked for; not by way of another link either."""
    write_model(tmp_path / "private/x-Q4_0.gguf")
    write_model(tmp_path / "models/y-Q4_0.gguf")
    (tmp_path / "models/up").symlink_to(tmp_path)
    (tmp_path / "models/root").symlink_to("/")
    harvest = found(tmp_path / "models")
    assert [candidate.path for candidate in harvest.candidates] == [tmp_path / "models/y-Q4_0.gguf"]
    assert set(reasons(harvest)) == {"up", "root"}
    assert f"is a link to {tmp_path}, in which" in reasons(harvest)["up"]
    assert harvest.followed == []


def test_a_folder_inside_is_searched_under_its_own_name(tmp_path: Path) -> None:
    """Even if the link comes first."""
    path = write_model(tmp_path / "z/x-Q4_0.gguf")
    (tmp_path / "a").symlink_to("z")
    assert [candidate.path for candidate in found(tmp_path).candidates] == [path]
    (tmp_path / "elsewhere").symlink_to(tmp_path)
    harvest = found(tmp_path / "elsewhere")
    assert [candidate.path for candidate in harvest.candidates] == [tmp_path / "elsewhere/z/x-Q4_0.gguf"]
    assert harvest.followed == []


def test_files_of_a_cache_may_be_links_and_are_not_told(tmp_path: Path) -> None:
    source = write_model(tmp_path / "source.gguf")
    hugging_face(tmp_path / "hub", "org/repo", {"x-Q4_0.gguf": source})
    harvest = found(tmp_path / "hub")
    assert len(harvest.candidates) == 1
    assert harvest.followed == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_told(tmp_path: Path) -> None:
    write_model(tmp_path / "x.gguf").chmod(0)
    (tmp_path / "closed").mkdir(mode=0)
    assert set(reasons(found(tmp_path))) == {"x.gguf", "closed"}


def test_a_hugging_face_cache(tmp_path: Path) -> None:
    model, projector = write_model(tmp_path / "m", "gemma3"), write_model(tmp_path / "p", "clip")
    older = write_model(tmp_path / "o", "gemma3", general__name="older")
    cache = tmp_path / "hub"
    hugging_face(
        cache,
        "ggml-org/gemma-3-4b-it-GGUF",
        {"gemma-3-4b-it-Q4_K_M.gguf": older, "gemma-3-4b-it-Q8_0.gguf": older},
        "b" * 40,
    )
    files = {"gemma-3-4b-it-Q4_K_M.gguf": model, "mmproj-model-f16.gguf": projector, "README.md": model}
    snapshot = hugging_face(cache, "ggml-org/gemma-3-4b-it-GGUF", files)
    os.utime(snapshot, (0, 0))  # which is the current one says refs/main, not the time
    split = {f"BF16/{PART.format(n)}": write_model(tmp_path / f"s{n}", general__name=str(n)) for n in (1, 2, 3)}
    hugging_face(cache, "someone/big", split)
    (cache / "models--someone--big/blobs/0123.incomplete").write_bytes(b"GGUF")
    (cache / "models--a--none").mkdir()
    (cache / "version.txt").write_text("1")
    for path in (tmp_path, cache, cache.parent):
        harvest = found(path)
        models = by_id(harvest)
        assert set(models) == {"gemma-3-4b-it-Q4_K_M", "gemma-3-4b-it-Q8_0", "big-Q4_K_M"}
        assert models["gemma-3-4b-it-Q4_K_M"].path == snapshot / "gemma-3-4b-it-Q4_K_M.gguf"
        assert {model.source for model in models.values()} == {"Hugging Face"}
        assert models["big-Q4_K_M"].ids[1] == "someone/big-Q4_K_M"
        assert reasons(harvest) == {"0123.incomplete": "is a download of someone/big not finished"}


def test_what_lies_beside_stores_is_found_too(tmp_path: Path) -> None:
    model = write_model(tmp_path / "x-Q4_0.gguf")
    write_model(tmp_path / "deep/y-Q4_0.gguf", general__name="y")
    hugging_face(tmp_path, "a/b", {"z-Q4_0.gguf": write_model(tmp_path / "z", general__name="z")})
    ollama(tmp_path, "registry.ollama.ai/library/o/1b", {"model": model.read_bytes() + b"\0"})
    assert set(by_id(found(tmp_path))) == {"x-Q4_0", "y-Q4_0", "z-Q4_0", "o:1b"}


def test_of_two_names_for_a_file_the_one_that_is_text_is_taken(tmp_path: Path) -> None:
    model = write_model(tmp_path / "ok.gguf")
    os.link(model, os.fsencode(tmp_path) + b"/bad\xff.gguf")
    assert [candidate.path for candidate in found(tmp_path).candidates] == [model]


def test_one_repository_of_the_cache(tmp_path: Path) -> None:
    snapshot = hugging_face(tmp_path, "a/b", {"x-Q4_0.gguf": write_model(tmp_path / "m")})
    (candidate,) = found(snapshot.parents[1]).candidates
    assert candidate.ids == ("x-Q4_0", "a/x-Q4_0", "a/b/x-Q4_0")
    (snapshot / "x-Q4_0.gguf").resolve().unlink()
    assert reasons(found(tmp_path / "models--a--b")) == {"x-Q4_0.gguf": "is a link to nothing"}


def test_an_ollama_store(tmp_path: Path) -> None:
    weights = write_model(tmp_path / "w", "llama", general__file_type=15).read_bytes()
    vectors = write_model(tmp_path / "v", "nomic-bert").read_bytes()
    eyes = write_model(tmp_path / "e", "clip").read_bytes()
    store, home = tmp_path / "store", "registry.ollama.ai"
    params = b'{"num_ctx": 4096, "temperature": 0.5, "stop": ["<x>"], "top_k": true}'
    ollama(store, f"{home}/library/llama3.2/latest", {"model": weights, "params": params, "template": b"{{ .Prompt }}"})
    ollama(store, f"{home}/library/llama3.2/3b", {"model": weights, "params": params})
    ollama(store, f"{home}/library/nomic-embed-text/v1.5", {"model": vectors})
    ollama(store, f"{home}/me/seer/7b", {"model": weights, "projector": eyes})
    ollama(store, "hf.co/bartowski/Thing-GGUF/Q4_K_M", {"model": weights + b"\0"})
    ollama(store, f"{home}/library/gpt-oss/120b-cloud", {})
    ollama(store, f"{home}/library/strange/x", {}).write_text("[]")
    layers = [{"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:../../../../etc/passwd"}, 7]
    ollama(store, f"{home}/library/escaping/x", {}).write_text(json.dumps({"layers": layers}))
    gone = ollama(store, f"{home}/library/gone/x", {"model": vectors + b"\1"})
    (store / "blobs/sha256-77-partial").touch()
    (store / f"blobs/sha256-{hashlib.sha256(vectors + bytes([1])).hexdigest()}").unlink()
    harvest = found(store)
    models = by_id(harvest)
    assert set(models) == {"llama3.2:3b", "nomic-embed-text:v1.5", "me/seer:7b", "hf.co/bartowski/Thing-GGUF:Q4_K_M"}
    assert models["llama3.2:3b"].aliases == ("llama3.2", "llama3.2:latest")
    assert models["llama3.2:3b"].options == (("--ctx-size", "4096"), ("--temp", "0.5"))
    assert models["nomic-embed-text:v1.5"].kind == "embedding"
    assert models["me/seer:7b"].projector is not None
    assert "which is no hash" in next(s.reason for s in harvest.skipped if s.path.parent.name == "escaping")
    assert {(skip.path.parent.name, skip.path.name) for skip in harvest.skipped} == {
        ("gpt-oss", "120b-cloud"), ("strange", "x"), ("escaping", "x"), (gone.parent.name, "x"),
        ("blobs", "sha256-77-partial"),
    }  # fmt: skip


def test_a_tag_of_ollama_cannot_refer_to_anything(tmp_path: Path) -> None:
    """A file's name may be any text; what is written must load, and mean no variable of ours."""
    weights = write_model(tmp_path / "w").read_bytes()
    ollama(tmp_path / "store", "registry.ollama.ai/library/x/${env.HOME}", {"model": weights})
    assert set(by_id(found(tmp_path / "store"))) == {"x:env.HOME"}


def test_lm_studio(tmp_path: Path) -> None:
    write_model(tmp_path / "bartowski/Thing-GGUF/Thing-Q4_K_M.gguf")
    write_model(tmp_path / "unsloth/Thing-GGUF/Thing-Q4_K_M.gguf")
    candidates = found(tmp_path, source="LM Studio").candidates
    assert {candidate.ids[1] for candidate in candidates} == {"bartowski/Thing-Q4_K_M", "unsloth/Thing-Q4_K_M"}


PRESETS = """\
version = 1
[*]
ctx-size = 16384 ; all of them
n-gpu-layers=99
[writer]  # a comment
model = writer.gguf
c = 4096
flash-attn = on
jinja = true
no-mmap = 1
mlock = false
port = 9999
load-on-startup = true
stop-timeout = 30
alias = scribe,  pen
[ggml-org/gemma-3-4b-it-GGUF:Q4_K_M]
temp = 0.7
[named]
hf-repo = a/b
chat-template-kwargs = {"k": "v w"}
[seer]
LLAMA_ARG_MODEL = sub/seer.gguf
mmproj = mmproj.gguf
[gone]
model = /no/such.gguf
[nothing]
temp = 1
this is nothing
"""


def test_presets(tmp_path: Path) -> None:
    write_model(tmp_path / "writer.gguf", ARCH__context_length=8192)
    write_model(tmp_path / "sub/seer.gguf")
    write_model(tmp_path / "mmproj.gguf", "clip")
    write_model(tmp_path / "other.gguf")
    (tmp_path / "models.ini").write_text(PRESETS)
    harvest = found(tmp_path / "models.ini", tmp_path)
    models = by_id(harvest)
    common = (("--ctx-size", "16384"), ("--n-gpu-layers", "99"))
    writer = models["writer"]
    assert writer.options == (
        ("--ctx-size", "4096"), ("--n-gpu-layers", "99"), ("--flash-attn", "on"), ("--jinja",), ("--no-mmap",),
    )  # fmt: skip
    assert (writer.path, writer.preload, writer.stop_timeout_s) == (tmp_path / "writer.gguf", True, 30)
    assert writer.aliases == ("scribe", "  pen")
    assert models["ggml-org/gemma-3-4b-it-GGUF:Q4_K_M"].options == (
        *common, ("--temp", "0.7"), ("--hf-repo", "ggml-org/gemma-3-4b-it-GGUF:Q4_K_M"),
    )  # fmt: skip
    assert models["named"].options == (
        *common, ("--hf-repo", "a/b"), ("--chat-template-kwargs", '{"k": "v w"}'),
    )  # fmt: skip
    assert models["seer"].projector == tmp_path / "mmproj.gguf"
    assert "other" in models
    told = [skip.reason for skip in harvest.skipped if skip.path.name == "models.ini"]
    assert told == [
        "line 28 is neither a section nor an option; the rest is read",
        "[gone] /no/such.gguf does not exist",
        "[nothing] names no model; it needs model = FILE or hf-repo = OWNER/REPO",
    ]
    assert reasons(harvest)["writer.gguf"] == "is served as writer, by a preset"


def test_paths_that_are_nothing(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    told = reasons(found(tmp_path / "notes.txt", tmp_path / "gone"))
    assert told == {
        "notes.txt": "is no folder, no .gguf file and no preset file (.ini)",
        "gone": "does not exist, or may not be seen",
    }
