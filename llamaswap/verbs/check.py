"""``llamaswap check``: what is wrong with a configuration, and what it means. Starts nothing and binds nothing."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from llamaswap.config.effective import masks
from llamaswap.config.effective.root import as_text, effective
from llamaswap.config.lints import Facts, lint, placed
from llamaswap.config.load import Examined, Loaded, examine, sources
from llamaswap.config.names import ModelId
from llamaswap.config.text.place import Source
from llamaswap.config.text.problems import Problem, Problems
from llamaswap.config.text.secrets import is_secret
from llamaswap.config.text.sources import MOST_BYTES, decoded, read
from llamaswap.errors import ConfigError
from llamaswap.verbs.check_machine import machine_lints, measured_loads
from llamaswap.verbs.check_problems import print_problems
from llamaswap.verbs.check_tables import print_meaning
from llamaswap.verbs.client import UsageError
from llamaswap.verbs.terminal import harmless

_STDIN = Path("-")
#: Shorter texts would be found in many a place where they are no secret.
_SHORTEST_SECRET = 6


def main(argv: list[str]) -> int:
    """Run ``check`` with the words behind it and return the exit code: 0, 1 (it cannot be used) or 2 (usage)."""
    for stream in (sys.stdout, sys.stderr):
        if callable(reconfigure := getattr(stream, "reconfigure", None)):
            reconfigure(errors="backslashreplace")  # a terminal that knows ASCII only is no reason to end
    try:
        arguments = parser().parse_args(argv)
    except SystemExit as done:  # argparse has said what is wrong, or printed the help
        return done.code if isinstance(done.code, int) else UsageError.code
    try:
        examined, files = examined_files(arguments)
        _report_as_far_as_it_is_read(examined, arguments, measured_loads(files))
    except UsageError as error:
        print(harmless(f"llamaswap check: {error}"), file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        return 130
    return 0 if examined.loaded else 1


def parser() -> argparse.ArgumentParser:
    """What the verb takes: one dash or two, as for the daemon."""
    made = argparse.ArgumentParser(
        prog="llamaswap check",
        allow_abbrev=False,
        description="Tell what is wrong with a configuration, and what it means. Nothing is started.",
        epilog="Exit code: 0 it can be used (there may be warnings), 1 it cannot, 2 usage. docs/checks.md lists the "
        "rules.",
    )
    made.add_argument("file", metavar="FILE", nargs="?", help="the same as -config FILE; - is standard input")
    made.add_argument("-config", "--config", metavar="FILE", default="", help="the configuration")
    made.add_argument(
        "-config-dir", "--config-dir", metavar="DIR", default="", help="merge DIR/*.yml and DIR/*.yaml, by name"
    )
    made.add_argument(
        "-listen", "--listen", metavar="ADDR", type=_port, help="where the daemon will listen, to see clashes"
    )
    made.add_argument("-strict", "--strict", action="store_true", help="unknown keys are errors")
    made.add_argument(
        "-json", "--json", action="store_true", help="print the whole configuration as it holds, secrets masked"
    )
    return made


def examined_files(arguments: argparse.Namespace) -> tuple[Examined, tuple[Path, ...]]:
    """What the loader says of the files that *arguments* name, and these files.

    Raises:
        UsageError: nothing is named, or one thing twice.
    """
    if arguments.file and arguments.config:
        raise UsageError("FILE and -config are the same: give one of them")
    name = arguments.file or arguments.config
    if not name and not arguments.config_dir:
        raise UsageError("which configuration? Give a FILE, -config FILE or -config-dir DIR")
    try:
        files = sources(Path(name) if name else None, Path(arguments.config_dir) if arguments.config_dir else None)
    except ConfigError as error:
        return Examined(tuple(problem for problem in error.problems if isinstance(problem, Problem)), None), ()
    return examine(files, os.environ, strict=arguments.strict, read=_reader()), tuple(files)


def report(examined: Examined, arguments: argparse.Namespace, load_times: Mapping[ModelId, float]) -> None:
    """Print what the loader and the other rules say, and what it means. *load_times*: seconds, where measured."""
    loaded, problems = examined.loaded, list(examined.problems)
    if loaded:
        facts = Facts(loaded.config, loaded.written, arguments.listen, load_times)
        problems += [*lint(facts), *placed(machine_lints(facts), facts)]
    print_problems(problems, sys.stderr if arguments.json else sys.stdout)
    if loaded and arguments.json:
        print(as_text(masks.without(effective(loaded.config), _secrets(loaded, os.environ))))
    elif loaded:
        print_meaning(loaded, _secrets(loaded, os.environ), sys.stdout)


def _secrets(loaded: Loaded, environ: Mapping[str, str]) -> frozenset[str]:
    """What the files have taken from variables with a secret's name, and what such variables hold besides."""
    held = (value for name, value in environ.items() if is_secret(name) and len(value) >= _SHORTEST_SECRET)
    return loaded.written.secrets.union(held)


def _report_as_far_as_it_is_read(
    examined: Examined, arguments: argparse.Namespace, load_times: Mapping[ModelId, float]
) -> None:
    """As `report`; that whoever read has enough (`llamaswap check | head`) says nothing about the configuration."""
    try:
        report(examined, arguments, load_times)
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):  # rich makes an exit of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _reader() -> Callable[[Path, Problems], Source | None]:
    """Reads files, and standard input for one that is called ``-``."""

    def read_any(path: Path, problems: Problems) -> Source | None:
        if path != _STDIN:
            return read(path, problems)
        data = sys.stdin.buffer.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            what = f"standard input: larger than {MOST_BYTES >> 20} MiB"
            problems.error("file", (), None, what, remedy="this is probably not a configuration")
            return None
        return decoded("standard input", data, problems)

    return read_any


def _port(text: str) -> int:
    """Read a port out of ``:8080``, ``127.0.0.1:8080``, ``[::1]:8080`` or ``8080``."""
    port = text.rpartition(":")[2]
    if not port.isdecimal() or not int(port) < 1 << 16:
        raise argparse.ArgumentTypeError(f"no port in {text!r}; write for example :8080")
    return int(port)
