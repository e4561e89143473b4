"""Candidates -> entries of a configuration, as values; what each command says is decided here. Pure."""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

from llamaswap.importing import names
from llamaswap.importing.found import Candidate, Skipped
from llamaswap.importing.kinds import parameters_of, pooling_of

#: Tokens of context where nobody says otherwise: memory for it grows with every token, and most models are trained on
#: more than most machines have memory for.
USUAL_CONTEXT = 8192


@dataclass(frozen=True, slots=True)
class Entry:
    """A model of the new configuration.

    Attributes:
        lines: Words behind the server's own, in lines that belong together.
        context: Tokens that the command asks for; 0: the server decides.
    """

    id: str
    lines: tuple[tuple[str, ...], ...]
    candidate: Candidate
    aliases: tuple[str, ...] = ()
    context: int = 0
    metadata: Mapping[str, str | int] = field(default_factory=dict)


def entries(
    candidates: Sequence[Candidate], most_context: int, takes: Callable[[str], bool] | None
) -> tuple[list[Entry], list[Skipped]]:
    """The entries for *candidates*, by ID, and what could not be one.

    Args:
        candidates: What was found.
        most_context: Tokens of context; models trained on fewer get fewer. 0: what each was trained on.
        takes: Whether the server knows an option (with its dashes); None: it knows all of llama.cpp's.
    """
    skipped: list[Skipped] = []
    usable = []
    for candidate in candidates:
        if reason := _unusable(candidate, takes):
            skipped.append(Skipped(candidate.path or Path(candidate.ids[0]), reason))
        else:
            usable.append(candidate)
    named = sorted(names.named(usable), key=lambda pair: (pair[0].casefold(), pair[0]))
    made = [
        _entry(name, candidate, aliases, most_context)
        for (name, candidate), aliases in zip(named, names.aliases(named), strict=True)
    ]
    return made, skipped


def _unusable(candidate: Candidate, takes: Callable[[str], bool] | None) -> str:
    options = "".join("".join(option) for option in candidate.options)
    text = f"{candidate.path or ''}{candidate.projector or ''}{options}"
    if any(0xD800 <= ord(c) < 0xE000 for c in text):
        return "its name is not UTF-8 and cannot stand in a configuration; rename it"
    if "\0" in text:
        return "has an option that no command line can hold"
    unknown = [option[0] for option in candidate.options if takes and not takes(option[0])]
    return f"has options that the embedded server does not take ({' '.join(unknown)})" if unknown else ""


def _entry(name: str, candidate: Candidate, aliases: tuple[str, ...], most_context: int) -> Entry:
    given = {option[0]: option[-1] for option in candidate.options}
    trained = candidate.header.context
    context = min(trained or most_context, most_context or trained)
    lines: list[tuple[str, ...]] = []
    if candidate.path:
        lines.append(("-m", str(candidate.path)))
    if candidate.projector:
        lines.append(("--mmproj", str(candidate.projector)))
    if (chosen := given.get("--ctx-size")) is not None:
        context = int(chosen) if chosen.isascii() and chosen.isdigit() else 0
    else:
        lines.append(("--ctx-size", str(context)))
    if candidate.kind != "chat":
        lines.append(_vectors(candidate, context, given.keys()))
    lines += candidate.options
    return Entry(name, tuple(line for line in lines if line), candidate, aliases, context, _metadata(candidate))


def _vectors(candidate: Candidate, context: int, given: Set[str]) -> tuple[str, ...]:
    """What makes vectors or scores, where nothing of the kind is *given*.

    Such a server takes no text that is longer than one physical batch.
    """
    words: tuple[str, ...] = ()
    if given.isdisjoint(("--embeddings", "--pooling", "--reranking")):
        pooling = ("--embeddings", "--pooling", pooling_of(candidate.header))
        words = ("--reranking",) if candidate.kind == "reranker" else pooling
    if context and given.isdisjoint(("--batch-size", "--ubatch-size")):
        words += ("--batch-size", str(context), "--ubatch-size", str(context))
    return words


def _metadata(candidate: Candidate) -> dict[str, str | int]:
    """For listings. `family`, since clients take `architecture` to be about modalities."""
    header = candidate.header
    facts: dict[str, str | int] = {
        "source": candidate.source,
        "kind": candidate.kind,
        "family": header.architecture,
        "parameters": parameters_of(header),
        "quantisation": header.quantisation,
        "trained_context": header.context,
        "size_bytes": candidate.size_bytes,
    }
    return {key: value for key, value in facts.items() if value}
