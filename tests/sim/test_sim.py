"""The simulator itself: worlds without a breach, replays that are the same, and defects that are found.

The rig `scripts/rigs/sim` plays many more.
"""

import random

import pytest

from tests.sim.draw import draw
from tests.sim.house import play
from tests.sim.planted import DEFECTS, Defect, caught
from tests.sim.planted_waiting import WAITING
from tests.sim.run import World, faults, sweep
from tests.sim.steps import FAULTS, Fault


@pytest.mark.parametrize("seed", range(12))
def test_an_hour_without_a_breach(seed: int) -> None:
    played = play(draw(seed))
    assert played.wrongs == []


def test_something_happens_in_these_worlds() -> None:
    """A world in which nobody is served, or nothing goes wrong, would prove nothing."""
    told = "\n".join(line for seed in range(12) for line in play(draw(seed)).told)
    for what in ("ends: whole", "ends: error", "ends: cut", "ends: left", "Dying(", "StopFailed(", "ConfigReplaced("):
        assert what in told, what


@pytest.mark.parametrize("seed", [0, 3])
def test_a_world_played_again_is_the_same_world(seed: int) -> None:
    """Step by step, although other worlds were played in between and other random numbers drawn."""
    first = play(draw(seed))
    random.seed(99)
    play(draw(seed + 1))
    again = play(draw(seed))
    assert (again.told, again.calls, again.steps) == (first.told, first.calls, first.steps)


def test_a_fault_changes_nothing_that_comes_before_it() -> None:
    world = World(4, tiny=True)
    plain = world.play()
    fault = Fault("call", plain.calls // 2)
    faulty = world._replace(fault=fault).play()
    at = next(n for n, line in enumerate(faulty.told) if f"call {fault.at} " in line)
    assert faulty.told[:at] == plain.told[:at]
    assert faulty.told != plain.told


def test_faults_of_each_kind_without_a_breach() -> None:
    assert sweep(1, 2).breaches == ()


def test_every_kind_of_fault_can_be_named_and_replayed() -> None:
    kinds = set()
    for fault in faults(World(1, tiny=True).play(), 1, 1):
        assert Fault.parse(str(fault)) == fault
        kinds.add(fault.kind)
    assert kinds == set(FAULTS)


@pytest.mark.parametrize("defect", (*DEFECTS, *WAITING), ids=lambda defect: defect.name)
def test_a_planted_defect_is_caught(defect: Defect) -> None:
    assert caught(defect) is not None
