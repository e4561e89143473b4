"""What is compared: each candidate is a ``with`` block that starts it, waits until it answers, and ends it."""

import json
import shlex
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from benchmark import processes
from benchmark.processes import BenchError, free_port, free_ports, running, wait_healthy
from benchmark.tools import HERE, ROOT, Tools


@dataclass(frozen=True)
class Candidate:
    """Something that answers on a port of 127.0.0.1, in front of a stub.

    Attributes:
        stub_port: Where the stub behind it counts.
        root: Top of the process tree whose CPU and memory count; None when there is none of its own.
        one_at_a_time: It serves requests strictly one after another, so parallel streams say nothing.
    """

    name: str
    port: int
    stub_port: int
    root: int | None
    stub: Path
    one_at_a_time: bool = False

    def pids(self) -> list[int]:
        return [] if self.root is None else processes.tree(self.root, self.stub)


@dataclass(frozen=True)
class Launcher:
    """How candidates are started: the programs, a directory for their files, and the interpreter of ours."""

    tools: Tools
    workdir: Path
    python: str

    def log(self, name: str) -> Path:
        return self.workdir / f"{name.replace(' ', '-')}.log"

    @contextmanager
    def stub(self, port: int) -> Iterator[int]:
        log = self.log("stub")
        with running([str(self.tools.stub), "--port", str(port)], log) as process:
            wait_healthy(process, port, log)
            yield port

    @contextmanager
    def direct(self, stub_port: int) -> Iterator[Candidate]:
        yield Candidate("direct", stub_port, stub_port, None, self.tools.stub)

    @contextmanager
    def nginx(self, stub_port: int) -> Iterator[Candidate]:
        port = free_port()
        conf = (HERE / "nginx.conf").read_text()
        for mark, value in (("@DIR@", self.workdir), ("@STUB@", stub_port), ("@PORT@", port)):
            conf = conf.replace(mark, str(value))
        path = self.workdir / "nginx.conf"
        path.write_text(conf)
        argv = [str(self.tools.nginx), "-p", str(self.workdir), "-c", str(path), "-e", str(self.log("nginx"))]
        with self._started("nginx", argv, port, stub_port, env=self.tools.environment) as candidate:
            yield candidate

    @contextmanager
    def go(self, stub_port: int, scan: bool = False) -> Iterator[Candidate]:
        port = free_port()
        upstream = f"http://127.0.0.1:{stub_port}"
        argv = [str(self.tools.goproxy), "-listen", f"127.0.0.1:{port}", "-upstream", upstream]
        name = "go-scan" if scan else "go"
        with self._started(name, argv + ["-scan"] * scan, port, stub_port) as candidate:
            yield candidate

    @contextmanager
    def ours(self, name: str = "ours", parallel: int = 512) -> Iterator[Candidate]:
        """The daemon with one model; its stub is started by the daemon itself, at the first request."""
        port, stub_port = free_port(), free_ports(1)
        config = self.write_config(name, {"bench": [str(self.tools.stub), "--port", "${PORT}"]}, stub_port, parallel)
        with self._started(name, self.daemon(config, port), port, stub_port, one_at_a_time=parallel == 1) as candidate:
            yield candidate

    def daemon(self, config: Path, port: int) -> list[str]:
        return [self.python, "-m", "llamaswap", "-config", str(config), "-listen", f"127.0.0.1:{port}"]

    def write_config(self, name: str, models: dict[str, list[str]], start_port: int, parallel: int) -> Path:
        """A configuration (JSON is YAML) with one command a model and nothing else."""
        path = self.log(name).with_suffix(".yaml")
        settings = {"serial": {"parallel": parallel}}
        document = {
            "startPort": start_port,
            "models": {model: {"cmd": _command(argv)} for model, argv in models.items()},
            "routing": {"scheduler": {"use": "serial", "settings": settings}},
        }
        path.write_text(json.dumps(document, indent=1))
        return path

    @contextmanager
    def peer(self, name: str, url: str, stub_port: int) -> Iterator[Candidate]:
        """Somebody else's proxy, already running in front of our stub (see ``--stub-port``)."""
        parts = urlsplit(url if "//" in url else f"http://{url}")
        if parts.hostname not in ("127.0.0.1", "localhost") or parts.port is None:
            raise BenchError(f"peer {name}: {url} is not http://127.0.0.1:PORT; the benchmark stays on this machine")
        yield Candidate(name, parts.port, stub_port, processes.listener_of(parts.port), self.tools.stub)

    @contextmanager
    def _started(
        self,
        name: str,
        argv: list[str],
        port: int,
        stub_port: int,
        *,
        env: dict[str, str] | None = None,
        one_at_a_time: bool = False,
    ) -> Iterator[Candidate]:
        log = self.log(name)
        with running(
            argv, log, {**(env or {}), "PYTHONPATH": str(ROOT), "LLAMASWAP_STATE_DIR": str(log.parent)}
        ) as process:
            wait_healthy(process, port, log)
            yield Candidate(name, port, stub_port, process.pid, self.tools.stub, one_at_a_time)


def _command(argv: list[str]) -> str:
    """*argv* as one line; what the daemon is to fill in stays bare."""
    return " ".join(word if word.startswith("${") else shlex.quote(word) for word in argv)


Launch = Callable[[], AbstractContextManager[Candidate]]


def launches(launcher: Launcher, stub_port: int) -> dict[str, Launch]:
    """Every candidate this machine can have, by name, in the order of the tables."""
    known: dict[str, Launch] = {"direct": lambda: launcher.direct(stub_port)}
    if launcher.tools.nginx:
        known["nginx"] = lambda: launcher.nginx(stub_port)
    if launcher.tools.goproxy:
        known["go"] = lambda: launcher.go(stub_port)
        known["go-scan"] = lambda: launcher.go(stub_port, scan=True)
    known["ours"] = launcher.ours
    known["ours serial 1"] = lambda: launcher.ours("ours serial 1", parallel=1)
    return known
