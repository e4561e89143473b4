"""What ``llamaswap import`` found, as tables or as JSON."""

import json
from pathlib import Path
from typing import Any, TextIO

from llamaswap.importing.entries import Entry
from llamaswap.importing.found import Followed, Skipped
from llamaswap.importing.kinds import parameters_of
from llamaswap.importing.result import Result
from llamaswap.verbs.terminal import harmless


def print_tables(result: Result, file: TextIO) -> None:
    """Print what is in the configuration, and what was passed over and why."""
    from rich.console import Console  # noqa: PLC0415 - programs do not need it

    # Only a terminal has an edge to fold at.
    console = Console(file=file, highlight=False, width=None if file.isatty() else 1000)
    if result.entries:
        console.print(_models(result.entries))
    if result.followed:
        console.print(_followed(result.followed))
    if result.skipped:
        console.print(_skipped(result.skipped))


def print_json(result: Result) -> None:
    """Print the same for programs."""
    models = [_model(entry) for entry in result.entries]
    skipped = [{"path": _shown(skip.path), "reason": skip.reason} for skip in result.skipped]
    links = [{"path": _shown(each.link), "target": _shown(each.target)} for each in result.followed]
    print(json.dumps({"models": models, "links": links, "skipped": skipped}, indent=2))


def _model(entry: Entry) -> dict[str, Any]:
    candidate = entry.candidate
    return {
        "id": entry.id,
        "aliases": list(entry.aliases),
        "kind": candidate.kind,
        "name": candidate.title,
        "path": _shown(candidate.path) if candidate.path else None,
        "mmproj": _shown(candidate.projector) if candidate.projector else None,
        "architecture": candidate.header.architecture,
        "parameters": parameters_of(candidate.header),
        "quantisation": candidate.header.quantisation,
        "context": entry.context,
        "trained_context": candidate.header.context,
        "size_bytes": candidate.size_bytes,
        "source": candidate.source,
    }


def _models(entries: tuple[Entry, ...]) -> Any:
    table = _table("ID", "KIND", "MODEL", "CONTEXT", "SIZE", "SOURCE")
    for entry in entries:
        candidate = entry.candidate
        what = " ".join(filter(None, (parameters_of(candidate.header), candidate.header.quantisation)))
        table.add_row(
            _text(entry.id),
            candidate.kind + (" + images" if candidate.projector else ""),
            _text(what or "-"),
            _context(entry),
            size(candidate.size_bytes),
            candidate.source,
        )
    return table


def _context(entry: Entry) -> str:
    """Tokens that it gets, and of how many that it was trained on."""
    trained = entry.candidate.header.context
    if not entry.context:
        return "its own"
    return f"{entry.context} of {trained}" if entry.context < trained else str(entry.context)


def _followed(followed: tuple[Followed, ...]) -> Any:
    table = _table("LINK", "LED TO")
    for each in followed:
        table.add_row(_text(str(each.link)), _text(str(each.target)))
    return table


def _skipped(skipped: tuple[Skipped, ...]) -> Any:
    table = _table("SKIPPED", "WHY")
    for skip in skipped:
        table.add_row(_text(str(skip.path)), _text(skip.reason))
    return table


def _table(*titles: str) -> Any:
    from rich.table import Table  # noqa: PLC0415 - see print_tables

    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for title in titles:
        table.add_column(title, overflow="fold")
    return table


def _text(text: str) -> Any:
    """As it is: no markup, and nothing that drives a terminal or ends a row."""
    from rich.text import Text  # noqa: PLC0415 - see print_tables

    return Text(harmless(text).replace("\x1b", "?").replace("\n", "?"))


def _shown(path: Path) -> str:
    return str(path).encode(errors="replace").decode()


def size(count: int) -> str:
    """Bytes as people say them: ``4.4 GB``; ``-`` for none."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B" if count else "-"
