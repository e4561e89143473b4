"""The rigs at the size of a test: small worlds, random worlds, and the defects they catch. See scripts/rigs/core."""

from pathlib import Path

import pytest

from llamaswap.schedule.replay import replay
from llamaswap.schedule.serial import SerialScheduler
from tests.schedule.planted import DEFECTS, Defect, caught_by_random_worlds, caught_by_small_worlds, plant
from tests.schedule.random_world import History, lines, play
from tests.schedule.small_plans import PLANS, Plan
from tests.schedule.small_world import explore

DEFECTS_PAGE = Path(__file__).parents[2] / "docs" / "planted-defects.md"


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.name)
def test_every_order_of_events_in_a_small_world(plan: Plan) -> None:
    counts = explore(SerialScheduler, plan, most=5_000)
    print(f"{plan.name}: {counts.situations} situations, {counts.events} events")
    assert counts.situations > 1_000


def test_random_histories_break_no_rule() -> None:
    assert play(SerialScheduler, range(250)) >= 100_000


def test_a_history_repeats_from_its_journal_byte_for_byte() -> None:
    for seed in range(1000, 1020):
        history = History(SerialScheduler, seed)
        history.run()
        journal = lines(history.journal)
        assert list(replay(journal)) == journal


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_a_planted_defect_is_caught(defect: Defect) -> None:
    make = plant(defect)
    assert (
        caught_by_random_worlds(make, range(20)) is not None
        or caught_by_small_worlds(make, most=2_000) is not None
        or caught_by_random_worlds(make, range(20, 200)) is not None
    )


def test_planting_leaves_the_real_scheduler_alone() -> None:
    plant(DEFECTS[0])
    assert caught_by_random_worlds(SerialScheduler, range(3)) is None


def test_the_page_of_planted_defects_is_complete() -> None:
    page = DEFECTS_PAGE.read_text()
    assert [defect.name for defect in DEFECTS if f"| {defect.name} |" not in page] == []
