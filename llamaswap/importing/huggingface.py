"""The cache of huggingface_hub, which llama.cpp's -hf uses too.

``models--OWNER--REPO/`` holds ``blobs/`` (the bytes, by hash), ``snapshots/REVISION/`` (files by name, as links to the
blobs) and ``refs/BRANCH`` (a revision). What is being downloaded is ``blobs/HASH.incomplete``.
"""

from collections.abc import Iterator
from pathlib import Path

from llamaswap.importing.files import Place, gather, is_model_file
from llamaswap.importing.found import Harvest, Progress, is_folder

_PREFIX = "models--"


def is_store(folder: Path) -> bool:
    """*folder* is such a cache, or one repository in it."""
    return _is_repository(folder) or any(True for _ in _repositories(folder))


def owns(store: Path, name: str) -> bool:
    """Whether the folder *name* in *store* is searched by `search`; people keep other things beside."""
    return _is_repository(store) or name.startswith(_PREFIX)


def search(folder: Path, harvest: Harvest, progress: Progress) -> None:
    """Add the models of the cache, or of the one repository, *folder*."""
    for repository in [folder] if _is_repository(folder) else sorted(_repositories(folder)):
        progress(repository)
        try:
            _add(repository, harvest)
        except OSError as error:
            harvest.skip(repository, f"cannot be read: {error.strerror or error}")


def _is_repository(folder: Path) -> bool:
    return folder.name.startswith(_PREFIX) and is_folder(folder / "snapshots")


def _repositories(folder: Path) -> Iterator[Path]:
    try:
        yield from (path for path in folder.glob(f"{_PREFIX}*") if _is_repository(path))
    except OSError:  # told by whoever walks over it
        return


def _add(repository: Path, harvest: Harvest) -> None:
    *owner, name = repository.name.removeprefix(_PREFIX).split("--")
    files: dict[str, Path] = {}
    for snapshot in _snapshots(repository):
        for path in sorted(snapshot.rglob("*")):
            if is_model_file(path) and not is_folder(path):
                files.setdefault(str(path.relative_to(snapshot)), path)
    if files:
        gather(files.values(), Place("Hugging Face", (*owner[:1], "/".join((*owner, name))), name), harvest)
    # A repository's unfinished files have no names yet, and may be of other kinds where no model was asked for.
    if unfinished := sorted((repository / "blobs").glob("*.incomplete")):
        what = "a download" if len(unfinished) == 1 else f"{len(unfinished)} downloads"
        harvest.skip(unfinished[0], f"is {what} of {'/'.join((*owner, name))} not finished")


def _snapshots(repository: Path) -> list[Path]:
    """The current revision first, then the others, the newest first: of equal names the first counts."""
    try:
        current = (repository / "refs" / "main").read_text(encoding="utf-8", errors="replace")[:100].strip()
    except OSError:
        current = ""
    snapshots = [path for path in (repository / "snapshots").iterdir() if is_folder(path)]
    return sorted(snapshots, key=lambda path: (path.name != current, -path.stat().st_mtime, path.name))
