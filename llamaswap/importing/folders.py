"""Folders of model files, as people and LM Studio keep them; stores of other programs below them are told apart."""

import os
from collections.abc import Iterator
from pathlib import Path

from llamaswap.importing import huggingface, ollama
from llamaswap.importing.files import Place, gather, is_model_file, is_partial
from llamaswap.importing.found import Followed, Harvest, Progress, is_folder

#: Folders in which nobody keeps models, and many files.
_NEVER = {".git", ".Trash", "Trash", "node_modules", ".venv", "__pycache__", "proc", "sys"}


def search(root: Path, source: str, harvest: Harvest, progress: Progress) -> None:
    """Add what is in *root* and below, whatever kind of store it turns out to be.

    Links to folders are followed, since people keep models on another disk, and where one leads out of *root* is told;
    but not to a folder that *root* is in, which would be a search of other things. Each folder is looked at once,
    however many links lead there. What may not be read is skipped and told.
    """
    for folder, names in _walk(root, harvest):
        progress(folder)
        for store in (huggingface, ollama):
            if store.is_store(folder):
                store.search(folder, harvest, progress)
                names[:] = [name for name in names if not store.owns(folder, name)]
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
    """LM Studio's folders are publisher/repository; in others the nearest folder says most."""
    inside = folder.relative_to(root).parts
    if source == "LM Studio" and len(inside) == 2:
        return Place(source, (inside[0], "/".join(inside)), inside[1])
    around = (root.name, *inside)
    return Place(source, tuple("/".join(around[-n:]) for n in range(1, len(around) + 1)), around[-1])


def _walk(root: Path, harvest: Harvest) -> Iterator[tuple[Path, list[str]]]:
    """Each folder once, in order; what is taken out of the list that comes with it is not walked."""
    seen: set[tuple[int, int]] = set()
    real_root = Path(os.path.realpath(root))

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
        if Path(place) != root and Path(place).is_symlink() and not _may_follow(Path(place), real_root, harvest):
            names.clear()
            continue
        seen.add(key)
        names[:] = sorted(name for name in names if name not in _NEVER)
        yield Path(place), names


def _may_follow(link: Path, root: Path, harvest: Harvest) -> bool:
    """Whether *link* leads to a folder that the search of *root* does not come to by itself, nor began in."""
    target = Path(os.path.realpath(link))
    if target.is_relative_to(root):
        return False
    if root.is_relative_to(target):
        harvest.skip(link, f"is a link to {target}, in which this search began")
        return False
    harvest.followed.append(Followed(link, target))
    return True


def _entries(folder: Path, harvest: Harvest) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        harvest.skip(folder, f"cannot be read: {error.strerror or error}")
        return []
