"""What every scenario is handed: the candidates that run, the tools, and how long to measure."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.candidates import Candidate, Launch, Launcher, launches
from benchmark.measure import Column, Sample, Table, interleave, parse, reference_among, wait_for_quiet
from benchmark.processes import BenchError, output_of
from benchmark.tools import Tools

QUESTION = "Why is the sky blue, and why is it red in the evening? Answer in two sentences. "


@dataclass(frozen=True)
class Extent:
    """How much is measured."""

    rounds: int
    seconds: float
    quick: bool


@dataclass
class Room:
    """The candidates, started when a scenario first asks for them, and what scenarios need beside them."""

    tools: Tools
    launcher: Launcher
    extent: Extent
    launches: dict[str, Launch]
    notes: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    _standing: list[Candidate] = field(default_factory=list)
    _lives: ExitStack = field(default_factory=ExitStack)

    def file(self, name: str) -> str:
        return str(self.launcher.workdir / name)

    def note(self, text: str) -> None:
        self.notes.append(text)
        print(f"  {text}", flush=True)

    def candidates(self) -> list[Candidate]:
        """All that run, started now if need be. Who does not start is noted and left out."""
        if not self._standing:
            for name in self.launches:
                if name not in self.missing:
                    self._admit(name)
        return self._standing

    def _admit(self, name: str) -> None:
        with ExitStack() as attempt:
            try:
                candidate = attempt.enter_context(self.launches[name]())
                warm(self, candidate)
            except BenchError as error:
                self.note(f"{name} left out: {error}")
                self.missing.append(name)
                return
            self._standing.append(candidate)
            self._lives.push(attempt.pop_all())

    def dismiss(self) -> None:
        """End all that run: for scenarios that start their own, and must not share memory or cores with others."""
        self._standing = []
        self._lives.close()

    def parallel(self) -> list[Candidate]:
        """Those that serve many at once."""
        return [candidate for candidate in self.candidates() if not candidate.one_at_a_time]

    def settle(self) -> list[str]:
        """Wait a little for a quiet machine; returns what a reader must know when it did not come."""
        busy = 0.0 if self.extent.quick else wait_for_quiet(5.0)
        return [f"{busy:.0%} of the machine was used by others when this began"] if busy > 0.2 else []

    def compare(
        self,
        key: str,
        title: str,
        columns: list[Column],
        take: Callable[[Candidate], Sample],
        *,
        candidates: list[Candidate] | None = None,
        reference: str = "go",
        rounds: int | None = None,
    ) -> Table:
        """Measure *candidates* (default: all) in alternating rounds."""
        chosen = self.candidates() if candidates is None else candidates
        print(f"{title} ...", flush=True)
        remarks = self.settle()
        rows = interleave(chosen, rounds or self.extent.rounds, take)
        return Table(key, title, columns, rows, reference_among(rows, reference), remarks)


def write_bodies(workdir: Path) -> None:
    """The three requests: 300 bytes, the same for a stream, and 10 MB with ``model`` as the last key."""
    messages = [{"role": "user", "content": (QUESTION * 3)[:216]}]
    (workdir / "small.json").write_text(json.dumps({"model": "bench", "messages": messages}))
    (workdir / "stream.json").write_text(json.dumps({"model": "bench", "stream": True, "messages": messages}))
    image = "data:image/png;base64," + "iVBORw0KGgo" * 900_000
    parts = [{"type": "image_url", "image_url": {"url": image}}]
    big = {"messages": [{"role": "user", "content": parts}], "model": "bench"}
    (workdir / "big.json").write_text(json.dumps(big))


def warm(room: Room, candidate: Candidate) -> None:
    """One request, so that the model of a daemon is loaded. Raises `BenchError` when it is not answered with 200."""
    argv = [str(room.tools.sclient), str(candidate.port), "/v1/chat/completions", "1", room.file("small.json")]
    if parse(output_of(argv, 60.0))["answers"] != 1:
        raise BenchError("the first request was not answered with 200")


@contextmanager
def open_room(
    launcher: Launcher, extent: Extent, stub_port: int, *, peers: dict[str, str], only: set[str]
) -> Iterator[Room]:
    """Start the stub; leaving the block ends it and every candidate that runs then."""
    tools = launcher.tools
    write_bodies(launcher.workdir)
    known = launches(launcher, stub_port)
    for name, url in peers.items():
        known[name] = lambda name=name, url=url: launcher.peer(name, url, stub_port)  # type: ignore[misc] # a default
    room = Room(tools, launcher, extent, {name: known[name] for name in known if not only or name in only})
    for note in tools.notes:
        room.note(note)
    with launcher.stub(stub_port):
        try:
            yield room
        finally:
            room.dismiss()
