"""IDs, aliases and titles: what people will type and read. Pure."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from llamaswap.importing.found import Candidate, Header
from llamaswap.importing.kinds import QUANTISATION, quantisation_of

#: What stands in IDs: letters and digits of any language, and what needs no quotes in a shell, a URL or a JSON text.
_NOT_IN_IDS = re.compile(r"[^\w.:/@+-]+")
#: File names that say nothing of the model in them.
_NAMELESS = re.compile(r"(ggml-|gguf-)?model|unsloth|ggml|gguf|weights|consolidated", re.IGNORECASE)
_LONGEST = 120

#: Our own daemon gives this ID settings of its own.
_RESERVED = "comfyui_auto"


def spelled(stem: str, header: Header) -> str:
    """How the weights are stored, by the file's name or its header."""
    return quantisation_of(header, stem)


def ids_of(stem: str, owner: Sequence[str], called: str, header: Header) -> tuple[str, ...]:
    """IDs for a file of the name *stem*, best first: alone, or behind the *owner*'s names.

    A file with a name that says nothing is *called* otherwise, or as its header says.
    """
    if _NAMELESS.fullmatch(_without_quantisation(stem)):
        named = called or header.name or stem
        stem = "-".join(part for part in (named, spelled(stem, header)) if part)
    first = identifier(stem) or "model"
    return (first, *(f"{prefix}/{first}" for name in owner if (prefix := identifier(name))))


def identifier(text: str) -> str:
    """*text* as an ID: case and letters kept, blanks and what has a meaning elsewhere become dashes."""
    clean = _NOT_IN_IDS.sub("-", unicodedata.normalize("NFC", text))
    clean = re.sub(r"/{2,}", "/", re.sub(r"-{2,}", "-", clean)).strip("-./:")
    return clean[:_LONGEST].rstrip("-./:")


def title_of(stem: str, header: Header) -> str:
    """A name for people: the header's, which conversion made out of the original's, or the file's."""
    return header.name or _without_quantisation(stem).replace("_", " ").strip()


def named(candidates: Iterable[Candidate]) -> list[tuple[str, Candidate]]:
    """Each candidate with its ID; no two have the same, and none has an ID only because of another's place in line.

    Of candidates that want one ID, all take their next longer one; where there is none they are numbered.
    """
    rest = list(candidates)
    depth = [0] * len(rest)
    while True:
        ids = [candidate.ids[level] for candidate, level in zip(rest, depth, strict=True)]
        wanted = Counter(map(_compared, ids))
        clash = [n for n, name in enumerate(ids) if wanted[_compared(name)] > 1 and depth[n] + 1 < len(rest[n].ids)]
        if not clash:
            return list(zip(_numbered(ids), rest, strict=True))
        for n in clash:
            depth[n] += 1


def aliases(models: Sequence[tuple[str, Candidate]]) -> list[tuple[str, ...]]:
    """Other names for each of *models*, in their order: those it had, and its ID without its last part about weights.

    An alias that two models could have, or that is an ID, nobody gets.
    """
    offered = [_offered(name, candidate) for name, candidate in models]
    count = Counter(_compared(alias) for names in offered for alias in names)
    count.update(_compared(name) for name, _ in models)
    return [tuple(alias for alias in names if count[_compared(alias)] == 1) for names in offered]


def _offered(name: str, candidate: Candidate) -> list[str]:
    short = [] if candidate.source in ("preset", "Ollama") else [_without_quantisation(name)]
    names = [identifier(alias) for alias in (*candidate.aliases, *short)]
    return [alias for alias in dict.fromkeys(names) if alias and _compared(alias) != _compared(name)]


def _numbered(ids: list[str]) -> list[str]:
    taken: set[str] = {_RESERVED}
    result = []
    for name in ids:
        number, unique = 1, name
        while _compared(unique) in taken:
            number += 1
            unique = f"{name}-{number}"
        taken.add(_compared(unique))
        result.append(unique)
    return result


def _compared(name: str) -> str:
    """Names that differ in case only would be taken for each other."""
    return name.casefold()


def _without_quantisation(stem: str) -> str:
    return QUANTISATION.sub("", stem).strip("-_.") or stem
