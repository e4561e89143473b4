"""A daemon as a process of its own, watched from outside: its log, the process table, the wire."""

import fcntl
import json
import os
import random
import re
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import psutil

from tests.allowance import ALLOWANCE_S
from tests.e2e.wire import Answer, Wire

ROOT = Path(__file__).parents[2]
FAKE_SERVER = ROOT / "tests/fake_server.py"
#: In the environment of everything a daemon under test starts. Not the daemon's own marker: we are its auditors.
MARK = "LLAMASWAP_E2E_MARK"
#: Models are given ports below those that the system gives out.
PORTS = range(16000, 32000, 16)
SLOWLY = 60.0  # seconds; a limit for what takes milliseconds, on a machine that has something else to do

T = TypeVar("T")


def until(condition: Callable[[], T], what: str, seconds: float = SLOWLY) -> T:
    """Look until *condition* holds and return its value: for what nobody tells us of, such as the process table."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.005)
    return value


def free_ports() -> tuple[int, socket.socket]:
    """The first of 16 ports that nobody listens on, and what keeps other tests from them until it is closed."""
    while True:
        first = random.choice(PORTS)
        claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # of UDP, so that models can have the port of TCP
        try:
            claim.bind(("127.0.0.1", first))
        except OSError:
            claim.close()
            continue
        if all(_is_free(port) for port in range(first, first + 16)):
            return first, claim
        claim.close()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def marked(mark: str) -> list[psutil.Process]:
    """Every living process with *mark* in its environment."""
    found = []
    for process in psutil.process_iter():
        try:
            # The environment is gone before the process is, when it dies; such a one is as good as dead.
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def alive(process: psutil.Process) -> bool:
    """Whether *process* still runs; one that has ended and that nobody has reaped does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def fake(name: str, *flags: str, **keys: Any) -> dict[str, Any]:
    """A model entry whose command is the fake server. *keys* are the entry's own; a ``port`` fixes where it listens."""
    port = keys.pop("port", "${PORT}")
    words = (sys.executable, "-I", "-S", str(FAKE_SERVER), "--port", str(port), "--name", name, *flags)
    if port != "${PORT}":
        keys.setdefault("proxy", f"http://127.0.0.1:{port}")
    return {"cmd": shlex.join(words).replace("'${PORT}'", "${PORT}"), **keys}


def suspend(process: psutil.Process) -> None:
    """Stop *process* where it is, and see it stopped: on a busy machine it runs on for a moment after the signal."""
    process.suspend()
    until(lambda: process.status() == psutil.STATUS_STOPPED, f"process {process.pid} being suspended")


def lock_is_free(path: Path) -> bool:
    """Whether no process of any model's tree is left: each holds the lock to its end, however it forked."""
    if not path.exists():
        return True
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


class Log:
    """What a daemon printed, line by line; waits for lines, not for time. Clear `reading` and nobody reads the pipe."""

    def __init__(self, pipe: Any) -> None:
        self.lines: list[str] = []
        self._moved = threading.Condition()
        self._ended = False
        self.reading = threading.Event()
        self.reading.set()
        self._thread = threading.Thread(target=self._read, args=(pipe,), daemon=True)
        self._thread.start()

    def _read(self, pipe: Any) -> None:
        with pipe:
            for line in pipe:
                self.reading.wait()
                with self._moved:
                    self.lines.append(line.decode(errors="replace").rstrip("\n"))
                    self._moved.notify_all()
        with self._moved:
            self._ended = True
            self._moved.notify_all()

    def wait(self, pattern: str, seconds: float = SLOWLY, after: int = 0) -> re.Match[str]:
        """The first match of *pattern* in the lines from *after* on, as soon as it is there."""
        deadline = time.monotonic() + seconds
        with self._moved:
            while True:
                for line in self.lines[after:]:
                    if match := re.search(pattern, line):
                        return match
                left = deadline - time.monotonic()
                assert left > 0 and not self._ended, f"never logged: {pattern}\n{self}"
                after = len(self.lines)
                self._moved.wait(left)

    def join(self) -> None:
        self._thread.join(SLOWLY)

    def __str__(self) -> str:
        return "\n".join(self.lines)


class Daemon:
    """One daemon. Leaving the block kills what is left of it, and fails if a process outlives it.

    Args:
        directory: Its own, for its socket and its configuration.
        config: The configuration; ``models`` are completed with ports of their own.
        flags: Beside ``-config`` and ``-listen``.
        program: What to run instead of the daemon proper, with the same arguments.
        stdin: A terminal to run in.
    """

    def __init__(
        self,
        directory: Path,
        config: dict[str, Any],
        *flags: str,
        program: Sequence[str] = ("-m", "llamaswap"),
        stdin: int = subprocess.DEVNULL,
    ) -> None:
        self.directory = directory
        self.mark = secrets.token_hex(8)
        self.ledger = directory / "ledger.jsonl"
        self.lock = directory / "gpu.lock"
        self.config_file = directory / "config.yaml"
        self._runtime = directory / "run"
        self._flags = flags
        self._program = program
        self._stdin = stdin
        #: Set where a test makes something crash behind a fence, which logs it.
        self.may_log_tracebacks = False
        self._seen: dict[int, psutil.Process] = {}
        self.first_port, claim = free_ports()
        weakref.finalize(self, claim.close)
        self.configure(config)

    def configure(self, config: dict[str, Any]) -> None:
        """Write the configuration file. Every model reports to the ledger and holds the lock."""
        whole = {"startPort": self.first_port, "healthCheckTimeout": 15, "unloadTimeout": 2, "logLevel": "debug"}
        text = json.dumps(whole | config, indent=1)
        marker = json.dumps(str(FAKE_SERVER))[1:-1]
        text = text.replace(marker, f"{marker} --ledger {self.ledger} --lock {self.lock}")
        self.config_file.write_text(text)

    def __enter__(self) -> "Daemon":
        self.start()
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        self.end(strict=kind is None)

    # -- its life ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Return when it listens, as its log says, and answers /health."""
        environment = os.environ | {"LLAMASWAP_RUNTIME_DIR": str(self._runtime), MARK: self.mark}
        command = [sys.executable, *self._program, "-config", str(self.config_file), "-listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(
            [*command, *self._flags],
            cwd=ROOT,
            env=environment,
            stdin=self._stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.log = Log(self.process.stdout)
        try:
            self.port = int(self.log.wait(r"listening on https?://[\d.]+:(\d+)")[1])
            if "-tls-cert-file" not in self._flags:
                assert self.get("/health").status == 200
        except BaseException:
            self.end(strict=False)
            raise

    def end(self, *, strict: bool = True) -> None:
        """SIGTERM if it still runs; then nothing of it may be alive."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            code = None
        self.log.reading.set()
        self.log.join()
        try:
            if strict:
                assert code is not None, f"did not end within 40 s of SIGTERM\n{self.log}"
                assert code != 1 or "again: ending" in str(self.log), f"ended by its own watchdog\n{self.log}"
                assert self.may_log_tracebacks or "Traceback" not in str(self.log), self.log
                until(lambda: not self.left() and lock_is_free(self.lock), f"end of {self.left()}")
        finally:
            for process in self.left():
                process.kill()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self, promised: float) -> int:
        """The exit code; the daemon has so many seconds to end, and what a busy machine may add."""
        try:
            return self.process.wait(promised + ALLOWANCE_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still runs {ALLOWANCE_S:g} s after the {promised:g} promised\n{self.log}") from None

    def said(self) -> str:
        """All that it has printed up to now: what comes through the pipe comes somewhat later than answers do."""
        asked = f"/said/{secrets.token_hex(8)}"
        seen = len(self.log.lines)
        self.get(asked)
        self.log.wait(re.escape(asked), after=seen)
        return str(self.log)

    # -- what can be seen of it -------------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def socket_path(self) -> Path:
        """The private socket of its control plane."""
        return self._runtime / f"control-{self.port}.sock"

    def look(self) -> list[psutil.Process]:
        """Remember every process below it now, so that `left` finds those too that shed the mark later."""
        try:
            below = psutil.Process(self.pid).children(recursive=True)
        except psutil.Error:
            below = []
        self._seen |= {process.pid: process for process in below}
        return below

    def left(self) -> list[psutil.Process]:
        """What is alive of all it started: by mark, by having been seen, or by holding the lock."""
        seen = filter(alive, self._seen.values())
        return list({process.pid: process for process in [*marked(self.mark), *seen]}.values())

    def wire(self) -> Wire:
        """A connection to it, as a client has one."""
        return Wire(socket.create_connection(("127.0.0.1", self.port), 2 * SLOWLY))  # real models come slowly

    def get(self, path: str, **headers: str) -> Answer:
        return self.request("GET", path, None, **headers)

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """One exchange on a connection of its own. ``X_Name="v"`` becomes the header ``X-Name: v``."""
        with self.wire() as wire:
            wire.ask(method, path, body, **headers)
            return wire.answer()

    def chat(self, model: str, **headers: str) -> Answer:
        with self.wire() as wire:
            wire.chat(model, False, **headers)
            return wire.answer()

    def running(self) -> list[tuple[str, str]]:
        """Model and state of everything that is not stopped."""
        return [(row["model"], row["state"]) for row in self.get("/running").json()["running"]]

    def queue(self) -> dict[str, Any]:
        value: dict[str, Any] = self.get("/api/queue").json()
        return value

    def model_pid(self, model: str) -> int:
        return next(int(row["pid"]) for row in self.queue()["running"] if row["model"] == model)

    def until_waiting(self, count: int) -> None:
        until(lambda: len(self.queue()["waiting"]) == count, f"{count} requests in the queue")

    def until_serving(self, model: str) -> None:
        def serving() -> bool:
            return any(row["model"] == model and row["requests"] for row in self.queue()["running"])

        until(serving, f"a request being served by {model}")

    def entries(self, event: str = "request") -> list[dict[str, Any]]:
        """The ledger: what reached the models (``request``), a ``start`` of theirs, a ``violation`` of the lock."""
        if not self.ledger.exists():
            return []
        lines = [json.loads(line) for line in self.ledger.read_text().splitlines()]
        return [line for line in lines if line.get("event", "request") == event]

    def starts(self) -> list[str]:
        return [line["model"] for line in self.entries("start")]
