"""Where the daemon's private socket lies, and how the command line finds it.

One socket for each listening port: ``control-PORT.sock``, in a directory that only its owner may enter.
"""

import os
import re
import socket
import stat
from pathlib import Path

_NAME = re.compile(r"control-(\d+)\.sock")


class RuntimeDirError(Exception):
    """The directory cannot be used; the message says why and what to do."""


def runtime_dir() -> Path:
    """Return the directory of a daemon started now: whichever of `search_dirs` comes first and can be had."""
    named = os.environ.get("LLAMASWAP_RUNTIME_DIR")
    if named:
        return Path(named)
    session = os.environ.get("XDG_RUNTIME_DIR")
    if session and Path(session).is_dir():
        return Path(session) / "llamaswap"
    if os.geteuid() == 0 and os.access("/run", os.W_OK):
        return Path("/run/llamaswap")
    return _fallback()


def search_dirs() -> list[Path]:
    """Return every directory in which a daemon of ours may have put its socket.

    More than `runtime_dir`: a daemon that a service manager started has another environment than a shell.
    """
    named = os.environ.get("LLAMASWAP_RUNTIME_DIR")
    if named:
        return [Path(named)]
    usual = [Path(f"/run/user/{os.geteuid()}/llamaswap"), Path("/run/llamaswap"), _fallback()]
    return list(dict.fromkeys([runtime_dir(), *usual]))


def make_runtime_dir() -> Path:
    """Make `runtime_dir` if need be, and return it once it is certain that nobody else can reach into it.

    Raises:
        RuntimeDirError: it cannot be made, or is not ours alone.
    """
    path = runtime_dir()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise RuntimeDirError(f"{path} is not a directory of this user; set LLAMASWAP_RUNTIME_DIR to one that is")
        if stat.S_IMODE(found.st_mode) & 0o077:
            path.chmod(0o700)
    except OSError as error:
        raise RuntimeDirError(
            f"cannot use {path}: {error.strerror}; set LLAMASWAP_RUNTIME_DIR to a directory that can be written"
        ) from error
    return path


def socket_path(directory: Path, port: int) -> Path:
    """Return the path of the socket of the daemon that listens on *port*."""
    return directory / f"control-{port}.sock"


def port_of(path: Path) -> int | None:
    """Return the port in a socket's name, or None for some other file."""
    match = _NAME.fullmatch(path.name)
    return int(match[1]) if match else None


def is_live(path: Path) -> bool:
    """Whether somebody listens on the socket *path*.

    Raises:
        PermissionError: it belongs to another user.
    """
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except PermissionError:
            raise
        except (BlockingIOError, TimeoutError):  # its backlog is full: busy, or stopped, but there
            return True
        except OSError:
            return False
    return True


def remove_stale(path: Path) -> None:
    """Remove the socket of a daemon that is no more. A live one, or what is no socket, is left for bind to complain."""
    try:
        if stat.S_ISSOCK(path.lstat().st_mode) and not is_live(path):
            path.unlink(missing_ok=True)
    except FileNotFoundError:
        pass


def live_sockets() -> list[Path]:
    """Return the socket of every daemon of this user that runs now, by port."""
    found = [path for directory in search_dirs() for path in _sockets_in(directory) if _may_use(path)]
    return sorted(found, key=lambda path: port_of(path) or 0)


def foreign_daemons() -> list[str]:
    """Return the names of other users who seem to run a daemon on this machine."""
    ours = os.geteuid()
    owners = {_owner(path) for path in [*Path("/tmp").glob("llamaswap-*"), Path("/run/llamaswap")]}
    return sorted(_user_name(uid) for uid in owners if uid is not None and uid != ours)


def _fallback() -> Path:
    return Path(f"/tmp/llamaswap-{os.geteuid()}")


def _sockets_in(directory: Path) -> list[Path]:
    try:
        return [path for path in directory.iterdir() if port_of(path) is not None]
    except OSError:
        return []


def _may_use(path: Path) -> bool:
    try:
        return is_live(path)
    except PermissionError:
        return False


def _owner(path: Path) -> int | None:
    try:
        return path.lstat().st_uid
    except OSError:
        return None


def _user_name(uid: int) -> str:
    import pwd  # noqa: PLC0415 - only for an error message

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
