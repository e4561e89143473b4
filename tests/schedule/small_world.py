"""Every order of events in a small world: a search over all situations, each judged once.

A situation is the machine's whole state and what the world may still do. Tickets and lives count up for ever, so lives
are renumbered by age, and times are taken relative to now; whatever else the machine holds is in the key as it is.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, cast

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
    ModelRules,
    ShutdownAsked,
    Started,
    StartFailed,
    StopFailed,
    Tick,
    Ticket,
    UnloadAsked,
)
from llamaswap.schedule.residents import State
from tests.schedule.world import Machine, Process, ViolationError, World


@dataclass(frozen=True)
class Budget:
    """How often each kind of mishap may happen in one history."""

    cancels: int = 0
    crashes: int = 0
    failures: int = 0
    stuck: int = 0
    unloads: int = 0
    shutdowns: int = 0
    reloads: int = 0
    late: int = 0  # a life becomes healthy after it was told to stop
    waits: int = 0  # time passes until every rest is over


@dataclass(frozen=True)
class Plan:
    """One small world: which models, how many requests, which mishaps, which settings."""

    name: str
    budget: Budget
    models: str = "abc"
    requests: int = 4
    ttl: float = 0.0
    limit: int = 0
    parallel: int = 1
    abort_orphan_loads: bool = False
    residents: tuple[tuple[str, State], ...] = ()

    def rules(self) -> dict[ModelId, ModelRules]:
        return {
            ModelId(m): ModelRules(ttl=self.ttl, grace=5.0 + place, limit=self.limit)
            for place, m in enumerate(self.models)
        }

    def settings(self) -> dict[str, Any]:
        return {
            "parallel": self.parallel,
            "abort_orphan_loads": self.abort_orphan_loads,
            "residents": self.residents,
        }

    def world(self, make: Any) -> World:
        """The judge over a machine that *make* makes."""
        return World(make(self.rules(), **self.settings()), self.rules(), **self.settings())

    def larger(self) -> "Plan":
        """The same with one more request, and each mishap that may happen may happen once more."""
        more = {name: count + 1 for name, count in vars(self.budget).items() if count}
        return replace(self, requests=self.requests + 1, budget=replace(self.budget, **more))

    def wishes(self) -> Iterator[tuple[ModelId, ...]]:
        """Who asks for what, in order; renaming the models makes no new world."""
        for wish in product(self.models, repeat=self.requests):
            firsts = "".join(dict.fromkeys(wish))
            if self.models.startswith(firsts) or self.residents:
                yield tuple(map(ModelId, wish))


@dataclass
class Counts:
    """What a search has seen."""

    situations: int = 0
    events: int = 0
    seen: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class Situation:
    """A world, what it may still do, and how it came about."""

    world: World
    wish: tuple[ModelId, ...]
    arrived: int
    budget: Budget
    trace: tuple[Any, ...] = ()

    def history(self) -> list[Event]:
        events: list[Event] = []
        link = self.trace
        while link:
            event, link = link
            events.append(event)
        return events[::-1]


def explore(make: Any, plan: Plan, most: int | None = None) -> Counts:
    """Visit every situation of *plan*, or stop after *most*.

    Raises:
        ViolationError: the machine broke a rule; the message tells the history.
    """
    counts = Counts()
    for wish in plan.wishes():
        _explore_from(Situation(plan.world(make), wish, 0, plan.budget), counts, most)
        if most is not None and counts.situations >= most:
            break
    return counts


def _explore_from(first: Situation, counts: Counts, most: int | None) -> None:
    stack = [first]
    while stack:
        situation = stack.pop()
        _probe(situation)
        for event, budget in _choices(situation):
            following = _after(situation, event, budget)
            counts.events += 1
            mark = hash(_key(following))
            if mark not in counts.seen:
                counts.seen.add(mark)
                counts.situations += 1
                stack.append(following)
        if most is not None and counts.situations >= most:
            return


def _after(situation: Situation, event: Event, budget: Budget) -> Situation:
    world = situation.world.clone(clone_machine)
    trace = (event, situation.trace)
    if isinstance(event, Tick):
        due = world.machine.next_deadline
        world.now = due if due is not None else world.now + 100.0
    following = Situation(world, situation.wish, situation.arrived + isinstance(event, Arrived), budget, trace)
    try:
        world.tell(event)
    except Exception as error:
        raise ViolationError(f"{type(error).__name__} {error} after {following.history()}") from error
    return following


def _probe(situation: Situation) -> None:
    """Facts that are late or repeated change nothing, in any situation."""
    world = situation.world
    before = _machine_key(world)
    gone, ghost = Life(world.last_life + 7), ModelId("a")
    facts: list[Event] = [Left(Ticket(999)), Started(ghost, gone), Exited(ghost, gone), StartFailed(ghost, gone)]
    facts += [StopFailed(ghost, gone), Dying(ghost, gone), Tick()]
    for life, process in world.processes.items():
        facts += [Exited(ModelId("z"), life), Dying(ModelId("z"), life)]
        if not process.running:
            facts.append(Dying(process.model, life))
        if process.healthy or process.told:
            facts.append(Started(process.model, life))
    for ticket in range(situation.arrived):
        if ticket not in world.clients:
            facts.append(Left(Ticket(ticket)))
    for fact in facts:
        orders = world.machine.handle(fact, world.now)
        if orders:
            raise ViolationError(f"{fact} is not ignored: {orders} after {situation.history()}")
    if _machine_key(world) != before:
        raise ViolationError(f"one of {facts} has left a trace after {situation.history()}")


def _choices(situation: Situation) -> Iterator[tuple[Event, Budget]]:
    """Every fact that may come next."""
    world, budget = situation.world, situation.budget
    if situation.arrived < len(situation.wish):
        yield Arrived(Ticket(situation.arrived), situation.wish[situation.arrived]), budget
    for ticket, client in world.clients.items():
        if client.phase != "waiting":
            yield Left(ticket), budget
        elif budget.cancels:
            yield Left(ticket), replace(budget, cancels=budget.cancels - 1)
    for life, process in world.processes.items():
        yield from _process_choices(life, process, budget)
    if world.machine.next_deadline is not None:
        yield Tick(), budget
    elif budget.waits:
        yield Tick(), replace(budget, waits=budget.waits - 1)
    yield from _asked_choices(world, budget)


def _process_choices(life: Life, process: Process, budget: Budget) -> Iterator[tuple[Event, Budget]]:
    model = process.model
    match process.state:
        case "starting":
            yield Started(model, life), budget
            if budget.failures:
                less = replace(budget, failures=budget.failures - 1)
                yield StartFailed(model, life, "no"), less
                yield Dying(model, life, "no"), less
                yield Exited(model, life, "no"), less
        case "ready":
            if budget.crashes:
                less = replace(budget, crashes=budget.crashes - 1)
                yield Dying(model, life, "crash"), less
                yield Exited(model, life, "crash"), less
        case "stopping":
            yield Exited(model, life), budget
            if budget.late and not process.healthy:
                yield Started(model, life), replace(budget, late=budget.late - 1)
            if budget.stuck:
                yield StopFailed(model, life, "D"), replace(budget, stuck=budget.stuck - 1)
        case _:
            yield Exited(model, life), budget


def _asked_choices(world: World, budget: Budget) -> Iterator[tuple[Event, Budget]]:
    if budget.unloads:
        less = replace(budget, unloads=budget.unloads - 1)
        ask = Ask(budget.unloads)
        yield UnloadAsked(ask), less
        for model in world.models:
            yield UnloadAsked(ask, frozenset([model]), grace=1.0), less
    if budget.shutdowns:
        less = replace(budget, shutdowns=budget.shutdowns - 1)
        yield ShutdownAsked(grace=3.0), less
        yield ShutdownAsked(drain=False, grace=1.0), less
    if budget.reloads:
        less = replace(budget, reloads=budget.reloads - 1)
        for model in world.models:
            yield ConfigReplaced(world.models, frozenset([model])), less
            yield ConfigReplaced({m: rules for m, rules in world.models.items() if m != model}), less


def clone_machine(machine: Machine) -> Machine:
    """An independent copy of a scheduler: much faster than deepcopy, and knows its parts."""
    new: Any = copy.copy(machine)
    if hasattr(machine, "parts"):
        new.parts = tuple(map(clone_machine, machine.parts))
        return cast(Machine, new)
    new._requests = copy.copy(new._requests)
    for name in ("queue", "active", "outstanding"):
        setattr(new._requests, name, getattr(new._requests, name).copy())
    if hasattr(new._requests, "lines"):
        new._requests.lines = {model: line.copy() for model, line in new._requests.lines.items()}
        new._requests.serving = new._requests.serving.copy()
    for name in ("_swaps", "_passed_by"):
        if hasattr(new, name):
            setattr(new, name, getattr(new, name).copy())
    new._residents = copy.copy(new._residents)
    new._residents._by_life = {life: _twin(resident) for life, resident in new._residents._by_life.items()}
    new._residents._by_model = {resident.model: resident for resident in new._residents}
    new._unloads = copy.copy(new._unloads)
    new._unloads._pending = dict(new._unloads._pending)
    new._backoff = copy.copy(new._backoff)
    new._backoff._records = dict(new._backoff._records)
    typed: Machine = new
    return typed


def _twin(record: Any) -> Any:
    """A copy of a record with slots."""
    return type(record)(*[getattr(record, name) for name in record.__slots__])


def _key(situation: Situation) -> tuple[Any, ...]:
    world = situation.world
    return (
        situation.wish[situation.arrived :],
        situation.arrived,
        situation.budget,
        tuple((ticket, client.model) for ticket, client in world.clients.items() if client.phase == "rejected"),
        world.key(),
        _machine_key(world),
    )


def _machine_key(world: World) -> tuple[Any, ...]:
    machine: Any = world.machine
    return tuple(_scheduler_key(part, world.now) for part in getattr(machine, "parts", (machine,)))


def _scheduler_key(machine: Any, now: float) -> tuple[Any, ...]:
    ages = {life: age for age, life in enumerate(machine._residents._by_life)}
    return (
        tuple((waiting.ticket, waiting.model) for waiting in machine._requests.queue.values()),
        tuple((ticket, model, ages.get(life)) for ticket, (model, life) in machine._requests.active.items()),
        tuple(sorted(machine._requests.outstanding.items())),
        tuple(_resident_key(resident, now) for resident in machine._residents),
        tuple((ask, tuple(ages.get(life) for life in lives)) for ask, lives in machine._unloads._pending.items()),
        tuple(
            (model, tuple(t - now for t in record.recent), record.rest, record.until - now)
            for model, record in machine._backoff._records.items()
        ),
        machine._closed,
        machine._draining,
        machine._residents.most_grace,
        tuple(machine._rules),
        *_sharing_key(machine, now),
    )


def _sharing_key(machine: Any, now: float) -> tuple[Any, ...]:
    """What only some schedulers have."""
    oldest = next(iter(machine._requests.queue.values()), None)
    return (
        tuple((swap.target, swap.victims) for swap in getattr(machine, "_swaps", {}).values()),
        tuple(getattr(machine, "_passed_by", ())),
        now - oldest.arrived_at if oldest and hasattr(machine, "_settings") else None,
    )


def _resident_key(resident: Any, now: float) -> tuple[Any, ...]:
    idle = resident.idle_since - now if resident.state == "ready" and resident.rules.ttl else 0
    return (resident.model, resident.state, resident.in_flight, resident.obsolete, idle, resident.kill_at - now)


#: Each build visits all of these, the long form also the larger ones.
PLANS = (
    Plan("mishaps", Budget(cancels=1, crashes=1, unloads=1)),
    Plan("failures", Budget(cancels=1, crashes=1, failures=1, late=1, unloads=1)),
    Plan("cancels", Budget(cancels=4, late=2), requests=5),
    Plan("rests", Budget(failures=4, crashes=1, unloads=1, waits=2), models="ab"),
    Plan("idleness", Budget(cancels=1, crashes=1, unloads=1), models="ab", ttl=10.0),
    Plan("stuck", Budget(stuck=1, unloads=1, cancels=1), models="ab"),
    Plan("shutdown", Budget(shutdowns=2, unloads=1, cancels=1), models="ab"),
    Plan("reload", Budget(reloads=2, cancels=1, unloads=1), models="ab", requests=3),
    Plan("pairs", Budget(cancels=1, crashes=1, unloads=1, reloads=1), models="ab", parallel=2, requests=3),
    Plan("limits", Budget(cancels=1, failures=1, unloads=1), models="ab", limit=2),
    Plan("orphans", Budget(cancels=2, late=1, unloads=1), models="ab", abort_orphan_loads=True),
    Plan(
        "left-overs",
        Budget(cancels=1, stuck=1, unloads=1, crashes=1),
        requests=2,
        residents=(("a", "ready"), ("b", "starting"), ("c", "stopping")),
    ),
)
