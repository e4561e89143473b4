"""The model, and one real server for chat and one for embeddings, shared by the tests that do not end them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from llamaswap.embedded.model import cached_model, is_complete
from tests.embedded.serving import Running, serve


@pytest.fixture(scope="session")
def model() -> Path:
    path = cached_model()
    if not is_complete(path):
        pytest.fail(f"no model at {path}: scripts/test fetches it, or python -m llamaswap.embedded.fetch")
    return path


@pytest.fixture(scope="module")
def chat_server(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    log = tmp_path_factory.mktemp("chat") / "log"
    with serve("--ctx-size", "2048", "--temp", "0", "--alias", "smol", "--no-webui", log=log) as running:
        yield running


@pytest.fixture(scope="module")
def embedding_server(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    log = tmp_path_factory.mktemp("embedding") / "log"
    with serve("--ctx-size", "512", "--embeddings", "--pooling", "mean", log=log) as running:
        yield running
