"""Folders of model files, as people and LM Studio keep them; stores of other programs below them are told apart."""

import os
from collections.abc import Iterator
from pathlib import Path

from llamaswap.importing import huggingface, ollama
from llamaswap.importing.files import Place, gather, is_model_file, is_partial
from llamaswap.importing.found import Harvest, Progress, is_folder

#: Folders in which nobody keeps models, and many files.
_NEVER = {".git", "node_modules", ".venv", "__pycache__", "proc", "sys"}


def search(root: Path, source: str, harvest: Harvest, progress: Progress) -> None:
    """Add what is in *root* and below, whatever kind of store it turns out to be.

    Links to folders are followed, each folder is looked at once. What may not be read is skipped and told.
    """
    for folder, names in _walk(root, harvest):
        progress(folder)
        if huggingface.is_store(folder):
            names.clear()
            huggingface.search(folder, harvest, progress)
        elif ollama.is_store(folder):
            names.clear()
            ollama.search(folder, harvest, progress)
        else:
            _add(folder, root, source, harvest)


def _add(folder: Path, root: Path, source: str, harvest: Harvest) -> None:
    models = []
    for path in _entries(folder, harvest):
        if is_model_file(path) and not is_folder(path):
            models.append(path)
        elif is_partial(path) and ".gguf" in path.name.lower():
            harvest.skip(path, "is a download that was not finished")
    if models:
        gather(models, _place(folder, root, source), harvest)


def _place(folder: Path, root: Path, source: str) -> Place:
    """LM Studio's folders are publisher/repository; in others the nearest folder comes first."""
    around = [*reversed(folder.relative_to(root).parts), root.name]
    called = around[0]
    if source == "LM Studio" and len(around) > 2:
        return Place(source, (around[1], around[0]), called)
    return Place(source, tuple(around), called)


def _walk(root: Path, harvest: Harvest) -> Iterator[tuple[Path, list[str]]]:
    """Each folder once, in order; whoever empties the list it comes with keeps us out of those below."""
    seen: set[tuple[int, int]] = set()

    def unreadable(error: OSError) -> None:
        harvest.skip(Path(error.filename or root), f"cannot be read: {error.strerror or error}")

    for place, names, _ in os.walk(root, onerror=unreadable, followlinks=True):
        try:
            status = Path(place).stat()
        except OSError as error:
            unreadable(error)
            names.clear()
            continue
        key = (status.st_dev, status.st_ino)
        if key in seen:
            names.clear()
            continue
        seen.add(key)
        names[:] = sorted(name for name in names if name not in _NEVER)
        yield Path(place), names


def _entries(folder: Path, harvest: Harvest) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        harvest.skip(folder, f"cannot be read: {error.strerror or error}")
        return []
