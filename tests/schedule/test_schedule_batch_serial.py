"""`batch` that lets nobody pass, over one place for all, is `serial`, order by order."""

import pytest

from tests.schedule.random_world import History
from tests.schedule.small_plans import PLANS, Plan
from tests.schedule.small_world import explore
from tests.schedule.twins import Twins

ALIKE = [plan for plan in PLANS if not plan.abort_orphan_loads]


@pytest.mark.parametrize("plan", ALIKE, ids=lambda plan: plan.name)
def test_in_every_situation_of_a_small_world(plan: Plan) -> None:
    assert explore(Twins, plan, most=700).situations > 600


def test_in_random_histories() -> None:
    histories = [history for seed in range(60) if (history := twin_history(seed)) is not None]
    assert len(histories) > 30
    assert sum(history.run() for history in histories) > 12_000


def twin_history(seed: int) -> History | None:
    try:
        return History(Twins, seed)
    except AssertionError:  # that one aborts the loads of orphans, which only serial can
        return None
