"""Models out of llama.cpp's preset files (``llama-server --models-preset FILE``)."""

import re
from dataclasses import replace
from pathlib import Path

from llamaswap.importing import ini
from llamaswap.importing.files import read_file
from llamaswap.importing.found import Candidate, Harvest, Header, Progress, UnusableError
from llamaswap.importing.kinds import kind_of, quantisation_of
from llamaswap.importing.names import identifier

_LARGEST = 1 << 22
#: ``OWNER/REPO`` or ``OWNER/REPO:QUANTISATION``: a section of that name needs no hf-repo.
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+(?::[\w.-]+)?")

#: What belongs to the router and not to its models; addresses and keys are ours to give.
_ROUTER = re.compile(r"host|port|api-key.*|api-prefix|ssl-.*|models-.*|no-models-.*|version|reuse-port|tools|agent")


def search(path: Path, harvest: Harvest, progress: Progress) -> None:
    """Add the models of the preset file *path*."""
    progress(path)
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST).decode("utf-8", errors="replace")
    except OSError as error:
        harvest.skip(path, f"cannot be read: {error.strerror or error}")
        return
    presets = ini.parse(text)
    for number in presets.strange[:5]:
        harvest.skip(path, f"line {number} is neither a section nor an option; the rest is read")
    for name, options in presets.sections.items():
        try:
            harvest.candidates.append(_candidate(path, name, dict(options)))
        except UnusableError as problem:
            harvest.skip(path, f"[{name}] {problem}")


def _candidate(file: Path, name: str, options: dict[str, str]) -> Candidate:
    preload = ini.is_true(options.pop("load-on-startup", "0"))
    stop = options.pop("stop-timeout", "")
    aliases = [alias for alias in options.pop("alias", "").split(",") if alias.strip()]
    options = {key: value for key, value in options.items() if not _ROUTER.fullmatch(key)}
    model, projector = options.pop("model", ""), options.pop("mmproj", "")
    whole = Candidate(
        path=None,
        ids=(identifier(name) or "preset",),
        source="preset",
        kind="chat",
        aliases=tuple(aliases),
        preload=preload,
        stop_timeout_s=int(stop) if stop.isascii() and stop.isdigit() and len(stop) < 7 else 0,
    )
    if projector:
        path, _, size = _read(file, projector)
        whole = replace(whole, projector=path, size_bytes=size)
    if model:
        path, header, size = _read(file, model)
        header = replace(header, quantisation=quantisation_of(header, path.stem))
        kind = kind_of(header, f"{name} {path.stem}", split=True)
        whole = replace(whole, path=path, header=header, kind=kind, title=header.name)
        whole = replace(whole, size_bytes=whole.size_bytes + size)
    elif "hf-repo" not in options and "model-url" not in options:
        if not _REPOSITORY.fullmatch(name):
            raise UnusableError("names no model; it needs model = FILE or hf-repo = OWNER/REPO")
        options["hf-repo"] = name
    return replace(whole, options=ini.words(options))


def _read(preset: Path, named: str) -> tuple[Path, Header, int]:
    """The file a preset names: beside the preset, or seen from here, as llama-server would see it."""
    beside = preset.resolve().parent / named
    path = beside if beside.exists() else Path.cwd() / named
    try:
        return (path, *read_file(path))
    except UnusableError as problem:
        raise UnusableError(f"{named} {problem}") from None
