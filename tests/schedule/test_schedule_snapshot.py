"""A machine's state written, read and copied: it goes on exactly as the original would."""

import random
from typing import Any, get_args

import pytest

from llamaswap.config.routing import RoutingConfig, SchedulerConfig, SchedulerName
from llamaswap.config.schema import ModelId
from llamaswap.schedule.events import (
    Arrived,
    Dying,
    Event,
    Exited,
    Left,
    Life,
    ModelRules,
    Started,
    StartFailed,
    Tick,
    Ticket,
    UnloadAsked,
)
from llamaswap.schedule.fork import fork
from llamaswap.schedule.journal import header_text, read_header, state_text
from llamaswap.schedule.rebuild import build, machine_of
from llamaswap.schedule.scheduler import Scheduler
from llamaswap.schedule.snapshot import SnapshotError, snapshot

MODELS = {ModelId(name): ModelRules(ttl=5.0, parallel=2) for name in "abc"}
SCHEDULERS: tuple[SchedulerName, ...] = get_args(SchedulerName)


def settings(scheduler: SchedulerName) -> RoutingConfig:
    return RoutingConfig(scheduler=SchedulerConfig(use=scheduler))


class Facts:
    """Random facts that could be true of *machine*."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.tickets = 0
        self.now = 0.0

    def about(self, machine: Scheduler) -> Event:
        self.now += self.random.choice((0.0, 0.1, 3.0))
        residents = machine.residents()
        if not residents or self.random.random() < 0.4:
            self.tickets += 1
            return Arrived(Ticket(self.tickets), self.random.choice(list(MODELS)))
        if self.random.random() < 0.4:
            return Left(Ticket(self.random.randint(1, self.tickets)))
        each = self.random.choice(residents)
        kinds: dict[str, list[Any]] = {
            "starting": [Started, Started, StartFailed, Dying],
            "ready": [Started, Exited, Dying],
            "stopping": [Exited],
            "stuck": [Exited],
        }
        if self.random.random() < 0.02:
            return UnloadAsked(get_ask(self.tickets), None)
        fact: Event = self.random.choice(kinds[each.state])(each.model, each.life)
        return fact


def get_ask(number: int) -> Any:
    return number


def restored(machine: Scheduler, routing: RoutingConfig) -> Scheduler:
    return machine_of(read_header(header_text(machine, routing, {})))


@pytest.mark.parametrize("use", SCHEDULERS)
@pytest.mark.parametrize("seed", range(10))
def test_a_copy_goes_on_as_the_original(use: SchedulerName, seed: int) -> None:
    routing, facts = settings(use), Facts(seed)
    machine = build(routing, MODELS)
    others = [restored(machine, routing), fork(machine)]
    for step in range(300):
        fact = facts.about(machine)
        orders = machine.handle(fact, facts.now)
        for other in others:
            assert other.handle(fact, facts.now) == orders
            assert other.next_deadline == machine.next_deadline
        if step % 50 == 0:
            text = state_text(machine)
            others = [restored(others[0], routing), fork(others[1])]
            assert [state_text(other) for other in others] == [text, text]


@pytest.mark.parametrize("use", SCHEDULERS)
def test_a_fork_is_independent(use: SchedulerName) -> None:
    facts, machine = Facts(99), build(settings(use), MODELS)
    for _ in range(100):
        machine.handle(facts.about(machine), facts.now)
    before, copied = state_text(machine), fork(machine)
    for _ in range(100):
        copied.handle(facts.about(copied), facts.now)
    assert state_text(machine) == before != state_text(copied)


def test_what_is_no_state_is_refused() -> None:
    machine = build(RoutingConfig(), MODELS)
    machine._requests.active[Ticket(1)] = iter([Life(1)])  # type: ignore[assignment] # on purpose
    with pytest.raises(SnapshotError, match="list_iterator"):
        snapshot(machine)


def test_a_thing_referred_to_twice_stays_one() -> None:
    machine: Any = build(RoutingConfig(), MODELS)
    machine._twin = machine._requests
    other: Any = restored(machine, RoutingConfig())
    assert other._twin is other._requests
    assert fork(machine)._twin is not machine._requests


def test_an_endless_queue_is_copied_in_bulk() -> None:
    machine = build(RoutingConfig(), MODELS)
    for number in range(1000):
        machine.handle(Arrived(Ticket(number), ModelId("a")), 0.0)
    copied = fork(machine)
    assert all(a is b for a, b in zip(machine.waiting(), copied.waiting(), strict=True))
    copied.handle(Left(Ticket(3)), 1.0)
    copied.handle(Tick(), 1.0)
    assert len(list(machine.waiting())) == 1000
