"""What a configuration means, for people: its models, who may run beside whom, and in which order requests run."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, TextIO

from llamaswap.config.commands import argv
from llamaswap.config.effective import masks
from llamaswap.config.load import Loaded
from llamaswap.config.schema import Config, ModelConfig
from llamaswap.config.shipped import shipped
from llamaswap.config.text.place import printable
from llamaswap.verbs.check_routing import beside, scheduler_in_words

#: A sentence, or the titles and rows of a table.
Part = str | tuple[list[str], list[list[str]]]


def print_meaning(loaded: Loaded, secrets: Collection[str], file: TextIO) -> None:
    """Print what *loaded* means. Neither *secrets* nor credentials in addresses are shown."""
    from rich.console import Console  # noqa: PLC0415 - programs that only import this do not need it

    # Only a terminal has an edge to fold at.
    width = None if file.isatty() else 1000
    console = Console(file=file, highlight=False, markup=False, emoji=False, width=width)
    for part in _parts(loaded.config, secrets):
        console.print()
        console.print(_drawn(part, secrets))
    schema = _schema(loaded)
    if schema:
        console.print()
        console.print(plain("For completion in an editor, make this the first line of the file:"))
        console.print(plain(f"# yaml-language-server: $schema={schema}"), soft_wrap=True)


def plain(text: str) -> Any:
    """As it is: no markup, and nothing that drives a terminal or ends a row."""
    from rich.text import Text  # noqa: PLC0415 - as above

    return Text(printable(text))


def table(*titles: str) -> Any:
    """An empty table."""
    from rich.table import Table  # noqa: PLC0415 - as above

    made = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for title in titles:
        made.add_column(title, overflow="fold")
    return made


def _parts(config: Config, secrets: Collection[str]) -> Iterator[Part]:
    if config.models:
        yield _models(config, secrets)
    yield scheduler_in_words(config)
    titles, rows = beside(config)
    if rows:
        yield titles, rows
    if config.preload:
        yield f"Loaded at the start: {', '.join(config.preload)}"
    yield from _names(config)
    keys = len(config.api_keys)
    yield (
        f"Clients need {'one of ' if keys > 1 else ''}the API key{'s' if keys > 1 else ''} ({keys})."
        if keys
        else "Clients need no API key: whoever reaches the address may use it."
    )


def _models(config: Config, secrets: Collection[str]) -> Part:
    rows = [
        [
            model.id or '""',
            ", ".join(model.aliases) or "-",
            model.proxy or "-",
            f"{model.ttl:g} s" if model.ttl else "never",
            _program(model, secrets),
        ]
        for model in config.models.values()
    ]
    return ["MODEL", "ALIASES", "ADDRESS", "UNLOADED AFTER", "PROGRAM"], rows


def _program(model: ModelConfig, secrets: Collection[str]) -> str:
    """The program, without its folder; of a Python module its name."""
    words = argv.split(masks.without(model.cmd, secrets)).words if secrets else model.argv
    name = words[0].rpartition("/")[2] if words else "-"
    return f"{name} -m {words[2]}" if name.startswith("python") and words[1:2] == ("-m",) and words[2:] else name


def _names(config: Config) -> Iterator[Part]:
    if config.peers:
        rows = [[peer.id, peer.proxy or "-", ", ".join(peer.models)] for peer in config.peers.values()]
        yield ["PEER", "ADDRESS", "MODELS"], rows
    if config.selectors:
        rows = [[each.id, each.strategy, ", ".join(each.targets)] for each in config.selectors.values()]
        yield ["SELECTOR", "STRATEGY", "TARGETS"], rows
    if config.profiles:
        rows = [
            [profile.name, name, target or "(switched off)"]
            for profile in config.profiles.values()
            for name, target in profile.pins.items()
        ]
        yield ["PROFILE", "NAME", "MEANS"], rows


def _drawn(part: Part, secrets: Collection[str]) -> Any:
    if isinstance(part, str):
        return plain(masks.url(masks.without(part, secrets)))
    titles, rows = part
    made = table(*titles)
    for row in masks.without(rows, secrets):
        made.add_row(*(plain(masks.url(cell)) for cell in row))
    return made


def _schema(loaded: Loaded) -> Path | None:
    """The file that lets an editor complete and check keys; None if it is named already, or not there."""
    root, schema = loaded.written.root, shipped("config-schema.json")
    if root is None or "yaml-language-server:" in root.mark.source.text or not schema.exists():
        return None
    return schema
