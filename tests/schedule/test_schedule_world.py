"""The judge and the search themselves: a rig that merges what differs, or miscounts, proves less than it says."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from llamaswap.config.names import ModelId
from llamaswap.config.routing import BatchSettings, FifoSettings
from llamaswap.schedule.batch import BatchScheduler
from llamaswap.schedule.events import Arrived, Ask, Event, Exited, Left, Life, Started, Ticket, UnloadAsked
from llamaswap.schedule.fifo import FifoScheduler
from llamaswap.schedule.fork import fork
from llamaswap.schedule.serial import SerialScheduler
from tests.schedule.copies import clone_machine, machine_key
from tests.schedule.crowd import Crowd, ViolationError
from tests.schedule.random_world import History
from tests.schedule.sharing_plans import SharingHistory
from tests.schedule.small_plans import PLANS, Budget, Plan
from tests.schedule.small_world import explore
from tests.schedule.world import World

BEGIN = [
    lambda seed: History(SerialScheduler, seed),
    lambda seed: SharingHistory(FifoScheduler, seed, FifoSettings),
    lambda seed: SharingHistory(BatchScheduler, seed, BatchSettings),
]
KINDS = ["serial", "fifo", "batch"]
A, B = ModelId("a"), ModelId("b")


def moments(begin: Callable[[int], History]) -> Iterator[World]:
    """Worlds of random histories, wherever they have got to."""
    for seed in range(20):
        history = begin(seed)
        for _ in range(120):
            history._step()
            yield history.world


@pytest.mark.parametrize("begin", BEGIN, ids=KINDS)
def test_a_copy_decides_alike_and_leaves_the_original_alone(begin: Callable[[int], History]) -> None:
    everything, asked = UnloadAsked(Ask(99)), 0
    for world in moments(begin):
        machine, now = world.machine, world.now
        before = machine_key(machine, now)
        copied, forked = clone_machine(machine), fork(machine)  # type: ignore[type-var] # all of these are schedulers
        assert machine_key(copied, now) == before
        facts: list[Event] = [Arrived(Ticket(9_999), A), everything]
        facts += [Exited(process.model, life) for life, process in world.processes.items()]
        for fact in facts:
            assert copied.handle(fact, now) == forked.handle(fact, now)
            asked += 1
        assert machine_key(copied, now) == machine_key(forked, now)
        assert machine_key(machine, now) == before
    assert asked > 4_000


@pytest.mark.parametrize("begin", BEGIN, ids=KINDS)
def test_copies_know_every_part_of_a_scheduler(begin: Callable[[int], History]) -> None:
    """One that is added needs a place in the copy and in the key; then it may be added here."""
    copied = {"_requests", "_residents", "_unloads", "_backoff", "_swaps", "_passed_by"}
    shared = {"_rules", "_eviction", "_settings", "_needs", "_parallel", "_abort_orphan_loads", "_deadlines"}
    machine: Any = begin(0).world.machine
    assert vars(machine).keys() <= copied | shared | {"_closed", "_draining"}
    assert vars(machine._residents).keys() == {"most_grace", "_begun", "_by_life", "_by_model"}
    assert vars(machine._unloads).keys() == {"_pending"}
    assert vars(machine._backoff).keys() == {"_records"}


def test_lives_that_were_healthy_and_that_never_were_are_two_situations() -> None:
    """The machine sees both stopping; only one of them may still become healthy."""
    keys = set()
    for healthy in (True, False):
        world = PLANS[0].world(SerialScheduler)
        world.tell(Arrived(Ticket(0), A))
        if healthy:
            world.tell(Started(A, Life(1)))
        world.tell(Left(Ticket(0)))
        world.tell(Arrived(Ticket(1), B))
        assert world.processes[Life(1)].state == "stopping"
        keys.add((machine_key(world.machine, world.now), world.key()))
    assert len({machine for machine, _ in keys}) == 1
    assert len(keys) == 2


def test_a_search_with_a_limit_sees_every_wish() -> None:
    """Not only the first of them, in which all want the same."""
    seen = set()

    class Watched(SerialScheduler):
        def handle(self, event: Event, now: float) -> Any:
            seen.update([event.model] if isinstance(event, Arrived) else [])
            return super().handle(event, now)

    explore(Watched, PLANS[0], most=3_000)
    assert seen == {"a", "b", "c"}


def test_a_search_without_a_limit_ends_and_counts_each_situation_once() -> None:
    plan = Plan("tiny", Budget(cancels=1), models="ab", requests=2)
    whole, again = explore(SerialScheduler, plan), explore(SerialScheduler, plan, most=10**6)
    assert whole.situations == len(whole.seen) == again.situations
    assert whole.seen == again.seen
    assert whole.states < whole.situations < whole.events


def test_the_judge_notices_when_he_miscounts() -> None:
    crowd = Crowd()
    crowd.arrive(Ticket(1), A, 0.0, None)
    crowd.arrive(Ticket(2), A, 0.0, 5.0)
    crowd.serve(Ticket(1), Life(1))
    crowd.recount()
    crowd.by_life[Life(1)] = 2
    with pytest.raises(ViolationError, match="can count"):
        crowd.recount()


def test_clients_come_and_go_without_a_trace() -> None:
    crowd = Crowd()
    for ticket in map(Ticket, range(4)):
        crowd.arrive(ticket, A, 0.0, 1.0)
    crowd.serve(Ticket(0), Life(1))
    crowd.reject(Ticket(1))
    assert [crowd.leave(Ticket(ticket)) for ticket in range(4)] == [Life(1), None, None, None]
    assert not crowd.anybody()
    assert not (crowd.wanted or crowd.busy or crowd.outstanding or crowd.by_life or crowd.deadlines)
