"""The swap's own cost: a request for a cold model through the daemon, minus the same work done by hand."""

import random
import socket
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

from benchmark.candidates import Launcher
from benchmark.measure import Column, Sample, Table
from benchmark.processes import BenchError, end, free_port, is_healthy, running, wait_healthy
from benchmark.room import Room

MODELS = ("cold-a", "cold-b")


def own_cost(room: Room) -> list[Table]:
    """Two models in turns, each request finding the other one loaded; by hand the same with two bare processes.

    Both sides stop the old model, start the new one and ask it; the loads take 50 to 400 ms, no multiple of any probe's
    step, the same on both sides in each round.
    """
    if "ours" not in room.launches:
        return []
    room.dismiss()
    print("swap's own cost ...", flush=True)
    loads = [random.Random(number).uniform(50, 400) for number in range(3 if room.extent.quick else 17)]
    rows: dict[str, list[Sample]] = {"by hand": [], "ours": []}
    with ExitStack() as stack:
        daemon = stack.enter_context(_Daemon(room.launcher))
        hand = stack.enter_context(_Hand(room.launcher))
        for number, load_ms in enumerate(loads):
            turn = number % 2
            by_hand = hand.swap_ms(load_ms)
            ours = daemon.swap_ms(MODELS[turn], load_ms)
            rows["by hand"].append({"swap_ms": by_hand, "load_ms": load_ms})
            rows["ours"].append({"swap_ms": ours, "load_ms": load_ms, "own_ms": ours - by_hand})
    first = 1  # the first round finds nothing loaded on either side
    rows = {name: samples[first:] for name, samples in rows.items()}
    columns = [
        Column("load_ms", "load ms", 0, as_ratio=False),
        Column("swap_ms", "first byte after ms", 1, as_ratio=False),
        Column("own_ms", "own cost ms", 1, as_ratio=False),
    ]
    worst = max(sample["own_ms"] for sample in rows["ours"])
    remarks = [f"own cost: median of {len(rows['ours'])} swaps, worst {worst:.1f} ms"]
    return [Table("swap", "Swap's own cost", columns, rows, None, remarks)]


def _first_byte(port: int, model: str) -> None:
    body = f'{{"model":"{model}","messages":[]}}'
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", port), 30.0) as sock:
        sock.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        answer = sock.recv(4096)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise BenchError(f"the cold model was answered with {answer[:200]!r}")


class _Daemon:
    """A daemon with two models whose load time is read from a file at each start."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher
        self._stack = ExitStack()
        self._port = free_port()
        self._load = launcher.workdir / "load-ms"
        self._load.write_text("0")

    def __enter__(self) -> "_Daemon":
        script = self._launcher.workdir / "cold-model"
        script.write_text(f'#!/bin/sh\nexec "{self._launcher.tools.stub}" --load-ms "$(cat {self._load})" "$@"\n')
        script.chmod(0o755)
        models = {model: [str(script), "--port", "${PORT}"] for model in MODELS}
        config = self._launcher.write_config("cold", models, free_port(), 1)
        log = self._launcher.log("cold")
        process = self._stack.enter_context(running(self._launcher.daemon(config, self._port), log))
        wait_healthy(process, self._port, log)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def swap_ms(self, model: str, load_ms: float) -> float:
        self._load.write_text(str(round(load_ms)))
        began = time.perf_counter()
        _first_byte(self._port, model)
        return (time.perf_counter() - began) * 1000


class _Hand:
    """The same two commands, started by this process and probed every millisecond."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher
        self._old: subprocess.Popen[bytes] | None = None
        self._load: Path = launcher.workdir / "load-ms"

    def __enter__(self) -> "_Hand":
        return self

    def __exit__(self, *_: object) -> None:
        if self._old:
            end(self._old, 5.0)

    def swap_ms(self, load_ms: float) -> float:
        self._load.write_text(str(round(load_ms)))
        port = free_port()
        began = time.perf_counter()
        if self._old:
            end(self._old, 5.0)
        argv = [str(self._launcher.workdir / "cold-model"), "--port", str(port)]
        self._old = subprocess.Popen(argv, stdin=subprocess.DEVNULL, start_new_session=True)
        while not is_healthy(port):
            if self._old.poll() is not None or time.perf_counter() - began > 20:
                raise BenchError("the model started by hand did not come up")
            time.sleep(0.001)
        _first_byte(port, MODELS[0])
        return (time.perf_counter() - began) * 1000
