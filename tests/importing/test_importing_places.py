"""Where other programs keep their models, and what a named folder turns out to be."""

from pathlib import Path

from llamaswap.importing.places import source_of, well_known


def places(environ: dict[str, str], home: Path) -> dict[str, str]:
    return {str(place.path): place.source for place in well_known(environ, home)}


def test_the_usual_places(tmp_path: Path) -> None:
    known = places({}, tmp_path)
    for path in (".cache/huggingface/hub", ".ollama/models", ".lmstudio/models", ".cache/llama.cpp", "models"):
        assert str(tmp_path / path) in known
    assert known["/usr/share/ollama/.ollama/models"] == "Ollama"


def test_variables_move_them(tmp_path: Path) -> None:
    known = places({"OLLAMA_MODELS": "/o", "HF_HOME": "/h", "LLAMA_CACHE": "/l", "XDG_CACHE_HOME": "/x"}, tmp_path)
    assert [path for path, source in known.items() if source == "Ollama"] == ["/o"]
    assert {"/h/hub", "/l", "/x/lm-studio/models", "/x/llamaswap/models"} < known.keys()
    assert "/hub" in places({"HF_HUB_CACHE": "/hub", "HF_HOME": "/h"}, tmp_path)


def test_lm_studio_can_have_been_moved(tmp_path: Path) -> None:
    (tmp_path / ".lmstudio-home-pointer").write_text("/elsewhere\n")
    assert places({}, tmp_path)["/elsewhere/models"] == "LM Studio"
    (tmp_path / ".lmstudio-home-pointer").write_bytes(b"\xff")
    assert str(tmp_path / ".lmstudio/models") in places({}, tmp_path)


def test_a_programs_folder_means_its_models(tmp_path: Path) -> None:
    assert source_of(tmp_path / ".ollama", {}, tmp_path) == (tmp_path / ".ollama/models", "Ollama")
    assert source_of(tmp_path / ".cache/huggingface", {}, tmp_path)[1] == "Hugging Face"
    assert source_of(Path("/backup/.lmstudio/models"), {}, tmp_path)[1] == "LM Studio"
    assert source_of(tmp_path / "my", {}, tmp_path) == (tmp_path / "my", "folder")
    assert source_of(tmp_path, {}, tmp_path) == (tmp_path, "folder")
