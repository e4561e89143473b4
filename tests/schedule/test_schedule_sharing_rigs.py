"""fifo and batch in every order of events of small worlds, and in random histories over random policies."""

from pathlib import Path
from typing import Any

import pytest

from llamaswap.config.routing import BatchSettings, FifoSettings
from llamaswap.schedule.batch import BatchScheduler
from llamaswap.schedule.fifo import FifoScheduler
from tests.schedule.planted import Defect, plant
from tests.schedule.planted_sharing import RIGS, SHARING_DEFECTS
from tests.schedule.sharing_plans import BATCH_PLANS, FIFO_PLANS, SharingPlan, play_sharing
from tests.schedule.small_world import explore

DEFECTS_PAGE = Path(__file__).parents[2] / "docs" / "planted-defects.md"


@pytest.mark.parametrize("plan", FIFO_PLANS, ids=lambda plan: plan.name)
def test_every_order_of_events_under_fifo(plan: SharingPlan) -> None:
    assert explore(FifoScheduler, plan, most=700).situations > 600


@pytest.mark.parametrize("plan", BATCH_PLANS, ids=lambda plan: plan.name)
def test_every_order_of_events_under_batch(plan: SharingPlan) -> None:
    assert explore(BatchScheduler, plan, most=700).situations > (20 if plan.wish else 600)


@pytest.mark.parametrize(("make", "kind"), [(FifoScheduler, FifoSettings), (BatchScheduler, BatchSettings)])
def test_r_33_random_histories_break_no_rule(make: Any, kind: Any) -> None:
    assert play_sharing(make, kind, range(60)) >= 20_000


@pytest.mark.parametrize(("rig", "defect"), SHARING_DEFECTS, ids=lambda each: getattr(each, "name", each))
def test_a_planted_defect_is_caught(rig: str, defect: Defect) -> None:
    make = plant(defect, "batch" if rig == "twins" else rig)
    rigs = RIGS[rig]
    assert (
        rigs.small(make, most=300) is not None
        or rigs.random(make, range(20)) is not None
        or rigs.small(make, most=3_000) is not None
    )


def test_the_page_of_planted_defects_is_complete() -> None:
    page = DEFECTS_PAGE.read_text()
    assert [defect.name for _, defect in SHARING_DEFECTS if f"| {defect.name} |" not in page] == []
