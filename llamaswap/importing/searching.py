"""Paths in, a harvest out: each path is searched as what it is, and no file is offered twice."""

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from llamaswap.importing import folders, presets
from llamaswap.importing.files import Place, gather, is_model_file
from llamaswap.importing.found import Candidate, Harvest, Progress, is_folder

#: A path as given -> the folder to search, and whose it is.
Origin = Callable[[Path], tuple[Path, str]]


def search(paths: Iterable[Path], origin: Origin, progress: Progress) -> Harvest:
    """Find the models in *paths*: folders, stores, preset files, single model files."""
    harvest = Harvest()
    for path in paths:
        _search(path.absolute(), origin, harvest, progress)
    return _without_repeats(harvest)


def _search(path: Path, origin: Origin, harvest: Harvest, progress: Progress) -> None:
    if is_folder(path):
        root, source = origin(path)
        folders.search(root, source, harvest, progress)
    elif path.suffix.lower() == ".ini":
        presets.search(path, harvest, progress)
    elif not os.path.lexists(path):
        harvest.skip(path, "does not exist, or may not be seen")
    elif is_model_file(path):
        gather(_with_parts(path), Place("folder", (path.parent.name,), path.parent.name), harvest)
    else:
        harvest.skip(path, "is no folder, no .gguf file and no preset file (.ini)")


def _with_parts(path: Path) -> list[Path]:
    """A file, or all files that are parts of the same model."""
    head, found, total = path.name.rpartition("-of-")
    if not found:
        return [path]
    stem = head[:-5]
    parts = [other for other in path.parent.iterdir() if other.name.startswith(stem) and other.name.endswith(total)]
    return [other for other in parts if len(other.name) == len(path.name)]


def _without_repeats(harvest: Harvest) -> Harvest:
    """Offer each file once with the same options: links, and names in Ollama for one model, are further names for it.

    What a preset serves is not offered once more without its options.
    """
    first: dict[object, int] = {}
    result = Harvest(skipped=harvest.skipped, followed=harvest.followed)
    preset_files = {_identity(c.path): c.ids[0] for c in harvest.candidates if c.source == "preset" and c.path}
    for candidate in sorted(harvest.candidates, key=_has_no_text):
        identity = _identity(candidate.path)
        if candidate.path and candidate.source != "preset" and identity in preset_files:
            result.skip(candidate.path, f"is served as {preset_files[identity]}, by a preset")
            continue
        key = (identity, candidate.options, candidate.source == "preset" and candidate.ids)
        if key in first:
            _merge(result, first[key], candidate)
        else:
            first[key] = len(result.candidates)
            result.candidates.append(candidate)
    return result


def _merge(harvest: Harvest, index: int, repeat: Candidate) -> None:
    kept = harvest.candidates[index]
    names = (*kept.aliases, *(() if repeat.ids[0] == kept.ids[0] else repeat.ids[:1]), *repeat.aliases)
    harvest.candidates[index] = replace(kept, aliases=tuple(dict.fromkeys(names)))
    if repeat.path and repeat.path != kept.path:
        harvest.skip(repeat.path, f"is the same file as {kept.path}")


def _has_no_text(candidate: Candidate) -> bool:
    """Its path cannot stand in a configuration: another one for the same file is better."""
    return any(0xD800 <= ord(c) < 0xE000 for c in str(candidate.path))


def _identity(path: Path | None) -> object:
    if path is None:
        return None
    try:
        status = path.stat()
    except OSError:  # gone since it was read
        return path
    return status.st_dev, status.st_ino
