"""Reloads under load with real processes: nobody's request fails, and what is unchanged does not notice.

    scripts/rigs/reload [--reloads N] [--seed S] [--short]

Clients stream from two models that never change and from one that changes at each reload, while others come, go and
move. Reloads are asked for in every way, one by one and in bursts, with bad files between good ones. Each request must
be answered whole, by the right model; pids, ports, descriptors and threads must stay as they are. Exit code 1, with
the seed, at the first breach.
"""

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.allowance import ALLOWANCE_S
from tests.e2e.running import ROOT, Daemon, fake, until

STEADY = ("steady1", "steady2")
#: Promised from the last of several writes to what it says being in force.
PROMISED_S = 5.0


def configuration(version: int, dice: random.Random) -> dict[str, Any]:
    """Version *version*: the steady models, the changing one, some others, and a name by which it can be told."""
    models = {name: fake(name, "--token-delay", "0.005") for name in STEADY}
    models["changing"] = fake("changing", "--token-delay", "0.005", env=[f"VERSION={version}"])
    for name in dice.sample(["aaa", "bbb", "mmm", "sss", "zzz"], dice.randint(0, 4)):  # before, between and after
        models[name] = fake(name, ttl=dice.randint(0, 2))
    models[f"v{version}"] = fake("version")
    members = [*STEADY, "changing"]
    groups = {"together": {"swap": False, "exclusive": False, "persistent": True, "members": members}}
    return {
        "models": models,
        "logLevel": dice.choice(["info", "warn"]) if version else "info",  # its first lines tell where it listens
        "logToStdout": dice.choice(["proxy", "both"]),
        "routing": {
            "scheduler": {"use": "fifo", "settings": {"fifo": {"priority": {"changing": dice.randint(0, 3)}}}},
            "router": {"use": "group", "settings": {"groups": groups}},
        },
    }


@dataclass
class Clients:
    """Ask until told to stop. `failures` holds what must not be."""

    running: Daemon
    answered: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Clients":
        models = (*STEADY, *STEADY, "changing", "changing")
        self._threads = [threading.Thread(target=self._ask, args=(model,)) for model in models]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a client waits for ever"

    def _ask(self, model: str) -> None:
        while not self.over.is_set():
            try:
                with self.running.wire() as wire:
                    wire.sock.settimeout(60)
                    wire.chat(model, stream=True)
                    answer = wire.answer()
                assert answer.status == 200, answer.text
                assert answer.headers["x-fake-model"] == model
                assert answer.text.endswith("data: [DONE]\n\n"), answer.text
            except Exception as failure:
                self.failures.append(f"{model}: {type(failure).__name__}: {failure}")
                self.over.set()
                return
            self.answered[model] += 1


@dataclass
class Rig:
    """A daemon, and one way after the other to have it reload."""

    running: Daemon
    dice: random.Random
    allowance: float
    version: int = 0
    reloads: int = 0
    unlike: list[tuple[int, int]] = field(default_factory=list)

    def write(self) -> None:
        """All at once, as a careful editor does: a signal may come at any time."""
        self.version += 1
        whole, beside = self.running.config_file, self.running.directory / "next.yaml"
        self.running.config_file = beside
        self.running.configure(configuration(self.version, self.dice))
        self.running.config_file = whole
        beside.replace(whole)

    def generation(self) -> int:
        return int(self.running.get("/api/config").json()["generation"])

    def one(self) -> None:
        """A good file, and one trigger."""
        self.write()
        how = self.dice.choice(["post", "post", "post", "hangup", "verb"])
        before = self.generation()
        if how == "post":
            answer = self.running.request("POST", "/api/config/reload")
            assert answer.status == 200, answer.text
        elif how == "verb":
            command = [sys.executable, "-m", "llamaswap", "reload", "--socket", str(self.running.socket_path)]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
            assert done.returncode == 0, done.stderr
        else:
            self.running.signal(signal.SIGHUP)
        self.in_force()
        self.reloads += self.generation() - before

    def burst(self) -> None:
        """Several writes and triggers, as fast as they come: the last write wins."""
        before = self.generation()
        for _ in range(self.dice.randint(2, 5)):
            self.write()
            self.running.signal(signal.SIGHUP)
        self.in_force()
        self.reloads += self.generation() - before

    def bad(self) -> None:
        """A bad file: nothing changes, and the reason can be read."""
        assert self.running.request("POST", "/api/config/reload").status == 200  # begins after all that were asked for
        before = self.generation()
        good = self.running.config_file.read_text()
        self.running.config_file.write_text(good.replace('"models"', '"modles"') + "\n  - x: [")
        answer = self.running.request("POST", "/api/config/reload")
        assert answer.status == 422, answer.text
        held = self.running.get("/api/config").json()
        assert held["generation"] == before
        assert held["last_reload"]["problems"], held
        self.running.config_file.write_text(good)
        self.in_force()

    def in_force(self) -> None:
        """The version written last is what holds, soon."""
        newest = f"v{self.version}"

        def holds() -> bool:
            return any(row["id"] == newest for row in self.running.get("/v1/models").json()["data"])

        until(holds, f"{newest} in force", PROMISED_S + self.allowance)

    def steady_pids(self) -> dict[str, int]:
        return {name: self.running.model_pid(name) for name in STEADY}

    def ports(self) -> dict[str, str]:
        return {row["model"]: row["proxy"] for row in self.running.get("/running").json()["running"]}

    def size(self) -> tuple[int, int]:
        """Descriptors and threads, while nobody asks for anything."""
        process = psutil.Process(self.running.pid)
        until(lambda: not any(row["requests"] for row in self.running.queue()["running"]), "no request in flight")
        return process.num_fds(), process.num_threads()


def run(
    reloads: int, seed: int, directory: Path, say: Callable[[str], None] = print, allowance: float = ALLOWANCE_S
) -> Counter[str]:
    """So many reloads. Raises AssertionError at the first breach; promised times may be exceeded by *allowance*."""
    dice = random.Random(seed)
    with Daemon(directory, configuration(0, dice)) as running:
        rig = Rig(running, dice, allowance)
        for name in (*STEADY, "changing"):
            assert running.chat(name).status == 200
        rig.one()
        pids, ports, sizes = rig.steady_pids(), rig.ports(), [rig.size()]
        answered: Counter[str] = Counter()
        while rig.reloads < reloads:
            with Clients(running) as clients:
                until_then = min(reloads, rig.reloads + 50)
                while rig.reloads < until_then and not clients.over.is_set():
                    dice.choice([rig.one, rig.one, rig.one, rig.burst, rig.bad])()
            assert not clients.failures, f"{clients.failures[0]}\n{running.log}"
            assert all(clients.answered[name] for name in STEADY)
            answered += clients.answered
            sizes.append(rig.size())
            assert rig.steady_pids() == pids, "an unchanged model was restarted"
            assert all(rig.ports()[name] == ports[name] for name in STEADY), "an unchanged model's port moved"
            say(f"{rig.reloads} reloads, {answered.total()} answers, descriptors and threads {sizes[-1]}")
        assert "Traceback" not in str(running.log), running.log
        assert running.starts().count(STEADY[0]) == 1
        # Kept connections and idle threads come and go; what leaks at each reload would stay, many times over.
        until(lambda: rig.size()[0] <= sizes[0][0] + 12, f"so few descriptors again: {sizes}")
        until(lambda: rig.size()[1] <= sizes[0][1] + 3, f"so few threads again: {sizes}")
    return answered


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/rigs/reload", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--reloads", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--short", action="store_true", help="50 reloads, half a minute, with time for a busy machine")
    options = parser.parse_args()
    reloads, allowance = (50, ALLOWANCE_S) if options.short else (options.reloads, 0.0)
    print(f"{reloads} reloads, seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="reload-") as directory:
        try:
            answered = run(reloads, options.seed, Path(directory), lambda line: print(line, flush=True), allowance)
        except AssertionError as error:
            print(f"seed {options.seed}: {error}")
            return 1
    print(", ".join(f"{count} whole answers of {model}" for model, count in sorted(answered.items())))
    print("0 failed requests, no unchanged model restarted or moved")
    return 0


if __name__ == "__main__":
    sys.exit(main())
