"""``python -m llamaswap.embedded -m MODEL --port N ...``: serve one model until SIGTERM or SIGINT.

Exit codes: 0 after a signal, 1 when the model cannot be served, 2 when the command line is wrong.
"""

import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import NoReturn

from llamaswap.embedded import commandline
from llamaswap.embedded.model import NICKNAME, cached_model
from llamaswap.embedded.values import FlagError, Setting

#: What differs from CommonParams' own defaults. The port is llama-server's; the origins are narrower than llama.cpp's
#: "*", under which any web page could read the answers of a model that listens on this machine.
DEFAULTS: tuple[Setting, ...] = (("port", 8080), ("cors_origins", "localhost"), ("cors_origins_explicit", True))


def main(argv: list[str]) -> None:
    """Parse, load, announce, serve. Leaves only by exiting."""
    if any(word in {"-h", "--help", "--usage"} for word in argv):
        print(commandline.usage())  # noqa: T201 - the help is this program's output
        sys.exit(0)
    try:
        settings = commandline.parse(argv)
        model = _model(settings)
    except FlagError as problem:
        _fail(str(problem), code=2)
    # Loading holds the interpreter lock, so a handler of ours would only run after it: let a signal end us at once.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    started = time.monotonic()
    server = _load([*DEFAULTS, *settings, ("model.path", str(model))])
    wakeup = _watch_signals()
    seconds = time.monotonic() - started
    _say(f"ready on {server.listening_address} model={model.name} loaded_in={seconds:.2f}s")
    wakeup.recv(1)
    # Without the server's destructor: it waits until every answer under way is complete, which may take minutes.
    os._exit(0)


def _model(settings: list[Setting]) -> Path:
    """The model file that the command line names. Raises FlagError when it names none; exits when there is none."""
    named = [str(value) for path, value in settings if path == "model.path"]
    if not named:
        raise FlagError(f"which model? Say -m FILE, or -m {NICKNAME} for the one we fetch")
    path = cached_model() if named[-1] == NICKNAME else Path(named[-1])
    if not path.exists():
        hint = f"; fetch it with: {sys.executable} -m llamaswap.embedded.fetch" if named[-1] == NICKNAME else ""
        _fail(f"no model file at {path}{hint}")
    if not path.is_file():
        _fail(f"{path} is not a file")
    return path


def _load(settings: list[Setting]) -> "xllamacpp.Server":  # type: ignore[name-defined]  # noqa: F821 - untyped, imported below
    """Import llama.cpp and start its server, which listens at once and answers 503 until the model is loaded."""
    try:
        import xllamacpp  # noqa: PLC0415 - 100 MB of machine code: only once the command line is known to be good
    except ImportError as problem:
        _fail(f"llama.cpp's wheel is missing ({problem}); install it with: pip install 'llamaswap[embedded]'")
    params = xllamacpp.CommonParams()
    commandline.apply(settings, params, xllamacpp)
    try:
        return xllamacpp.Server(params)
    except RuntimeError:
        _fail("llama.cpp could not serve the model; its reason is in the lines above")


def _watch_signals() -> socket.socket:
    """From now on SIGINT and SIGTERM make a byte arrive at the socket, whichever thread the kernel gave them to."""
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.detach())
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    return reader


def _say(text: str) -> None:
    print(f"llamaswap.embedded: {text}", flush=True)  # noqa: T201 - a program's own output


def _fail(text: str, code: int = 1) -> NoReturn:
    # One write: llama.cpp's threads may still log, and would come between the text and the end of its line.
    sys.stderr.write(f"llamaswap.embedded: {text}\n")
    sys.stderr.flush()
    sys.exit(code)


if __name__ == "__main__":
    main(sys.argv[1:])
