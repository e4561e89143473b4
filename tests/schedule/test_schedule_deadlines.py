"""Who cannot be served in time is turned away, and costs nobody a swap."""

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import pytest

from llamaswap.config.routing import BatchSettings, FifoSettings
from llamaswap.config.schema import ModelId
from llamaswap.schedule.batch import BatchScheduler
from llamaswap.schedule.commands import Refusal, Reject
from llamaswap.schedule.deadlines import MOST_GONE, Deadlines
from llamaswap.schedule.events import Arrived, Event, Ticket
from llamaswap.schedule.eviction import OneAtATime
from llamaswap.schedule.fifo import FifoScheduler
from llamaswap.schedule.serial import SerialScheduler
from tests.schedule.crowd import ViolationError
from tests.schedule.random_world import History
from tests.schedule.sharing_plans import SharingHistory
from tests.schedule.story import Story, grant, start, stop


def fifo(models: Any, **settings: Any) -> FifoScheduler:
    return FifoScheduler(models, OneAtATime(), **settings)


def batch(models: Any, **settings: Any) -> BatchScheduler:
    return BatchScheduler(models, OneAtATime(), **settings)


every_scheduler = pytest.mark.parametrize("make", [SerialScheduler, fifo, batch])


def arrived(ticket: int, model: str, deadline: float, earliest: float | None = None) -> Arrived:
    return Arrived(Ticket(ticket), ModelId(model), deadline, earliest)


def too_late(ticket: int, detail: str, retry_after: float | None = None) -> Reject:
    return Reject(Ticket(ticket), Refusal.DEADLINE, detail, retry_after)


@every_scheduler
def test_a_deadline_that_passes_in_the_queue_ends_the_wait_and_costs_no_swap(make: Any) -> None:
    story = Story("a:ready", make=make)
    assert story.arrives(1, "a") == [grant(1, "a", 1)]
    assert story.tell(arrived(2, "b", 5.0)) == []
    assert story.machine.next_deadline == 5.0
    assert story.tick(4.9) == []
    assert story.tick(0.1) == [too_late(2, "its deadline passed after it had waited 5.0 s")]
    assert story.machine.next_deadline is None
    assert story.leaves(1) == []
    assert story.states == ["a:ready"]


@every_scheduler
def test_the_end_that_makes_room_comes_too_late_in_the_same_moment(make: Any) -> None:
    """What would be granted or loaded at the deadline is dropped first, whichever fact comes then."""
    story = Story("a:ready", make=make)
    story.arrives(1, "a")
    story.tell(arrived(2, "b", 5.0))
    story.now = 5.0
    assert story.leaves(1) == [too_late(2, "its deadline passed after it had waited 5.0 s")]
    assert story.states == ["a:ready"]


@every_scheduler
def test_the_next_one_does_not_pay_for_the_late_one(make: Any) -> None:
    story = Story("a:ready", make=make)
    story.arrives(1, "a")
    story.tell(arrived(2, "b", 5.0))
    story.arrives(3, "c")
    story.now = 6.0
    assert story.leaves(1) == [too_late(2, "its deadline passed after it had waited 6.0 s"), stop("a", 1)]
    assert story.exits("a", 1) == [start("c", 2)]


@every_scheduler
def test_a_deadline_during_the_load_leaves_the_load_to_whoever_comes_next(make: Any) -> None:
    story = Story(make=make)
    assert story.tell(arrived(1, "a", 5.0)) == [start("a", 1)]
    story.tick(5.0)
    assert story.arrives(2, "a") == []
    assert story.started("a", 1) == [grant(2, "a", 1)]


@every_scheduler
def test_who_is_served_has_met_the_deadline(make: Any) -> None:
    story = Story("a:ready", make=make)
    assert story.tell(arrived(1, "a", 5.0)) == [grant(1, "a", 1)]
    assert story.machine.next_deadline is None
    assert story.tick(10.0) == []


@every_scheduler
def test_what_cannot_be_in_time_is_refused_at_once(make: Any) -> None:
    story = Story("a:ready", make=make)
    reason = "its deadline is in 5.0 s, and it can start in 14.5 s at the earliest"
    assert story.tell(arrived(1, "b", 5.0, 14.5)) == [too_late(1, reason, 14.5)]
    assert story.tell(arrived(2, "b", 0.0)) == [too_late(2, "its deadline had passed when it arrived")]
    assert story.states == ["a:ready"]
    assert story.is_quiet()


def test_a_failed_start_still_fails_its_caller_before_the_deadline_does() -> None:
    story = Story()
    story.tell(arrived(1, "a", 5.0))
    story.now = 5.0
    assert [order.why for order in story.start_fails("a", 1) if isinstance(order, Reject)] == [Refusal.START_FAILED]


def test_a_reload_that_changes_the_scheduler_keeps_deadlines() -> None:
    story = Story("a:ready")
    story.arrives(1, "a")
    story.tell(arrived(2, "b", 5.0))
    other = fifo(story.models)
    other.take_over(story.machine)
    story.machine = other
    assert story.machine.next_deadline == 5.0
    assert story.tick(5.0) == [too_late(2, "its deadline passed after it had waited 5.0 s")]


def test_deadlines_of_those_who_have_gone_take_no_room() -> None:
    deadlines, waiting = Deadlines(), {Ticket(0)}
    deadlines.add(Ticket(0), 1.0)
    for number in range(1, 10_000):
        deadlines.add(Ticket(number), 3600.0 + number)  # served long before
        deadlines.tidy(waiting)
    assert len(deadlines._due) <= MOST_GONE + 3
    assert deadlines.next == 1.0
    assert deadlines.passed(1.0, waiting) == [Ticket(0)]
    deadlines.tidy(set())
    assert deadlines.next is None


# Random worlds; the judge holds that nobody is granted, and nothing is started, too late


class SerialDeadlines(History):
    def _arrival(self) -> Event:
        return with_deadline(self, super()._arrival())


class SharingDeadlines(SharingHistory):
    def _arrival(self) -> Event:
        return with_deadline(self, super()._arrival())


def with_deadline(history: History, event: Event) -> Event:
    """Some requests have one; of some it is known that they will not make it."""
    assert isinstance(event, Arrived)
    chance, now = history.random, history.world.now
    if chance.random() < 0.5:
        return event
    return replace(
        event, deadline=now + chance.choice((0.0, 0.125, 1.0, 3.0, 20.0)), earliest=chance.choice((None, now + 2.0))
    )


@pytest.mark.parametrize(
    "begin",
    [
        lambda seed: SerialDeadlines(SerialScheduler, seed),
        lambda seed: SharingDeadlines(FifoScheduler, seed, FifoSettings),
        lambda seed: SharingDeadlines(BatchScheduler, seed, BatchSettings),
    ],
    ids=["serial", "fifo", "batch"],
)
def test_deadlines_hold_in_random_histories(begin: Callable[[int], History]) -> None:
    dropped = 0
    for seed in range(40):
        history = begin(seed)
        history.run()
        orders = [order for _, _, orders in history.journal[1:] for order in orders]
        dropped += sum(isinstance(order, Reject) and order.why is Refusal.DEADLINE for order in orders)
    assert dropped > 100


class Careless(Deadlines):
    """Looks a moment too late."""

    def passed(self, now: float, waiting: Collection[Ticket]) -> list[Ticket]:
        return super().passed(now - 0.125, waiting)


def test_the_judge_sees_a_deadline_that_is_not_held() -> None:
    def make(*args: Any, **settings: Any) -> SerialScheduler:
        machine = SerialScheduler(*args, **settings)
        machine._deadlines = Careless()
        return machine

    with pytest.raises(ViolationError, match="deadline"):
        for seed in range(40):
            SerialDeadlines(make, seed).run()
