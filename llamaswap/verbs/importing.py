"""``llamaswap import``: a configuration out of the models that are on this machine already. Needs no daemon."""

import argparse
import importlib.util
import io
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from llamaswap.errors import ConfigError
from llamaswap.importing.entries import USUAL_CONTEXT
from llamaswap.importing.found import Harvest, Progress, is_folder
from llamaswap.importing.places import WellKnown, source_of, well_known
from llamaswap.importing.reading import missing_library
from llamaswap.importing.result import Result, configuration
from llamaswap.importing.saving import ExistsError, save
from llamaswap.importing.searching import search
from llamaswap.verbs.client import UsageError, VerbError
from llamaswap.verbs.import_report import print_json, print_tables
from llamaswap.verbs.terminal import harmless

_PARTS_OF_EMBEDDED = ("-m", "llamaswap.embedded")


def main(argv: list[str]) -> int:
    """Run ``import`` with the words behind it and return the exit code: 0, 1 (nothing found, refused) or 2 (usage)."""
    try:
        arguments = parser().parse_args(argv)
    except SystemExit as done:  # argparse has said what is wrong, or printed the help
        return done.code if isinstance(done.code, int) else UsageError.code
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # files may have names that the terminal's encoding lacks
    try:
        run_import(arguments)
        sys.stdout.flush()
    except VerbError as error:
        print(harmless(f"llamaswap import: {error}"), file=sys.stderr)
        return error.code
    except BrokenPipeError:  # `llamaswap import -o - | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        print("\nllamaswap import: interrupted; nothing is written", file=sys.stderr)
        return VerbError.code
    return 0


def parser() -> argparse.ArgumentParser:
    """What the verb takes."""
    made = argparse.ArgumentParser(
        prog="llamaswap import",
        description="Write a configuration for the models that are on this machine already.",
        epilog="Without a PATH: wherever Hugging Face, Ollama, LM Studio and llama.cpp keep theirs, and ~/models.",
    )
    made.add_argument(
        "paths",
        metavar="PATH",
        nargs="*",
        type=Path,
        help="a folder of GGUF files, a Hugging Face cache, an Ollama store, LM Studio's folder, a llama.cpp preset "
        "file (.ini), or a GGUF file",
    )
    made.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        default="config.yaml",
        help="where to write (config.yaml); - is standard output",
    )
    made.add_argument("--force", action="store_true", help="replace FILE if it is there")
    made.add_argument("--dry-run", action="store_true", help="show what is found and write nothing")
    made.add_argument(
        "--ctx",
        metavar="N",
        type=_tokens,
        default=USUAL_CONTEXT,
        help=f"most tokens of context ({USUAL_CONTEXT}); 0: what each model was trained on",
    )
    made.add_argument(
        "--server",
        metavar="PROGRAM",
        help="llama-server, its path, or `embedded` for the one from PyPI; by default the first of them that is there",
    )
    made.add_argument("--json", action="store_true", help="what is found, for programs")
    return made


def run_import(arguments: argparse.Namespace) -> None:
    """Search, show and write.

    Raises:
        VerbError: nothing was found, or the file is there; nothing is written then.
    """
    output = None if arguments.output == "-" or arguments.dry_run else Path(arguments.output)
    if arguments.json and arguments.output == "-":
        raise UsageError("--json and -o - both want standard output; name a file, or add --dry-run")
    if output and not arguments.force and os.path.lexists(output):
        raise _refusal(output)
    if missing := missing_library():
        raise VerbError(missing)
    server = _server(arguments.server)
    result = _result(_harvest(arguments.paths), server, arguments.ctx)
    to_stdout = arguments.output == "-" and not arguments.dry_run
    if arguments.json:
        print_json(result)
    else:
        print_tables(result, sys.stderr if to_stdout else sys.stdout)
    if not result.entries:
        raise VerbError("no model was found, so nothing is written")
    if to_stdout:
        sys.stdout.flush()
        sys.stdout.buffer.write(result.text.encode())  # a configuration is UTF-8, whatever the terminal is
    elif output:
        _write(output, result, arguments)


def _harvest(paths: list[Path]) -> Harvest:
    origin = partial(source_of, environ=os.environ, home=Path.home())
    if not paths:
        paths = _known_places(well_known(os.environ, Path.home()))
    with _progress() as progress:
        return search(paths, origin, progress)


def _known_places(places: list[WellKnown]) -> list[Path]:
    """Those that are there; which are, and which are not, is told on standard error."""
    for place in places:
        there = "found" if is_folder(place.path) else "not there"
        print(harmless(f"{there:<9}  {place.path} ({place.source})"), file=sys.stderr)
    present = [place.path for place in places if is_folder(place.path)]
    if not present:
        raise VerbError("no models in the usual places; say where they are: llamaswap import PATH...")
    return present


def _result(harvest: Harvest, server: list[str], most_context: int) -> Result:
    takes: Callable[[str], bool] | None = None
    if "llamaswap.embedded" in server:
        from llamaswap.embedded.flags import BY_NAME  # noqa: PLC0415 - only for those who use it

        takes = BY_NAME.__contains__
    try:
        return configuration(harvest, server, most_context, takes)
    except ConfigError as error:
        raise VerbError(f"what would be written does not load, which is a mistake in this program:\n{error}") from error


def _server(chosen: str | None) -> list[str]:
    """The first words of every command."""
    if chosen is None and not shutil.which("llama-server") and importlib.util.find_spec("xllamacpp"):
        chosen = "embedded"
    if chosen == "embedded":
        return [sys.executable, *_PARTS_OF_EMBEDDED]
    program = chosen or "llama-server"
    if not shutil.which(program):
        hint = "" if chosen else "; or install the embedded one: pip install 'llamaswap[embedded]'"
        print(harmless(f"note: {program} is not in PATH; models will not start without it{hint}"), file=sys.stderr)
    # The daemon may be started somewhere else than this was.
    return [str(Path(program).absolute()) if "/" in program else program]


def _write(output: Path, result: Result, arguments: argparse.Namespace) -> None:
    try:
        save(output, result.text, force=arguments.force)
    except ExistsError:
        raise _refusal(output) from None
    except OSError as error:
        raise VerbError(f"cannot write {output}: {error.strerror or error}") from None
    if not arguments.json:
        count = len(result.entries)
        print(harmless(f"wrote {output} ({count} model{'s' * (count != 1)}); start: llamaswap -config {output}"))


def _refusal(output: Path) -> VerbError:
    return VerbError(f"{output} is there already; choose another with -o FILE, or replace it with --force")


@contextmanager
def _progress() -> Iterator[Progress]:
    """Where the search is, on a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415 - only for a terminal
    from rich.markup import escape  # noqa: PLC0415 - as above

    with Console(stderr=True).status("looking for models") as status:
        yield lambda path: status.update(escape(harmless(f"looking for models in {path}")))


def _tokens(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of tokens")
    return int(text)
