"""`llamaswap import` as a person sees it."""

import importlib.util
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from llamaswap import cli
from llamaswap.config.load import load_text
from llamaswap.importing import reading
from llamaswap.verbs.import_report import size
from tests.importing.stores import hugging_face, write_model

OUT = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of our own, in which two models are; we are in another folder."""
    path = tmp_path / "home"
    monkeypatch.setenv("HOME", str(path))
    for name in ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "LLAMA_CACHE", "OLLAMA_MODELS", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    write_model(path / "models/Tiny-1B-Q4_K_M.gguf", general__size_label="1B", ARCH__context_length=4096)
    hugging_face(path / ".cache/huggingface/hub", "a/b", {"v-Q8_0.gguf": write_model(tmp_path / "v", "bert")})
    return path


def run(*words: str) -> int:
    return cli.main(["import", *words])


def test_the_usual_places_are_searched_and_told(home: Path, capfd: OUT) -> None:
    assert run() == 0
    out, err = capfd.readouterr()
    told = dict(line.rsplit(None, 1)[0].split(None, 1)[::-1] for line in err.splitlines() if "(folder)" in line)
    assert told == {str(home / "models"): "found"}
    assert "not there" in err
    rows = [line.split() for line in out.splitlines()]
    assert rows[0] == ["ID", "KIND", "MODEL", "CONTEXT", "SIZE", "SOURCE"]
    assert rows[1][:5] == ["Tiny-1B-Q4_K_M", "chat", "1B", "Q4_K_M", "4096"]
    assert rows[2][:2] == ["v-Q8_0", "embedding"]
    assert out.splitlines()[-1] == "wrote config.yaml (2 models); start: llamaswap -config config.yaml"
    config = load_text(Path("config.yaml").read_text(), "config.yaml", {}, strict=True).config
    assert list(config.models) == ["Tiny-1B-Q4_K_M", "v-Q8_0"]


def test_a_file_that_is_there_is_replaced_only_by_force(home: Path, capfd: OUT) -> None:
    Path("config.yaml").write_text("mine")
    assert run(str(home)) == 1
    assert (
        "config.yaml is there already; choose another with -o FILE, or replace it with --force"
        in capfd.readouterr().err
    )
    assert Path("config.yaml").read_text() == "mine"
    assert run(str(home), "--force") == 0
    assert "Tiny" in Path("config.yaml").read_text()


def test_standard_output_gets_the_file_and_nothing_else(home: Path, capfd: OUT) -> None:
    assert run(str(home), "-o", "-") == 0
    out, err = capfd.readouterr()
    assert len(load_text(out, "out", {}, strict=True).config.models) == 2
    assert "SOURCE" in err
    assert list(Path().iterdir()) == []


def test_where_a_link_led_is_shown(home: Path, tmp_path: Path, capfd: OUT) -> None:
    write_model(tmp_path / "disk/far-Q4_0.gguf")
    (home / "models/disk").symlink_to(tmp_path / "disk")
    assert run(str(home / "models"), "--dry-run") == 0
    rows = [line.split() for line in capfd.readouterr().out.splitlines()]
    assert [str(home / "models/disk"), str(tmp_path / "disk")] in rows
    assert run(str(home / "models"), "--json", "--dry-run") == 0
    links = json.loads(capfd.readouterr().out)["links"]
    assert links == [{"path": str(home / "models/disk"), "target": str(tmp_path / "disk")}]


def test_json_and_dry_runs(home: Path, capfd: OUT) -> None:
    (home / "models/bad\x1b[31m.gguf").write_text("x")
    assert run(str(home), "--json", "--dry-run") == 0
    found = json.loads(capfd.readouterr().out)
    assert [model["id"] for model in found["models"]] == ["Tiny-1B-Q4_K_M", "v-Q8_0"]
    assert found["models"][0] | {"path": "", "size_bytes": 0} == {
        "id": "Tiny-1B-Q4_K_M", "aliases": ["Tiny-1B"], "kind": "chat", "name": "Tiny-1B", "path": "", "mmproj": None,
        "architecture": "llama", "parameters": "1B", "quantisation": "Q4_K_M", "context": 4096, "trained_context": 4096,
        "size_bytes": 0, "source": "folder",
    }  # fmt: skip
    assert [skip["reason"] for skip in found["skipped"]] == ["is no GGUF file"]
    assert found["links"] == []
    assert run(str(home), "--dry-run") == 0
    assert "\x1b" not in capfd.readouterr().out
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--json", "-o", "-"], 2, "both want standard output"),
        (["--ctx", "many"], 2, "is no number of tokens"),
        (["--frobnicate"], 2, "unrecognized arguments"),
        (["gone"], 1, "no model was found, so nothing is written"),
        (["-o", "no/such/folder/x.yaml"], 1, "cannot write no/such/folder/x.yaml: No such file or directory"),
    ],
)
def test_what_cannot_work(words: list[str], code: int, told: str, capfd: OUT) -> None:
    assert run(*words) == code
    assert told in capfd.readouterr().err
    assert list(Path().iterdir()) == []


def test_nothing_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: OUT) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "none"))
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "none"))
    assert run() == 1
    assert "say where they are: llamaswap import PATH..." in capfd.readouterr().err


def test_the_help(capfd: OUT) -> None:
    assert run("-h") == 0
    assert "--force" in capfd.readouterr().out


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, capfd: OUT) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    assert "pip install 'llamaswap[import]'" in reading.missing_library()
    assert run() == 1
    assert "pip install 'llamaswap[import]'" in capfd.readouterr().err


def test_which_server(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: OUT) -> None:
    def program(*words: str) -> list[str]:
        assert run(str(home), "-o", "-", *words) == 0
        models = load_text(capfd.readouterr().out, "out", {}).config.models
        (argv, _) = (model.argv for model in models.values())
        return list(argv[:3])

    embedded = [sys.executable, "-m", "llamaswap.embedded"]
    assert program("--server", "embedded") == embedded
    assert program("--server", "/opt/my llama/llama-server")[0] == "/opt/my llama/llama-server"
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    assert program() == embedded
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert program()[0] == "llama-server"
    assert run(str(home), "--dry-run") == 0
    assert "llama-server is not in PATH" in capfd.readouterr().err
    (tmp_path / "llama-server").write_text("")
    (tmp_path / "llama-server").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run(str(home), "--dry-run") == 0
    assert "not in PATH" not in capfd.readouterr().err


@pytest.mark.processes
def test_a_terminal_sees_progress_and_a_reader_that_leaves_no_traceback(home: Path) -> None:
    control, terminal = pty.openpty()
    command = [sys.executable, "-m", "llamaswap", "import", str(home), "--dry-run"]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "TERM": "xterm"}
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=terminal, env=environ, timeout=60, check=False)
    os.close(terminal)
    seen = os.read(control, 65536).decode()
    os.close(control)
    assert done.returncode == 0
    assert "looking for models" in seen
    reader, writer = os.pipe()
    os.close(reader)
    left = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, env=environ, timeout=60, check=False)
    os.close(writer)
    assert b"Traceback" not in left.stderr


@pytest.mark.processes
def test_a_terminal_that_lacks_the_letters(home: Path) -> None:
    write_model(home / "models/日本.gguf")
    command = [sys.executable, "-m", "llamaswap", "import", str(home), "--dry-run"]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONIOENCODING": "latin-1"}
    shown = subprocess.run(command, capture_output=True, env=environ, timeout=60, check=True)
    assert b"?? " in shown.stdout
    written = subprocess.run([*command[:-1], "-o", "-"], capture_output=True, env=environ, timeout=60, check=True)
    assert "日本.gguf" in written.stdout.decode()


def test_sizes() -> None:
    assert [size(n) for n in (0, 999, 98_362_432, 4_400_000_000)] == ["-", "999 B", "98.4 MB", "4.4 GB"]
