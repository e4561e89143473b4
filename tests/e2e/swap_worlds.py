"""Six models under each scheduler and each router, and which of them may be alive together: said by hand, not computed.

`World.together` names the largest sets. They hold whatever was loaded in which order: two models are in none of them
together only if each of the two would have the other evicted.
"""

import json
from collections.abc import Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.running import fake

NAMES = "abcdef"
#: How the models behave. The last two cost a second at each stop, so few requests are for them.
FLAGS = {
    "a": (),
    "b": ("--load", "0.03", "--stop-delay", "0.05"),
    "c": ("--load", "0.05", "--token-delay", "0.02"),
    "d": ("--wrap", "--stop-delay", "0.02"),
    "e": ("--ignore-term",),
    "f": ("--setsid", "--double-fork", "--clean-env"),
}
WEIGHTS = {"a": 12, "b": 12, "c": 12, "d": 12, "e": 1, "f": 1}
GRACE_S = 1


@dataclass(frozen=True)
class World:
    """One way to configure the daemon.

    Attributes:
        scheduler: The key ``routing.scheduler``.
        router: The key ``routing.router``.
        together: The largest sets of models that may be alive at once, a letter each.
        parallel: The models' key of that name.
        served_at_once: Most requests that one model may be serving.
        overtakes: By how many later arrivals a request may be passed; None: of the same model by none, else by any.
        patience: Seconds after which it may be passed by nobody any more.
    """

    name: str
    scheduler: dict[str, Any]
    together: tuple[str, ...]
    router: dict[str, Any] = field(default_factory=dict)
    parallel: int = 1
    served_at_once: int = 1
    overtakes: int | None = None
    patience: float = float("inf")

    def permits(self, alive: Set[str]) -> bool:
        """Whether these may be alive at once."""
        return not alive or any(alive <= set(largest) for largest in self.together)

    def config(self, room: Path) -> dict[str, Any]:
        """The daemon's configuration. Journal and roll are kept in *room*, which is there."""
        (room / "roll").mkdir()
        return {
            "models": self._models(room / "roll"),
            "routing": {"scheduler": self.scheduler} | ({"router": self.router} if self.router else {}),
            "journal": {"path": str(room / "journal")},
            "unloadTimeout": GRACE_S,
        }

    def _models(self, roll: Path) -> dict[str, Any]:
        # Under serial the one lock of all says it, too.
        more = ("--roll", str(roll), *(() if self.scheduler["use"] == "serial" else ("--shared",)))
        return {name: fake(name, *flags, *more, parallel=self.parallel) for name, flags in FLAGS.items()}


def _groups(**groups: dict[str, Any]) -> dict[str, Any]:
    return {"use": "group", "settings": {"groups": groups}}


def _matrix(costs: dict[str, int], **sets: str) -> dict[str, Any]:
    return {"use": "matrix", "settings": {"matrix": {"evict_costs": costs, "sets": sets}}}


def _batch(overtakes: int, patience: float) -> dict[str, Any]:
    return {"use": "batch", "settings": {"batch": {"maxOvertakes": overtakes, "maxWait": patience}}}


WORLDS = (
    World("serial", {"use": "serial"}, tuple(NAMES), overtakes=0),
    World(
        "fifo, groups",
        {"use": "fifo", "settings": {"fifo": {"priority": {"b": 5}}}},
        ("acdf", "bcdf", "ecdf"),
        _groups(
            big={"swap": True, "exclusive": True, "members": ["a", "b", "e"]},
            kept={"swap": False, "exclusive": False, "persistent": True, "members": ["c", "f"]},
            side={"swap": False, "exclusive": False, "members": ["d"]},
        ),
        served_at_once=10,
    ),
    World(
        "fifo, matrix",
        {"use": "fifo", "settings": {"fifo": {"maxWait": 2}}},
        ("ab", "bc", "ca", "ade", "f"),  # any two of a, b, c; never all three
        _matrix({"d": 3}, ab="a & b", bc="b & c", ca="c & a", more="a & d & e"),
        served_at_once=10,
    ),
    World(
        "batch, groups",
        _batch(4, 3),
        ("ab", "ce", "d", "f"),
        _groups(
            duo={"swap": False, "exclusive": True, "members": ["a", "b"]},
            other={"swap": False, "exclusive": True, "members": ["c", "e"]},
        ),
        parallel=2,
        served_at_once=2,
        overtakes=4,
        patience=3,
    ),
    World(
        "batch, matrix",
        _batch(2, 60),
        ("abd", "abe", "acd", "ace", "f"),
        _matrix({"a": 2}, chat="a & (b | c) & (d | e)"),
        overtakes=2,
        patience=60,
    ),
)


def entries(text: str) -> list[dict[str, Any]]:
    """The lines of a ledger or a journal. A last line without its end is about to be written, and left out."""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
