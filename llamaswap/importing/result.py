"""The whole way from what was found to a text that our own loader takes, and means the same by. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from llamaswap.config.load import load_text
from llamaswap.config.names import ModelId
from llamaswap.importing.entries import Entry, entries
from llamaswap.importing.found import Followed, Harvest, Skipped
from llamaswap.importing.yamltext import document


@dataclass(frozen=True, slots=True)
class Result:
    """A configuration, what is in it, what is not, and which links led to where it was found."""

    text: str
    entries: tuple[Entry, ...]
    skipped: tuple[Skipped, ...]
    followed: tuple[Followed, ...] = ()


def configuration(
    harvest: Harvest, server: Sequence[str], most_context: int, takes: Callable[[str], bool] | None
) -> Result:
    """Write a configuration for *harvest*; for the other arguments see `entries` and `document`.

    It is loaded before it is returned, and a model whose command would not arrive as it is meant is left out.

    Raises:
        ConfigError: it does not load, which is a mistake of ours.
    """
    made, skipped = entries(harvest.candidates, most_context, takes)
    wrong = _misread(document(made, server, most_context), made)
    kept = tuple(entry for entry in made if entry not in wrong)
    lost = [Skipped(e.candidate.path or Path(e.id), "its name cannot stand in a command; rename it") for e in wrong]
    left_out = (*harvest.skipped, *skipped, *lost)
    return Result(document(kept, server, most_context), kept, left_out, tuple(harvest.followed))


def _misread(text: str, made: Sequence[Entry]) -> list[Entry]:
    """Those of the entries that *text* does not say."""
    models = load_text(text, "the new configuration", {}).config.models if made else {}
    return [entry for entry in made if not _says(models[ModelId(entry.id)].argv, entry)]


def _says(argv: Sequence[str], entry: Entry) -> bool:
    words = tuple(word for line in entry.lines for word in line)
    return tuple(argv[len(argv) - len(words) :]) == words
