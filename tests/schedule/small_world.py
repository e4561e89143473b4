"""Every order of events in a small world: a search over all situations, each judged once.

A situation is the machine's whole state, what the judge remembers, and what the world may still do: who is still to
ask for what, and which mishaps are left. Each step on the way to one is played and judged in full. What must change
nothing, late and repeated facts, is tried once for all situations that differ only in what may still come: neither
machine nor judge know of that.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from llamaswap.config.schema import ModelId
from llamaswap.schedule.events import (
    Arrived,
    Ask,
    ConfigReplaced,
    Dying,
    Event,
    Exited,
    Left,
    Life,
    ShutdownAsked,
    Started,
    StartFailed,
    StopFailed,
    Tick,
    Ticket,
    UnloadAsked,
)
from tests.schedule.copies import clone_machine, machine_key
from tests.schedule.crowd import ViolationError
from tests.schedule.small_plans import Budget, Plan, less
from tests.schedule.surroundings import Process
from tests.schedule.world import World

#: So many situations of each wish are visited in turn where not all are.
TURN = 100


@dataclass
class Counts:
    """What a search has seen.

    Attributes:
        events: Steps that were played and judged; many lead to situations that were seen before.
        states: Situations that differ in more than what may still come.
    """

    situations: int = 0
    events: int = 0
    seen: set[int] = field(default_factory=set)
    probed: set[int] = field(default_factory=set)

    @property
    def states(self) -> int:
        return len(self.probed)


class Situation(NamedTuple):
    """A world, what it may still do, and how it came about.

    Attributes:
        machine: The machine's state, hashed.
        state: That and what the judge remembers, hashed.
    """

    world: World
    wish: tuple[ModelId, ...]
    arrived: int
    budget: Budget
    machine: int
    state: int
    trace: tuple[Any, ...] = ()

    def mark(self) -> int:
        """Hashed, and the same for situations with the same future."""
        return hash((self.state, self.wish[self.arrived :], self.budget))

    def history(self) -> list[Event]:
        events: list[Event] = []
        link = self.trace
        while link:
            event, link = link
            events.append(event)
        return events[::-1]


def explore(make: Any, plan: Plan, most: int | None = None) -> Counts:
    """Visit every situation of *plan*, or stop after *most*, with those of each wish in turn.

    Raises:
        ViolationError: the machine broke a rule; the message tells the history.
    """
    counts = Counts()
    stacks = [[_situation(plan.world(make), wish, 0, plan.budget, ())] for wish in plan.wishes()]
    while stacks and (most is None or counts.situations < most):
        for stack in stacks:
            _explore_from(stack, counts, most and min(most, counts.situations + TURN))
        stacks = [stack for stack in stacks if stack]
    return counts


def _explore_from(stack: list[Situation], counts: Counts, most: int | None) -> None:
    """Go on with what is left on *stack*, until so many situations have been visited in all."""
    while stack and (most is None or counts.situations < most):
        situation = stack.pop()
        if situation.state not in counts.probed:
            counts.probed.add(situation.state)
            _probe(situation)
        choices = list(_choices(situation))
        for left, (event, budget) in enumerate(choices, 1 - len(choices)):
            following = _after(situation, event, budget, last=not left)
            counts.events += 1
            mark = following.mark()
            if mark not in counts.seen:
                counts.seen.add(mark)
                counts.situations += 1
                stack.append(following)


def _situation(world: World, wish: tuple[ModelId, ...], arrived: int, budget: Budget, trace: Any) -> Situation:
    machine = hash(machine_key(world.machine, world.now))
    state = hash((machine, arrived, world.key()))
    return Situation(world, wish, arrived, budget, machine, state, trace)


def _after(situation: Situation, event: Event, budget: Budget, *, last: bool) -> Situation:
    """The situation after *event*; with *last* it takes the world over instead of copying it."""
    world = situation.world if last else situation.world.clone(clone_machine)
    trace = (event, situation.trace)
    arrived = situation.arrived
    if isinstance(event, Tick):
        world.now = world.due if world.due is not None else world.now + 100.0
    elif isinstance(event, Arrived):
        arrived += 1
    try:
        world.tell(event)
    except Exception as error:
        history = situation._replace(trace=trace).history()
        raise ViolationError(f"{type(error).__name__} {error} after {history}") from error
    return _situation(world, situation.wish, arrived, budget, trace)


def _probe(situation: Situation) -> None:
    """Facts that are late or repeated change nothing."""
    world = situation.world
    gone, ghost = Life(world.last_life + 7), ModelId("a")
    facts: list[Event] = [Left(Ticket(999)), Started(ghost, gone), Exited(ghost, gone), StartFailed(ghost, gone)]
    facts += [StopFailed(ghost, gone), Dying(ghost, gone), Tick()]
    for life, process in world.processes.items():
        facts += [Exited(ModelId("z"), life), Dying(ModelId("z"), life)]
        if not process.running:
            facts.append(Dying(process.model, life))
        if process.healthy or process.told:
            facts.append(Started(process.model, life))
    facts += [Left(Ticket(ticket)) for ticket in range(situation.arrived) if Ticket(ticket) not in world.crowd]
    for fact in facts:
        orders = world.machine.handle(fact, world.now)
        if orders:
            raise ViolationError(f"{fact} is not ignored: {orders} after {situation.history()}")
    if hash(machine_key(world.machine, world.now)) != situation.machine:
        raise ViolationError(f"one of {facts} has left a trace after {situation.history()}")


def _choices(situation: Situation) -> Iterator[tuple[Event, Budget]]:
    """Every fact that may come next."""
    world, budget = situation.world, situation.budget
    if situation.arrived < len(situation.wish):
        yield Arrived(Ticket(situation.arrived), situation.wish[situation.arrived]), budget
    for ticket in (*world.crowd.served, *world.crowd.rejected):
        yield Left(ticket), budget
    if budget.cancels:
        for ticket in world.crowd.waiting:
            yield Left(ticket), less(budget, "cancels")
    for life, process in world.processes.items():
        yield from _process_choices(life, process, budget)
    if world.due is not None:
        yield Tick(), budget
    elif budget.waits:
        yield Tick(), less(budget, "waits")
    if budget.unloads or budget.shutdowns or budget.reloads:
        yield from _asked_choices(world, budget)


def _process_choices(life: Life, process: Process, budget: Budget) -> Iterator[tuple[Event, Budget]]:
    model = process.model
    match process.state:
        case "starting":
            yield Started(model, life), budget
            if budget.failures:
                for kind in (StartFailed, Dying, Exited):
                    yield kind(model, life, "no"), less(budget, "failures")
        case "ready":
            if budget.crashes:
                for kind in (Dying, Exited):
                    yield kind(model, life, "crash"), less(budget, "crashes")
        case "stopping":
            yield Exited(model, life), budget
            if budget.late and not process.healthy:
                yield Started(model, life), less(budget, "late")
            if budget.stuck:
                yield StopFailed(model, life, "D"), less(budget, "stuck")
        case _:
            yield Exited(model, life), budget


def _asked_choices(world: World, budget: Budget) -> Iterator[tuple[Event, Budget]]:
    if budget.unloads:
        fewer = less(budget, "unloads")
        ask = Ask(budget.unloads)
        yield UnloadAsked(ask), fewer
        for model in world.models:
            yield UnloadAsked(ask, frozenset([model]), grace=1.0), fewer
    if budget.shutdowns:
        fewer = less(budget, "shutdowns")
        yield ShutdownAsked(grace=3.0), fewer
        yield ShutdownAsked(drain=False, grace=1.0), fewer
    if budget.reloads:
        fewer = less(budget, "reloads")
        for model in world.models:
            yield ConfigReplaced(world.models, frozenset([model])), fewer
            yield ConfigReplaced({m: rules for m, rules in world.models.items() if m != model}), fewer
