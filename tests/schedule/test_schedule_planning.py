"""The plan for a request is what then happens, if nobody else comes."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from llamaswap.config.names import ModelId
from llamaswap.config.routing import BatchSettings, FifoSettings, GroupConfig
from llamaswap.schedule.batch import BatchScheduler
from llamaswap.schedule.commands import Command, Grant, Reject, Start, Stop
from llamaswap.schedule.events import Arrived, Event, Exited, Left, Life, ModelRules, Started, Tick, Ticket
from llamaswap.schedule.eviction import GroupEviction
from llamaswap.schedule.fifo import FifoScheduler
from llamaswap.schedule.fork import fork
from llamaswap.schedule.planning import Plan, what_if
from llamaswap.schedule.scheduler import Scheduler
from llamaswap.schedule.serial import SerialScheduler
from tests.schedule.random_world import History
from tests.schedule.sharing_plans import SharingHistory
from tests.schedule.story import GRACE, Story


class Exactly:
    """Implements `Typical` by durations that are known to the last digit, and never equal."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._known: dict[tuple[str, ModelId], float] = {}

    def service(self, model: ModelId, elapsed: float) -> float:
        return self._get("service", model)

    def load(self, model: ModelId, elapsed: float) -> float:
        return self._get("load", model)

    def stop(self, model: ModelId, elapsed: float) -> float:
        return self._get("stop", model)

    def _get(self, what: str, model: ModelId) -> float:
        if (what, model) not in self._known:
            self._known[what, model] = self._random.uniform(0.01, 5.0)
        return self._known[what, model]


class Player:
    """The real machine goes on, told what follows from its own orders; not by the simulation's code."""

    def __init__(self, machine: Scheduler, durations: Exactly, now: float) -> None:
        self.machine = machine
        self.durations = durations
        self.now = self.begin = now
        self.due: list[tuple[float, int, Event]] = []
        self.lives = {view.life: view.state for view in machine.residents()}
        self.count = 0
        self.log: list[tuple[float, Event, list[Command]]] = []
        for view in machine.residents():  # in the order in which a simulation resumes, which decides between equals
            if view.state == "starting":
                self._later(durations.load(view.model, 0.0), Started(view.model, view.life))
            elif view.state == "stopping":
                self._later(durations.stop(view.model, 0.0), Exited(view.model, view.life))
        for ticket, (model, _) in machine._requests.active.items():
            self._later(durations.service(model, 0.0), Left(ticket))

    def _later(self, seconds: float, event: Event) -> None:
        self.count += 1
        self.due.append((self.now + seconds, self.count, event))

    def tell(self, event: Event) -> list[Command]:
        orders = self.machine.handle(event, self.now)
        self.log.append((self.now, event, orders))
        for order in orders:
            match order:
                case Grant(ticket, model):
                    self._later(self.durations.service(model, 0.0), Left(ticket))
                case Reject(ticket):
                    self._later(0.0, Left(ticket))
                case Start(model, life):
                    self.lives[life] = "starting"
                    self._later(self.durations.load(model, 0.0), Started(model, life))
                case Stop(model, life) if self.lives.get(life) != "stopping":
                    self.lives[life] = "stopping"
                    self.due = [each for each in self.due if getattr(each[2], "life", None) != life]
                    self._later(self.durations.stop(model, 0.0), Exited(model, life))
        return orders

    def until_decided(self, ticket: Ticket) -> Command | None:
        """Play until *ticket* is granted or rejected, and return that."""
        while True:
            for order in self.log[-1][2]:
                if isinstance(order, Grant | Reject) and order.ticket == ticket:
                    return order
            coming = min(self.due, default=None, key=lambda each: each[:2])
            deadline = self.machine.next_deadline
            if deadline is not None and (coming is None or deadline < coming[0]) and deadline > self.now:
                self.now = deadline
                self.tell(Tick())
            elif coming is None:
                return None
            else:
                self.due.remove(coming)
                self.now = coming[0]
                self.tell(coming[2])


def happens_as_planned(machine: Scheduler, model: ModelId, now: float, seed: int, ticket: Ticket) -> Plan:
    """Plan, then do it: the outcome, its time, the victims, and each step in its order must come true."""
    before = machine.residents()
    plan = what_if(machine, model, now, typical=Exactly(seed))
    assert machine.residents() == before
    player = Player(machine, Exactly(seed), now)
    player.tell(Arrived(ticket, model))
    decided = player.until_decided(ticket)
    outcome = "open" if decided is None else "served" if isinstance(decided, Grant) else "refused"
    assert plan.outcome == outcome, plan
    if decided is not None:
        assert plan.starts_s == pytest.approx(player.now - now)
    _steps_come_true(plan, player)
    stopped = [order.model for _, _, orders in player.log for order in orders if isinstance(order, Stop)]
    assert [victim for victim, _ in plan.evicted if victim not in stopped] == []
    if outcome == "served" and not any(view.model == model and view.state == "ready" for view in before):
        loaded = [event.model for _, event, _ in player.log if isinstance(event, Started)]
        assert model in loaded
        assert ("start", model) in [(step.kind, step.model) for step in plan.steps]
    return plan


def _steps_come_true(plan: Plan, player: Player) -> None:
    kinds = {"start": Started, "stop": Exited, "requests": Left}
    ended = -1.0
    for step in plan.steps:
        assert step.ends_s is not None
        assert step.ends_s >= ended
        ended = step.ends_s
        at = [
            event
            for time, event, _ in player.log
            if isinstance(event, kinds[step.kind]) and time - player.begin == pytest.approx(step.ends_s)
        ]
        assert at, step
        if step.kind != "requests":
            assert step.model in [getattr(event, "model", None) for event in at]


@pytest.mark.parametrize(
    "begin",
    [
        lambda seed: History(SerialScheduler, seed),
        lambda seed: SharingHistory(FifoScheduler, seed, FifoSettings),
        lambda seed: SharingHistory(BatchScheduler, seed, BatchSettings),
    ],
    ids=["serial", "fifo", "batch"],
)
def test_what_happens_is_what_was_planned(begin: Callable[[int], Any]) -> None:
    served = steps = victims = 0
    for seed in range(120):
        history = begin(seed)
        for _ in range(history.random.randint(1, 60)):
            history._step()
        world = history.world
        if world.closed or not world.models:
            continue
        model = history.random.choice(sorted(world.models))
        plan = happens_as_planned(world.machine, model, world.now, seed, Ticket(history.tickets + 1))
        served += plan.outcome == "served"
        steps += len(plan.steps)
        victims += len(plan.evicted)
    assert served > 60
    assert steps > 100
    assert victims > 10


def told(plan: Plan) -> list[str]:
    return [*(step.sentence for step in plan.steps), plan.sentence]


def test_a_ready_model_serves_at_once() -> None:
    plan = what_if(Story("a:ready").machine, ModelId("a"), 0.0)
    assert told(plan) == ["is served at once: a is ready"]
    assert plan.as_json() == {
        "model": "a",
        "outcome": "served",
        "sentence": "is served at once: a is ready",
        "evicted": [],
        "steps": [],
    }


def test_the_whole_way_to_another_model() -> None:
    story = Story("a:ready")
    story.arrives(1, "a")
    story.arrives(2, "c")
    assert told(what_if(story.machine, ModelId("b"), 0.0)) == [
        "1 request of a must end",
        "c evicts a: one model at a time",
        "c is started",
        "1 request of c must end, which is waiting now",
        "b evicts c: one model at a time",
        "b is started",
        "is served then",
    ]


def test_groups_name_their_rule_and_leave_others_alone() -> None:
    groups = [
        GroupConfig("big", members=(ModelId("a"), ModelId("b"))),
        GroupConfig("small", exclusive=False, persistent=True, members=(ModelId("c"), ModelId("d"))),
    ]
    story = Story("a:ready", "c:ready", make=FifoScheduler, eviction=GroupEviction(groups))
    story.all_arrive("ac")
    plan = what_if(story.machine, ModelId("b"), 0.0, typical=Exactly(1))
    assert plan.evicted == ((ModelId("a"), "group big swaps"),)
    assert [step.sentence for step in plan.steps] == [
        "1 request of a must end",
        "b evicts a: group big swaps",
        "b is started",
    ]
    assert plan.starts_s == plan.steps[-1].ends_s


def test_what_has_begun_is_told_as_such() -> None:
    story = Story("a:ready")
    story.arrives(1, "b")
    assert told(what_if(story.machine, ModelId("b"), 0.0)) == [
        "a, which is stopping, must be gone: one model at a time",
        "b is started",
        "1 request of b must end, which is waiting now",
        "is served then",
    ]
    story.exits("a", 1)
    assert told(what_if(story.machine, ModelId("b"), 0.0))[0] == "b, which is loading, must be ready"


def test_what_would_be_refused() -> None:
    story = Story(rules={"a": ModelRules(grace=GRACE, limit=1)})
    story.arrives(1, "a")
    assert told(what_if(story.machine, ModelId("a"), 0.0)) == ["is refused: the model's concurrencyLimit is reached"]
    story = Story("b:stuck")
    assert told(what_if(story.machine, ModelId("a"), 0.0)) == ["is refused: b cannot be stopped: "]


def test_what_is_too_far_back_is_not_told_step_by_step() -> None:
    story = Story("a:ready")
    story.all_arrive("ab" * 500)
    plan = what_if(story.machine, ModelId("b"), 0.0)
    assert (plan.outcome, plan.steps) == ("open", ())
    assert plan.sentence == "is too far back in the queue to be told step by step"


def test_times_end_where_something_is_not_known() -> None:
    class Partly(Exactly):
        def load(self, model: ModelId, elapsed: float) -> float:
            return 2.5 if model == "b" else float("inf")

    story = Story("a:ready")
    plan = what_if(story.machine, ModelId("b"), 0.0, typical=Partly(1))
    assert plan.starts_s is not None
    story.arrives(1, "c")
    plan = what_if(story.machine, ModelId("b"), 0.0, typical=Partly(1))
    assert plan.starts_s is None
    assert [step.ends_s is None for step in plan.steps] == [False, True, True, True, True]


def test_asking_changes_nothing() -> None:
    story = Story("a:ready", make=BatchScheduler, eviction=GroupEviction([]))
    story.all_arrive("abc")
    copy = fork(story.machine)
    what_if(story.machine, ModelId("b"), 100.0)
    assert story.machine.handle(Left(Ticket(1)), 100.0) == copy.handle(Left(Ticket(1)), 100.0)
    assert Life(2) not in [view.life for view in copy.residents()]
