"""Which files make up the configuration, and their text."""

import os
from pathlib import Path

from llamaswap.config.text.place import Mark, Source, printable
from llamaswap.config.text.problems import Problems

#: No configuration is larger; whatever is, is not one.
MOST_BYTES = 16 << 20
#: Locks of Emacs, which are links to nothing, and what macOS keeps beside a file.
_FOREIGN = (".#", "._")


def sources(config: Path | None, config_dir: Path | None) -> list[Path]:
    """The files to load, in order: *config* first, then what lies in *config_dir*, sorted by name.

    Raises:
        ConfigError: there is nothing to load, the directory cannot be read, or *config* is also in it.
    """
    problems = Problems()
    files = [config] if config else []
    if config_dir:
        files += _files_in(config_dir, problems)
    if config and any(_absolute(path) == _absolute(config) for path in files[1:]):
        remedy = f"leave out -config, or move the file out of {config_dir}"
        problems.error("sources", (), None, f"{config} is given by -config and found by -config-dir", remedy=remedy)
    problems.raise_errors()
    if not files:
        what = f"no *.yaml or *.yml in {config_dir}" if config_dir else "no configuration is given"
        problems.error("sources", (), None, what, remedy="start with -config FILE or -config-dir DIRECTORY")
    problems.raise_errors()
    return files


def read(path: Path, problems: Problems) -> Source | None:
    """The text of one file; None if it cannot be used, which is in *problems* then."""
    name = str(path)
    try:
        data = _read_bytes(path)
    except OSError as error:
        problems.error("file", (), None, f"{printable(name)}: {_reason(error)}", remedy=_remedy(error))
        return None
    if len(data) > MOST_BYTES:
        what = f"{printable(name)}: larger than {MOST_BYTES >> 20} MiB"
        problems.error("file", (), None, what, remedy="this is probably not a configuration file")
        return None
    return decoded(name, data, problems)


def decoded(name: str, data: bytes, problems: Problems) -> Source | None:
    """The text of *data*, which is UTF-8, or UTF-16 with a byte order mark (as Windows editors write it)."""
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return Source(name, data.decode(encoding))
    except UnicodeDecodeError as error:
        before = Source(name, data[: error.start].decode(encoding, "replace"))
        mark = Mark(before, len(before.lines), len(before.lines[-1]) + 1)
        byte = f"0x{data[error.start]:02x}" if error.start < len(data) else "its end"
        problems.error("encoding", (), mark, "the file is not UTF-8", value=byte, remedy="save the file as UTF-8")
        return None


def _read_bytes(path: Path) -> bytes:
    # Without O_NONBLOCK, a named pipe that nobody writes to would block the start for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:  # noqa: PTH123 (a descriptor, not a path)
        os.set_blocking(descriptor, True)
        return file.read(MOST_BYTES + 1)


def _files_in(directory: Path, problems: Problems) -> list[Path]:
    try:
        found = [path for path in directory.iterdir() if _is_ours(path.name) and not path.is_dir()]
    except OSError as error:
        remedy = "give the name of a readable directory to -config-dir"
        problems.error("sources", (), None, f"{printable(str(directory))}: {_reason(error)}", remedy=remedy)
        return []
    return sorted(found, key=lambda path: os.fsencode(path.name))


def _is_ours(name: str) -> bool:
    return name.endswith((".yml", ".yaml")) and not name.startswith(_FOREIGN)


def _absolute(path: Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100 (the text decides: links are not resolved, `..` is)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _remedy(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "check the path; a relative one starts at the working directory"
    if isinstance(error, PermissionError):
        return "let the user who runs the daemon read it"
    return "give a readable file to -config"
