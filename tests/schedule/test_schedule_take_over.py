"""One scheduler goes on where another stands: nothing is lost, nothing is served twice, the order of arrival stays."""

import itertools

import pytest

from llamaswap.config.routing import BatchSettings
from llamaswap.config.schema import ModelId
from llamaswap.schedule.batch import BatchScheduler
from llamaswap.schedule.commands import Grant, Reject, Start, Stop, Unloaded
from llamaswap.schedule.events import (
    Arrived,
    Ask,
    ConfigReplaced,
    Exited,
    Left,
    Life,
    ModelRules,
    ShutdownAsked,
    Started,
    StartFailed,
    Ticket,
    UnloadAsked,
)
from llamaswap.schedule.eviction import OneAtATime
from llamaswap.schedule.fifo import FifoScheduler
from llamaswap.schedule.scheduler import Scheduler
from llamaswap.schedule.serial import SerialScheduler

A, B, C = ModelId("a"), ModelId("b"), ModelId("c")
MODELS = {model: ModelRules(parallel=2) for model in (A, B, C)}


def serial() -> Scheduler:
    return SerialScheduler(MODELS)


def fifo() -> Scheduler:
    return FifoScheduler(MODELS, OneAtATime())


def batch() -> Scheduler:
    return BatchScheduler(MODELS, OneAtATime(), BatchSettings(max_overtakes=2, max_wait=1000))


KINDS = {"serial": serial, "fifo": fifo, "batch": batch}
PAIRS = list(itertools.product(KINDS, KINDS))


def arrives(machine: Scheduler, ticket: int, model: ModelId) -> list[object]:
    return list(machine.handle(Arrived(Ticket(ticket), model), 0))


def handed_over(old: Scheduler, kind: str) -> Scheduler:
    new = KINDS[kind]()
    new.take_over(old)
    return new


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_a_load_goes_on_for_its_caller_and_the_others_follow_in_order(before: str, after: str) -> None:
    old = KINDS[before]()
    assert arrives(old, 1, A) == [Start(A, Life(1))]
    arrives(old, 2, B)
    arrives(old, 3, C)
    machine = handed_over(old, after)
    assert machine.handle(ConfigReplaced(MODELS), 0) == []
    assert [waiting.ticket for waiting in machine.waiting()] == [1, 2, 3]
    assert machine.handle(Started(A, Life(1)), 0) == [Grant(Ticket(1), A, Life(1))]
    assert machine.handle(Left(Ticket(1)), 0) == [Stop(A, Life(1), 10)]
    assert machine.handle(Exited(A, Life(1)), 0) == [Start(B, Life(2))]
    assert machine.handle(Started(B, Life(2)), 0) == [Grant(Ticket(2), B, Life(2))]
    machine.handle(Left(Ticket(2)), 0)
    assert machine.handle(Exited(B, Life(2)), 0) == [Start(C, Life(3))]


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_a_served_request_is_still_served_and_nobody_else_comes_in(before: str, after: str) -> None:
    old = KINDS[before]()
    arrives(old, 1, A)
    old.handle(Started(A, Life(1)), 0)
    arrives(old, 2, B)
    machine = handed_over(old, after)
    assert machine.handle(ConfigReplaced(MODELS), 0) == []
    assert [view.in_flight for view in machine.residents()] == [1]
    assert machine.handle(Left(Ticket(1)), 0) == [Stop(A, Life(1), 10)]


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_a_load_that_fails_is_told_to_its_caller(before: str, after: str) -> None:
    old = KINDS[before]()
    arrives(old, 1, A)
    machine = handed_over(old, after)
    (told,) = machine.handle(StartFailed(A, Life(1), "no"), 0)
    assert isinstance(told, Reject) and told.ticket == 1


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_unloads_and_the_end_are_remembered(before: str, after: str) -> None:
    old = KINDS[before]()
    arrives(old, 1, A)
    old.handle(Started(A, Life(1)), 0)
    old.handle(UnloadAsked(Ask(1), frozenset((A,))), 0)
    old.handle(ShutdownAsked(), 0)
    machine = handed_over(old, after)
    assert machine.handle(Exited(A, Life(1)), 0) == [Unloaded(Ask(1))]
    (refused,) = arrives(machine, 2, A)
    assert isinstance(refused, Reject)


def test_who_has_been_passed_may_not_be_passed_as_often_again() -> None:
    old = batch()
    arrives(old, 1, A)
    old.handle(Started(A, Life(1)), 0)
    arrives(old, 2, B)
    assert arrives(old, 3, A) == [Grant(Ticket(3), A, Life(1))]
    old.handle(Left(Ticket(3)), 0)
    machine = handed_over(old, "batch")
    assert arrives(machine, 4, A) == [Grant(Ticket(4), A, Life(1))]
    machine.handle(Left(Ticket(4)), 0)
    assert arrives(machine, 5, A) == []
