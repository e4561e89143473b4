"""Ollama's store: ``manifests/HOST/NAMESPACE/MODEL/TAG`` names layers by hash, ``blobs/sha256-HASH`` holds them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from llamaswap.importing.files import read_file
from llamaswap.importing.found import Candidate, Harvest, Progress, UnusableError, is_folder
from llamaswap.importing.kinds import kind_of
from llamaswap.importing.names import identifier

_LAYER = "application/vnd.ollama.image."
_DIGEST = re.compile(r"sha256[:-]([0-9a-f]{64})")
_HOST, _NAMESPACE, _TAG = "registry.ollama.ai", "library", "latest"
#: A manifest or a layer of settings is a few hundred bytes.
_LARGEST = 1 << 20

#: Ollama's settings that are flags of llama-server.
_FLAGS = {
    "num_ctx": "--ctx-size",
    "temperature": "--temp",
    "top_k": "--top-k",
    "top_p": "--top-p",
    "min_p": "--min-p",
    "repeat_penalty": "--repeat-penalty",
    "seed": "--seed",
}


def is_store(folder: Path) -> bool:
    """*folder* is such a store."""
    return is_folder(folder / "manifests") and is_folder(folder / "blobs")


def owns(store: Path, name: str) -> bool:
    """Whether the folder *name* in *store* is searched by `search`."""
    return is_store(store) and name in ("manifests", "blobs")


def search(folder: Path, harvest: Harvest, progress: Progress) -> None:
    """Add the models of the store *folder*."""
    for manifest in _manifests(folder / "manifests", harvest):
        progress(manifest)
        try:
            harvest.candidates.append(_candidate(folder, manifest))
        except UnusableError as problem:
            harvest.skip(manifest, str(problem))
    for blob in sorted((folder / "blobs").glob("*-partial")):
        harvest.skip(blob, "is a download that was not finished")


def _manifests(root: Path, harvest: Harvest) -> Iterator[Path]:
    try:
        next(root.iterdir(), None)  # unlike this, a pattern is silent about what may not be read
        paths = sorted(root.glob("*/*/*/*"))
    except OSError as error:
        harvest.skip(root, f"cannot be read: {error.strerror or error}")
        return
    yield from (path for path in paths if path.is_file() and not path.name.startswith("."))


def _candidate(store: Path, manifest: Path) -> Candidate:
    layers = _layers(manifest)
    if "model" not in layers:
        raise UnusableError("has no GGUF file here; it runs in Ollama's cloud, or in another format")
    path = _blob(store, layers["model"])
    header, size = read_file(path)
    host, namespace, name, tag = manifest.parts[-4:]
    kind = kind_of(header, f"{name} {tag}")
    projector = _blob(store, layers["projector"]) if "projector" in layers else None
    if projector:
        size += read_file(projector)[1]
    adapter = (("--lora", str(_blob(store, layers["adapter"]))),) if "adapter" in layers else ()
    called, aliases = _names(*(identifier(part) or "x" for part in (host, namespace, name, tag)))
    return Candidate(
        path=path,
        ids=(called,),
        source="Ollama",
        kind=kind,
        header=header,
        size_bytes=size,
        aliases=aliases,
        title=header.name or called,
        projector=projector,
        options=(*adapter, *_options(_json(_blob(store, layers["params"])) if "params" in layers else {})),
    )


def _names(host: str, namespace: str, name: str, tag: str) -> tuple[str, tuple[str, ...]]:
    """What Ollama calls it, in short as people type it, and in full."""
    parts = [host, namespace, name]
    if host == _HOST:
        parts = parts[1:] if namespace != _NAMESPACE else parts[2:]
    short = "/".join(parts)
    return (short, (f"{short}:{tag}",)) if tag == _TAG else (f"{short}:{tag}", ())


def _layers(manifest: Path) -> dict[str, str]:
    """Kind of layer (``model``, ``projector``, ...) -> digest; of several of a kind the first."""
    content = _json(manifest)
    layers = content.get("layers")
    found: dict[str, str] = {}
    for layer in layers if isinstance(layers, list) else ():
        if isinstance(layer, dict) and isinstance(kind := layer.get("mediaType"), str) and kind.startswith(_LAYER):
            found.setdefault(kind.removeprefix(_LAYER), str(layer.get("digest")))
    return found


def _blob(store: Path, digest: str) -> Path:
    """The file of a *digest*, which must be one: whatever else a manifest says could lead out of the store."""
    if not (found := _DIGEST.fullmatch(digest)):
        raise UnusableError(f"names a layer by {digest[:80]!r}, which is no hash")
    path = store / "blobs" / f"sha256-{found[1]}"
    old = store / "blobs" / f"sha256:{found[1]}"
    if path.exists():
        return path
    if old.exists():
        return old
    raise UnusableError(f"needs {path.name[:19]}..., which is not there")


def _json(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            value = json.loads(file.read(_LARGEST))
    except OSError as error:
        raise UnusableError(f"cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError):
        raise UnusableError("is no manifest that can be understood") from None
    if not isinstance(value, dict):
        raise UnusableError("is no manifest that can be understood")
    return value


def _options(settings: dict[str, Any]) -> tuple[tuple[str, ...], ...]:
    return tuple((flag, f"{settings[name]:.12g}") for name, flag in _FLAGS.items() if _is_number(settings.get(name)))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1 << 53
