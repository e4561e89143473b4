"""fifo and batch in every order of events of small worlds, and in random histories over random policies."""

from typing import Any

import pytest

from llamaswap.config.routing import BatchSettings, FifoSettings
from llamaswap.schedule.batch import BatchScheduler
from llamaswap.schedule.fifo import FifoScheduler
from tests.schedule.sharing_plans import BATCH_PLANS, FIFO_PLANS, SharingPlan, play_sharing
from tests.schedule.small_world import explore


@pytest.mark.parametrize("plan", FIFO_PLANS, ids=lambda plan: plan.name)
def test_every_order_of_events_under_fifo(plan: SharingPlan) -> None:
    assert explore(FifoScheduler, plan, most=1_500).situations > 1_000


@pytest.mark.parametrize("plan", BATCH_PLANS, ids=lambda plan: plan.name)
def test_every_order_of_events_under_batch(plan: SharingPlan) -> None:
    assert explore(BatchScheduler, plan, most=1_500).situations > 1_000


@pytest.mark.parametrize(("make", "kind"), [(FifoScheduler, FifoSettings), (BatchScheduler, BatchSettings)])
def test_r_33_random_histories_break_no_rule(make: Any, kind: Any) -> None:
    assert play_sharing(make, kind, range(100)) >= 40_000
