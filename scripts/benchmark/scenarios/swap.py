"""The swap's own cost: a request for a cold model through the daemon, minus the same work done by hand."""

import random
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from benchmark.candidates import Launcher
from benchmark.measure import Column, Sample, Table
from benchmark.processes import BenchError, counters, end, free_port, free_ports, is_healthy, running, wait_healthy
from benchmark.room import Room

SILENT, TALKING = "silent", "talking"


def own_cost(room: Room) -> list[Table]:
    """Two models in turns, each request finding the other one loaded; by hand the same with bare processes.

    One model prints a line when it listens, as most servers do, which the daemon may take as a hint; one says nothing.

    Both sides stop the old model, start the new one and ask it; the loads take 50 to 400 ms, no multiple of any probe's
    step, the same on both sides in each round.
    """
    if "ours" not in room.launches:
        return []
    room.dismiss()
    print("swap's own cost ...", flush=True)
    loads = [random.Random(number).uniform(50, 400) for number in range(3 if room.extent.quick else 17)]
    rows: dict[str, list[Sample]] = {"by hand": [], "ours": [], "ours, silent model": []}
    remarks = room.settle()
    model = _ColdModel(room.launcher)
    with ExitStack() as stack:
        hand = stack.enter_context(_Hand(model))
        daemon = stack.enter_context(_Daemon(model, room.launcher))
        for load_ms in loads:
            model.set_load(load_ms)
            rows["by hand"].append(model.timed(hand.swap, load_ms))
            rows["ours"].append(model.timed(partial(daemon.swap, TALKING), load_ms))
            rows["ours, silent model"].append(model.timed(partial(daemon.swap, SILENT), load_ms))
    rows = {name: samples[1:] for name, samples in rows.items()}  # the first round finds nothing loaded
    for by_hand, *both in zip(*rows.values(), strict=True):
        for ours in both:
            ours["own_ms"] = ours["swap_ms"] - by_hand["swap_ms"]
    columns = [
        Column("swap_ms", "first byte after ms", 1, as_ratio=False),
        Column("spawn_ms", "old gone, new spawned ms", 1, as_ratio=False),
        Column("load_ms", "load ms", 0, as_ratio=False),
        Column("notice_ms", "listening to first byte ms", 1, as_ratio=False),
        Column("own_ms", "own cost ms", 1, as_ratio=False),
    ]
    worst = max(sample["own_ms"] for sample in rows["ours"])
    remarks.append(f"own cost: median of {len(rows['ours'])} swaps, worst {worst:.1f} ms")
    return [Table("swap", "Swap's own cost", columns, rows, None, remarks)]


def _first_byte(port: int, model: str) -> None:
    body = f'{{"model":"{model}","messages":[]}}'
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", port), 30.0) as sock:
        sock.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        answer = sock.recv(4096)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise BenchError(f"the cold model was answered with {answer[:200]!r}")


class _ColdModel:
    """The command both sides start: a stub whose load time is read from a file, and which leaves word of its port."""

    def __init__(self, launcher: Launcher) -> None:
        self._load = launcher.workdir / "cold-load"
        self._port = launcher.workdir / "cold-port"
        self.script = launcher.workdir / "cold-model"
        stub, load, port = launcher.tools.stub, self._load, self._port
        self.script.write_text(f'#!/bin/sh\necho "$2" >"{port}"\nexec "{stub}" --load-ms "$(cat "{load}")" "$@"\n')
        self.script.chmod(0o755)
        self.set_load(0)

    def set_load(self, milliseconds: float) -> None:
        self._load.write_text(str(round(milliseconds)))

    def timed(self, swap: Callable[[], None], load_ms: float) -> Sample:
        """How long *swap* takes, and its parts: by the stub's own account of the moment it began to listen."""
        began = time.monotonic_ns()
        swap()
        ended = time.monotonic_ns()
        bound = counters(int(self._port.read_text()))["bound_ns"]
        spawned = bound - round(load_ms) * 1_000_000
        parts = {"swap_ms": ended - began, "spawn_ms": spawned - began, "notice_ms": ended - bound}
        return {"load_ms": load_ms, **{name: nanoseconds / 1e6 for name, nanoseconds in parts.items()}}


class _Daemon:
    """A daemon with two such models, one of which says when it listens."""

    def __init__(self, model: _ColdModel, launcher: Launcher) -> None:
        argv = [str(model.script), "--port", "${PORT}"]
        models = {SILENT: argv, TALKING: [*argv, "--say", "listening"]}
        config = launcher.write_config("cold", models, free_ports(len(models)), 1)
        self._port = free_port()
        self._argv = launcher.daemon(config, self._port)
        self._log = launcher.log("cold")
        self._stack = ExitStack()

    def __enter__(self) -> "_Daemon":
        process = self._stack.enter_context(running(self._argv, self._log))
        wait_healthy(process, self._port, self._log)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def swap(self, model: str) -> None:
        _first_byte(self._port, model)


class _Hand:
    """The same command, started by this process and probed every millisecond."""

    def __init__(self, model: _ColdModel) -> None:
        self._model = model
        self._old: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "_Hand":
        return self

    def __exit__(self, *_: object) -> None:
        if self._old:
            end(self._old, 5.0)

    def swap(self) -> None:
        if self._old:
            end(self._old, 5.0)
        port, limit = free_port(), time.monotonic() + 20
        argv = [str(self._model.script), "--port", str(port)]
        self._old = subprocess.Popen(argv, stdin=subprocess.DEVNULL, start_new_session=True)
        while not is_healthy(port):
            if self._old.poll() is not None or time.monotonic() > limit:
                raise BenchError("the model started by hand did not come up")
            time.sleep(0.001)
        _first_byte(port, SILENT)
