"""What becomes of each process, drawn from the world's seed.

Fates are drawn by model and number of the life, not in the order of events, so that a world with one fault more is
otherwise the same world.
"""

import random
from dataclasses import dataclass, replace
from typing import Literal

from tests.sim.plan import NEVER, Plan


@dataclass(frozen=True)
class Fate:
    """How one life of a model goes. Seconds after the spawn, but for those that follow a signal.

    Attributes:
        ends_s: It dies by itself.
        term_s: How long it takes to obey SIGTERM.
        straggler_s: How long a child outlives SIGTERM; None: there is no child.
        unkillable_s: How long the kernel does not let go of it after SIGKILL.
        keeps_s: How long it keeps a connection on which nothing happens; if not at all, it says so.
        guard: What its guard does: its duty, die with the life under it, or never act on an order.
    """

    runs: bool = True
    listens_s: float = 0.0
    healthy_s: float = 0.0
    ends_s: float = NEVER
    term_s: float = 0.0
    straggler_s: float | None = None
    unkillable_s: float = 0.0
    guard: Literal["", "dies", "deaf"] = ""
    guard_s: float = NEVER
    keeps_s: float = 5.0


def fate_of(plan: Plan, model: str, nth: int) -> Fate:
    """How the *nth* life of *model* goes in that world."""
    rng = random.Random(f"{plan.seed}/{model}/{nth}")
    sound = random.Random(f"{plan.seed}/{model}").random()
    fate = _fate(rng, sound)
    if model in plan.unguarded and fate.runs and not fate.guard and rng.random() < 0.2:
        fate = replace(fate, guard="dies", guard_s=fate.healthy_s + 20 * rng.random(), unkillable_s=4.0)
    if model in plan.loads_s and fate.runs and fate.healthy_s != NEVER and fate.ends_s == NEVER:
        return replace(fate, healthy_s=max(fate.listens_s, plan.loads_s[model]))
    return fate


def _fate(rng: random.Random, sound: float) -> Fate:
    """*sound*: from 0 to 1, how good a model it is; most are fine, and one in ten fails often."""
    bad = 0.7 if sound < 0.1 else 0.12
    listens = rng.choice((0.0, 0.01, 0.5, 2.0)) * rng.random()
    fate = Fate(
        listens_s=listens,
        healthy_s=listens + rng.choice((0.0, 0.01, 1.0, 6.0, 15.0)) * rng.random(),
        term_s=rng.choice((0.0, 0.0, 0.05, 1.0, 5.0)) * rng.random(),
        keeps_s=rng.choice((0.0, 0.3, 5.0)),
    )
    if rng.random() < 0.15:
        fate = replace(fate, straggler_s=rng.choice((0.1, 1.0, 8.0, NEVER)))
    if rng.random() < 0.08:
        fate = replace(fate, term_s=NEVER)
    if rng.random() < 0.03:
        fate = replace(fate, unkillable_s=rng.choice((0.5, 3.0, 20.0, 120.0)))
    if rng.random() < 0.03:
        fate = replace(fate, guard=rng.choice(("dies", "deaf")), guard_s=rng.choice((0.0, 1.0, 30.0)) * rng.random())
    if rng.random() < bad:
        return replace(fate, **rng.choice(_mishaps(rng, fate)))  # type: ignore[arg-type]  # by name
    return fate


def _mishaps(rng: random.Random, fate: Fate) -> list[dict[str, object]]:
    return [
        {"runs": False},
        {"healthy_s": NEVER},
        {"listens_s": NEVER, "healthy_s": NEVER},
        {"ends_s": fate.healthy_s * rng.random()},
        {"ends_s": fate.healthy_s + rng.choice((0.0, 1.0, 30.0)) * rng.random()},
        {"ends_s": fate.healthy_s + rng.choice((1.0, 60.0)) * rng.random(), "straggler_s": 2.0},
    ]
