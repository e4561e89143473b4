"""What a search finds: plain values, handed from those who look to those who write. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Kind = Literal["chat", "embedding", "reranker"]

#: Called with a path now and then while a search goes on, for whoever shows progress.
Progress = Callable[[Path], None]


def is_folder(path: Path) -> bool:
    """Whether *path* is a folder that may be seen."""
    try:
        return path.is_dir()
    except OSError:
        return False


class UnusableError(Exception):
    """A file is no model that could be served; the message says why, in a few words."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a GGUF file says of itself. What it does not say is empty, 0 or None.

    Attributes:
        type: ``model``, ``adapter``, ``mmproj`` and the like; most files leave it out.
        quantisation: As people write it, ``Q4_K_M``.
        size_label: As people write it, ``7B``.
        context: Tokens it was trained on.
        pooling: llama.cpp's number for how it makes one vector out of many; None when it says nothing.
        has_labels: It has a classifier's head.
        parameters: Elements of all its tensors; in a split file those of this part.
        ends_at: Where its last tensor ends, in bytes; 0 if that cannot be told.
    """

    architecture: str = ""
    type: str = ""
    name: str = ""
    quantisation: str = ""
    size_label: str = ""
    context: int = 0
    pooling: int | None = None
    has_labels: bool = False
    parameters: int = 0
    tensors: int = 0
    ends_at: int = 0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that can be served.

    Attributes:
        path: What llama-server is given: the file, or the first part of a split one. None: `options` name the model.
        ids: IDs it may get, best first; a later one tells more and is taken when another model has the earlier.
        aliases: Other names it should answer to.
        title: Its name in words; empty when it has none.
        source: Where it was found: ``folder``, ``Hugging Face``, ``Ollama``, ``LM Studio``, ``preset``.
        size_bytes: All its parts and its projector.
        projector: The file that lets it see or hear.
        options: What was configured for it before, each option with its value; they win over ours.
        preload: It was loaded at the start before.
        stop_timeout_s: How long it had to stop; 0: nobody said.
    """

    path: Path | None
    ids: tuple[str, ...]
    source: str
    kind: Kind
    header: Header = Header()
    size_bytes: int = 0
    aliases: tuple[str, ...] = ()
    title: str = ""
    projector: Path | None = None
    options: tuple[tuple[str, ...], ...] = ()
    preload: bool = False
    stop_timeout_s: int = 0


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that looked like a model and was left out."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Followed:
    """A link to a folder outside of those that were named, which was searched as if it stood there."""

    link: Path
    target: Path


@dataclass(slots=True)
class Harvest:
    """Everything that a search has found so far."""

    candidates: list[Candidate] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    followed: list[Followed] = field(default_factory=list)

    def skip(self, path: Path, reason: str) -> None:
        """Note that *path* is left out."""
        self.skipped.append(Skipped(path, reason))
