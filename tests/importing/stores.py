"""Model files and stores as other programs write them, small ones."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFWriter

from llamaswap.importing.found import Candidate, Harvest
from llamaswap.importing.searching import search

MEDIA = "application/vnd.ollama.image."


def write_model(path: Path, architecture: str = "llama", *, tensor: bool = True, words: int = 3, **more: Any) -> Path:
    """A whole GGUF file, by llama.cpp's own writer. *more*: strings and whole numbers, dots written as ``__``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = GGUFWriter(path, architecture)
    for key, value in more.items():
        name = key.replace("__", ".").replace("ARCH", architecture)
        writer.add_string(name, value) if isinstance(value, str) else writer.add_uint32(name, value)
    writer.add_token_list([f"word{n}" for n in range(words)])
    writer.add_token_merges([f"wo rd{n}" for n in range(words)])
    if tensor:
        writer.add_tensor("token_embd.weight", np.zeros((4, 8), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def hugging_face(cache: Path, repository: str, files: dict[str, Path], revision: str = "a" * 40) -> Path:
    """A repository in huggingface_hub's cache: links from a snapshot to blobs. Returns the snapshot."""
    folder = cache / f"models--{repository.replace('/', '--')}"
    snapshot = folder / "snapshots" / revision
    (folder / "refs").mkdir(parents=True, exist_ok=True)
    (folder / "blobs").mkdir(exist_ok=True)
    (folder / "refs" / "main").write_text(revision)
    for name, source in files.items():
        blob = folder / "blobs" / hashlib.sha256(source.read_bytes()).hexdigest()
        blob.write_bytes(source.read_bytes())
        link = snapshot / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(Path("../" * (len(link.relative_to(folder).parts) - 1)) / "blobs" / blob.name)
    return snapshot


def ollama(store: Path, name: str, layers: dict[str, bytes]) -> Path:
    """A model in Ollama's store: *name* is HOST/NAMESPACE/MODEL/TAG. Returns its manifest."""
    (store / "blobs").mkdir(parents=True, exist_ok=True)
    listed = []
    for kind, content in layers.items():
        digest = hashlib.sha256(content).hexdigest()
        (store / "blobs" / f"sha256-{digest}").write_bytes(content)
        listed.append({"mediaType": MEDIA + kind, "digest": f"sha256:{digest}", "size": len(content)})
    manifest = store / "manifests" / name
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text(json.dumps({"schemaVersion": 2, "config": {}, "layers": listed}))
    return manifest


def found(*paths: Path, source: str = "folder") -> Harvest:
    return search(paths, lambda path: (path, source), lambda _: None)


def by_id(harvest: Harvest) -> dict[str, Candidate]:
    return {candidate.ids[0]: candidate for candidate in harvest.candidates}


def reasons(harvest: Harvest) -> dict[str, str]:
    return {skip.path.name: skip.reason for skip in harvest.skipped}
