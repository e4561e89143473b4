"""Each test has daemons of its own; none of their processes may outlive it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.running import Daemon

StartDaemon = Callable[..., Daemon]


@pytest.fixture
def pause(tmp_path: Path) -> Path:
    """A file that is there: what models with ``--pause`` and its name wait for in an answer is that it is not."""
    path = tmp_path / "pause"
    path.touch()
    return path


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[StartDaemon]:
    """``daemon(models, *flags, **top_level_keys)`` starts one."""
    with ExitStack() as stack:
        count = 0

        def start(models: dict[str, Any], *flags: str, **keys: Any) -> Daemon:
            nonlocal count
            count += 1
            directory = tmp_path / f"daemon{count}"
            directory.mkdir()
            return stack.enter_context(Daemon(directory, {"models": models, **keys}, *flags))

        yield start
