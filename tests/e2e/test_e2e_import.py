"""From a model file to an answer: import it, start the daemon on the result, ask."""

import json
import shutil
from pathlib import Path

import pytest

from llamaswap import cli
from llamaswap.embedded.model import FILE, cached_model, is_complete
from tests.e2e.running import Daemon

pytestmark = [pytest.mark.e2e, pytest.mark.embedded]


def test_what_import_writes_really_serves(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = cached_model()
    if not is_complete(path):
        pytest.fail(f"no model at {path}: scripts/test fetches it, or python -m llamaswap.embedded.fetch")
    models, output = tmp_path / "my 'models' ${PORT}", tmp_path / "new.yaml"
    models.mkdir()
    (models / FILE).symlink_to(path)
    preset = tmp_path / "presets.ini"
    shutil.copy(path, tmp_path / "v.gguf")
    preset.write_text("[*]\nthreads = 1\n[vectors]\nmodel = v.gguf\nembeddings = true\npooling = mean\n")
    words = ["import", str(models), str(preset), "-o", str(output), "--server", "embedded", "--ctx", "2048"]
    assert cli.main(words) == 0, capfd.readouterr().err
    (tmp_path / "daemon").mkdir()
    daemon = Daemon(tmp_path / "daemon", {})
    # The ports alone are ours: other daemons may be under test on this machine.
    daemon.config_file.write_text(f"{output.read_text()}\nstartPort: {daemon.first_port}\n")
    question = {
        "model": "SmolLM2-135M-Instruct",
        "messages": [{"role": "user", "content": "Say hello."}],
        "max_tokens": 8,
    }
    with daemon:
        answer = daemon.request("POST", "/v1/chat/completions", json.dumps(question).encode())
        assert answer.status == 200, answer.text
        assert answer.json()["choices"][0]["message"]["content"]
        assert answer.json()["model"] == "SmolLM2-135M-Instruct.Q4_1"
        body = json.dumps({"model": "vectors", "input": "hello"}).encode()
        vectors = daemon.request("POST", "/v1/embeddings", body)
        assert len(vectors.json()["data"][0]["embedding"]) == 576
        assert daemon.running() == [("vectors", "ready")]
