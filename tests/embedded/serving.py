"""Starts the embedded server as its own process: xllamacpp never enters the tests' process."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Running:
    url: str
    process: subprocess.Popen[str]


@contextmanager
def serve(*flags: str, log: Path) -> Iterator[Running]:
    """Run the server on a free port until the block ends; the block starts once it says that it is ready."""
    command = [sys.executable, "-m", "llamaswap.embedded", "-m", "smollm2", "--port", "0", "--threads", "1", *flags]
    with (
        log.open("wb") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            words = process.stdout.readline().split()
            assert "ready" in words, log.read_text()
            yield Running(next(word for word in words if word.startswith("http://")), process)
        finally:
            process.kill()
