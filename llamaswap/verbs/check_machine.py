"""What only this machine can tell of a configuration: programs and files that are not there."""

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from llamaswap.config.lints import Facts, Lint
from llamaswap.config.schema import ModelConfig, ModelId
from llamaswap.schedule.measured_text import MOST_BYTES, parsed
from llamaswap.state_dir import state_dir, timings_path

#: Programs that read the files in their arguments here, and not in a container or on another machine.
_READERS = frozenset({"llama-server", "llama-server.exe"})
_OF_EMBEDDED = "llamaswap.embedded"
_FILE_OPTIONS = frozenset({"-m", "--model", "-mm", "--mmproj", "-md", "--model-draft", "--lora"})
_ELSEWHERE = frozenset({"docker", "podman", "nerdctl", "ssh", "kubectl", "wsl", "wsl.exe", "chroot", "distrobox"})


def machine_lints(facts: Facts) -> Iterator[Lint]:
    """Programs that are not found, and model files that cannot be read."""
    models = [model for model in facts.config.models.values() if model.argv and model.argv[0]]
    users: dict[str, list[ModelConfig]] = {}
    for model in models:
        users.setdefault(model.argv[0], []).append(model)
    for program, those in users.items():
        yield from _program(program, those)
    for model in models:
        yield from _files(model)


def measured_loads(files: Sequence[Path]) -> dict[ModelId, float]:
    """How long models usually take to load, in seconds, as daemons on this configuration have measured."""
    try:
        with timings_path(state_dir(), files).open("rb") as file:
            measured = parsed(file.read(MOST_BYTES + 1))
    except (OSError, ValueError, RecursionError):  # a check does without
        return {}
    return {model: median(times.load.values) for model, times in measured.times.items() if times.load.values}


def _program(program: str, users: list[ModelConfig]) -> Iterator[Lint]:
    """Told once, for the first of its *users*: the others have the same trouble."""
    if "=" in program or shutil.which(program) is not None:
        return  # an assignment is told of as such, and may hold a secret
    what, remedy = "this program is not in PATH", "install it, or write its path"
    if os.sep in program:
        there = os.path.exists(program)  # noqa: PTH110 (Path raises ValueError for a NUL)
        what, remedy = ("this may not be run", "chmod +x") if there else ("there is no such program", "check the path")
    several = f"; {len(users)} models need it" if len(users) > 1 else ""
    yield Lint("no-program", ("models", users[0].id, "cmd"), what + several, remedy, program)


def _files(model: ModelConfig) -> Iterator[Lint]:
    names = [word.rpartition("/")[2] for word in model.argv]
    if not _ELSEWHERE.isdisjoint(names) or not (_OF_EMBEDDED in names or not _READERS.isdisjoint(names)):
        return
    for option, value in _options(model.argv):
        trouble = _why_unreadable(value) if value.endswith(".gguf") and option in _FILE_OPTIONS else None
        if trouble:
            yield Lint("missing-file", ("models", model.id, "cmd"), trouble, "check the path", value)


def _options(words: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for word, following in zip(words, (*words[1:], ""), strict=True):
        option, equals, value = word.partition("=")
        yield option, value if equals else following


def _why_unreadable(name: str) -> str | None:
    try:
        if not Path(name).is_file():
            return "there is no such file"
    except (OSError, ValueError):
        return "there is no such file"
    return None if os.access(name, os.R_OK) else "this file may not be read"
