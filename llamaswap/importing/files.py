"""One folder's model files: parts joined, projectors given to their models, the rest passed over with a reason."""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from llamaswap.importing.found import Candidate, Harvest, Header, UnusableError
from llamaswap.importing.kinds import QUANTISATION, is_projector, kind_of
from llamaswap.importing.names import ids_of, spelled, title_of
from llamaswap.importing.reading import read_header

_PART = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<total>\d{5})\.gguf", re.IGNORECASE)
#: How programs name what they have not finished downloading.
_PARTIAL = re.compile(
    r".+\.(incomplete|part|partial|download|downloading|downloadinprogress|crdownload|aria2|tmp)", re.IGNORECASE
)
#: Of several projectors for one model, the one to take: half precision is what they are made for.
_PREFERRED = ("F16", "BF16", "Q8_0", "F32")


@dataclass(frozen=True, slots=True)
class Unit:
    """A model or projector: one file, or all parts of one. `stem` is its name without part numbers and suffix."""

    path: Path
    stem: str
    header: Header
    size_bytes: int
    split: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where files are. `owner` are names to tell equal files apart, short ones first; `called` names a nameless one."""

    source: str
    owner: tuple[str, ...] = ()
    called: str = ""


def is_model_file(path: Path) -> bool:
    """By its name it is a GGUF file."""
    return path.suffix.lower() == ".gguf"


def is_partial(path: Path) -> bool:
    """By its name it is a download that was not finished."""
    return _PARTIAL.fullmatch(path.name) is not None


def gather(paths: Iterable[Path], place: Place, harvest: Harvest) -> None:
    """Add the models in *paths*, which lie together, to *harvest*."""
    units = [unit for unit in (_unit(parts, harvest) for parts in _joined(paths, harvest)) if unit]
    projectors = [unit for unit in units if is_projector(unit.header, unit.stem)]
    models = [unit for unit in units if unit not in projectors]
    taken: set[Path] = set()
    for model in models:
        try:
            candidate = _candidate(model, place)
        except UnusableError as problem:
            harvest.skip(model.path, str(problem))
            continue
        if candidate.kind == "chat" and (projector := _projector_for(model, models, projectors)):
            taken.add(projector.path)
            size = candidate.size_bytes + projector.size_bytes
            candidate = replace(candidate, projector=projector.path, size_bytes=size)
        harvest.candidates.append(candidate)
    for projector in projectors:
        if projector.path not in taken:
            why = "another one is used" if taken else "its model is not beside it"
            harvest.skip(projector.path, f"is a projector for images or sound, and {why}")


def read_file(path: Path) -> tuple[Header, int]:
    """The header and the size of a whole model file.

    Raises:
        UnusableError: it is none.
    """
    try:
        size = path.stat().st_size if path.is_file() else -1
    except OSError as error:
        raise UnusableError(f"cannot be read: {error.strerror or error}") from None
    if size < 0:
        there = "is no file" if os.path.lexists(path) else "does not exist"
        raise UnusableError("is a link to nothing" if path.is_symlink() and not path.exists() else there)
    header = read_header(path)
    if header.ends_at > size:
        raise UnusableError(f"is cut off: {size} of {header.ends_at} bytes are there")
    return header, size


def _joined(paths: Iterable[Path], harvest: Harvest) -> list[list[Path]]:
    """The files of each model, in order; models whose parts are not all there are left out."""
    single: list[list[Path]] = []
    parts: dict[tuple[Path, str, int], dict[int, Path]] = {}
    for path in sorted(paths):
        if found := _PART.fullmatch(path.name):
            key = (path.parent, found["stem"], int(found["total"]))
            parts.setdefault(key, {})[int(found["number"])] = path
        else:
            single.append([path])
    for (_, _, total), present in parts.items():
        files = [present[number] for number in sorted(present)]
        if sorted(present) == list(range(1, total + 1)):
            single.append(files)
        else:
            absent = [n for n in range(1, min(total, 10_000) + 1) if n not in present]
            told = ", ".join(map(str, absent[:5])) + (", ..." if len(absent) > 5 else "")
            harvest.skip(files[0], f"has {total} parts, and of those {len(absent)} are missing ({told})")
    return single


def _unit(files: Sequence[Path], harvest: Harvest) -> Unit | None:
    headers, sizes = [], 0
    for path in files:
        try:
            header, size = read_file(path)
        except UnusableError as problem:
            harvest.skip(path, str(problem))
            return None
        headers.append(header)
        sizes += size
    first = files[0]
    part = _PART.fullmatch(first.name)
    whole = replace(
        headers[0],
        parameters=sum(header.parameters for header in headers),
        tensors=sum(header.tensors for header in headers),
    )
    return Unit(first, part["stem"] if part else first.name[: -len(".gguf")], whole, sizes, split=part is not None)


def _candidate(model: Unit, place: Place) -> Candidate:
    ids = ids_of(model.stem, place.owner, place.called, model.header)
    return Candidate(
        path=model.path,
        ids=ids,
        source=place.source,
        kind=kind_of(model.header, f"{model.stem} {ids[0]}", split=model.split),
        header=replace(model.header, quantisation=spelled(model.stem, model.header)),
        size_bytes=model.size_bytes,
        title=title_of(model.stem, model.header),
    )


def _projector_for(model: Unit, models: Sequence[Unit], projectors: Sequence[Unit]) -> Unit | None:
    """The projector made for *model*: by name, or any if all models in the folder are one in several sizes."""
    own = _base(model.stem)
    alone = len({_base(other.stem) for other in models}) == 1
    fitting = [p for p in projectors if alone or _matches(own, _base(p.stem))]
    return min(fitting, key=_preference, default=None)


def _base(stem: str) -> str:
    """A name without what says how the weights are stored, and without ``mmproj``, for comparing."""
    bare = QUANTISATION.sub("", re.sub("mmproj", "", stem, flags=re.IGNORECASE))
    return re.sub(r"[^a-z0-9]+", "-", bare.lower()).strip("-")


def _matches(model: str, projector: str) -> bool:
    return projector != "" and (model == projector or model.startswith(projector + "-"))


def _preference(projector: Unit) -> tuple[int, str]:
    named = spelled(projector.stem, projector.header)
    return (_PREFERRED.index(named) if named in _PREFERRED else len(_PREFERRED), projector.stem)
