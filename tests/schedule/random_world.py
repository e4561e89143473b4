"""Random histories of a larger world, each repeatable from its seed, each judged after every event."""

import random
from collections.abc import Callable
from typing import Any, TypeVar

from llamaswap.config.routing import RoutingConfig
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
from llamaswap.schedule.serial import SerialScheduler
from tests.schedule.crowd import ViolationError
from tests.schedule.world import World

#: A history ends with a shutdown and a quiet-down, so it may not be endless.
EVENTS = 400
#: So rarely all requests are counted and compared. What costs less is judged at each event.
DEAR_EVERY = 8

Fate = Callable[[ModelId, Life], Event]
T = TypeVar("T")


class History:
    """One random history. `run` raises ViolationError, with the seed, if the machine breaks a rule."""

    def __init__(self, make: Callable[..., Any], seed: int) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.calm = self.random.choice((0.3, 1.0, 3.0))  # how rarely things go wrong
        self.sick = self.random.choice((1, 1, 1, 20))  # how much likelier a start fails, and people do not interfere
        self.busy = self.random.choice((0.5, 1.0, 2.0))  # arrivals for each departure
        self._moves = (0.0, 0.0, 0.125, 1.0, 7.0, 3.0 * self.sick)
        self._whims = self._whims_of_people()
        self._fates = _fates(1 / self.calm, self.sick)
        rules = self._rules()
        self.journal: list[Any] = []  # how the machine was made, then each pass; see `lines`
        self.world = self._world(make, rules)
        self.world.dear_every = DEAR_EVERY
        self.tickets = 0
        self.asks = 0
        self.recent: list[ModelId] = []  # what was asked for last, twice
        self.last: Event = Tick()

    def run(self, events: int = EVENTS) -> int:
        """Play the history to its end and return how many events it had."""
        try:
            while len(self.journal) < events:
                self._step()
            self._quiet_down()
        except Exception as error:
            place = len(self.journal)
            raise ViolationError(f"seed {self.seed}, event {place}, {self.last}: {error!r}") from error
        return len(self.journal)

    def _world(self, make: Callable[..., Any], rules: dict[ModelId, ModelRules]) -> World:
        settings: dict[str, Any] = {
            "parallel": self.random.choice((1, 1, 1, 2, 5)),
            "abort_orphan_loads": self._aborts_orphan_loads(),
            "residents": self._left_overs(rules),
        }
        self.journal.append((rules, settings))
        return World(make(rules, **settings), rules, **settings)

    def _aborts_orphan_loads(self) -> bool:
        return self.random.random() < 0.3

    def _rules(self) -> dict[ModelId, ModelRules]:
        pick = self.random.choice
        return {
            ModelId(model): ModelRules(ttl=pick((0.0, 0.0, 2.5, 30.0)), grace=pick((1.0, 10.0)), limit=pick((0, 0, 2)))
            for model in self.random.sample("abcde", self.random.randint(1, 5))
        }

    def _left_overs(self, rules: dict[ModelId, ModelRules]) -> list[tuple[ModelId, State]]:
        """Lives that are there at the beginning, though serial itself would never have had two of them."""
        if self.random.random() < 0.7:
            return []
        states: tuple[State, ...] = ("starting", "ready", "ready", "stopping")
        return [(model, self.random.choice(states)) for model in rules]

    def _tell(self, event: Event) -> None:
        self.last = event
        orders = self.world.tell(event)
        self.journal.append((self.world.now, event, orders))

    def _whims_of_people(self) -> list[tuple[float, Callable[[], Event]]]:
        """What may always come next, with its weight."""
        return [
            (4 * self.busy, self._arrival),
            (0.1 / self.calm, self._late),
            (0.3 / self.calm / self.sick, self._unload),
            (0.1 / self.calm / self.sick, self._reload),
            (0.005 / self.calm, self._shutdown),
            (0.5, Tick),
        ]

    def _step(self) -> None:
        self._pass_time()
        self._tell(self._choose()())

    def _choose(self) -> Callable[[], Event]:
        """Something that may come next: each process has a weight of 2, and all departures together one of 4."""
        processes, departures = self.world.processes, 4.0 if self.world.crowd.anybody() else 0.0
        whims = sum([weight for weight, _ in self._whims])
        mark = self.random.random() * (2.0 * len(processes) + departures + whims)
        if mark < 2.0 * len(processes):
            life = [*processes][int(mark / 2.0)]
            return lambda: self._turn(life)
        mark -= 2.0 * len(processes)
        if mark < departures:
            return self._departure
        return _picked(self._whims, mark - departures)

    def _pass_time(self) -> None:
        due = self.world.due
        moved = self._moves[int(self.random.random() * len(self._moves))]
        if due is not None and due <= self.world.now + moved and self.random.random() < 0.8:
            self.world.now = due  # the dispatcher keeps deadlines, unless another event comes first
            self._tell(Tick())
        else:
            self.world.now += moved

    def _model(self) -> ModelId:
        known = [*self.world.models]
        choices = [*known, *self.recent, ModelId("ghost")] if known else [ModelId("ghost")]
        return choices[int(self.random.random() * len(choices))]

    def _arrival(self) -> Event:
        self.tickets += 1
        model = self._model()
        self.recent = [model, model]
        return Arrived(Ticket(self.tickets), model)

    def _departure(self) -> Event:
        """A served or refused client leaves; less often, one that waits."""
        crowd = self.world.crowd
        gone = [*crowd.served, *crowd.rejected]
        if not gone or self.random.random() < 0.25:
            gone += crowd.waiting
        return Left(gone[int(self.random.random() * len(gone))])

    def _turn(self, life: Life) -> Event:
        """What becomes of a process next."""
        process = self.world.processes[life]
        fates = self._fates[process.state]
        mark = self.random.random() * sum([weight for weight, _ in fates])
        return _picked(fates, mark)(process.model, life)

    def _late(self) -> Event:
        """A report about a life that is over, or a client that has left."""
        life = Life(self.random.randint(1, self.world.last_life + 1))
        if life in self.world.processes:
            return Tick()
        kind = self.random.choice((Started, StartFailed, Exited, StopFailed, Dying))
        if self.random.random() < 0.3:
            ticket = Ticket(self.random.randint(0, self.tickets))
            return Tick() if ticket in self.world.crowd else Left(ticket)
        return kind(self._model(), life)

    def _unload(self) -> Event:
        self.asks += 1
        models = None if self.random.random() < 0.3 else frozenset({self._model(), self._model()})
        return UnloadAsked(Ask(self.asks), models, self.random.choice((None, 0.5, 20.0)))

    def _reload(self) -> Event:
        new = self._rules()
        kept = {model: rules for model, rules in self.world.models.items() if self.random.random() < 0.8}
        changed = frozenset(model for model in kept if self.random.random() < 0.3)
        return ConfigReplaced(new | kept, changed)

    def _shutdown(self) -> Event:
        return ShutdownAsked(self.random.random() < 0.7, self.random.choice((None, 5.0, 0.5)))

    def _quiet_down(self) -> None:
        """Everything under way comes to its end: then nobody may be left, and no count."""
        world, crowd = self.world, self.world.crowd
        while crowd.anybody() or any(p.state in ("starting", "stopping") for p in world.processes.values()):
            world.now += 0.25
            for ticket in [*crowd.served, *crowd.rejected]:
                self._tell(Left(ticket))
            for life, process in list(world.processes.items()):
                if process.state == "starting":
                    self._tell(Started(process.model, life))
                elif process.state == "stopping":
                    self._tell(Exited(process.model, life))
        world.compare_all()
        left: Any = world.machine
        if left._requests.outstanding or world.asks:
            raise ViolationError("something is left over when all is quiet")


def _fates(bad: float, sick: float) -> dict[State, list[tuple[float, Fate]]]:
    """What may become of a process in each state, with its weight; *bad* and *sick* weigh mishaps and failed starts."""
    return {
        "starting": [
            (3.0, Started),
            (bad * sick, lambda model, life: StartFailed(model, life, "no")),
            (0.2 * bad, lambda model, life: Exited(model, life, "exit code 1")),
            (0.4 * bad, lambda model, life: Dying(model, life, "exit code 2")),
        ],
        "ready": [
            (0.2 * bad, lambda model, life: Exited(model, life, "signal 11")),
            (0.2 * bad, lambda model, life: Dying(model, life, "signal 9")),
            (1.0, Started),
            (3.0, lambda model, life: Tick()),
        ],
        "stopping": [
            (3.0, Exited),
            (0.5, Started),
            (0.3, Dying),
            (0.1 * bad, lambda model, life: StopFailed(model, life, "D")),
        ],
        "stuck": [(1.0, Exited), (2.0, lambda model, life: Tick())],
    }


def _picked(choices: list[tuple[float, T]], mark: float) -> T:
    """The choice in whose share of the weights *mark* falls, counted from the first."""
    for weight, choice in choices:
        if mark < weight:
            return choice
        mark -= weight
    return choices[-1][1]


def lines(journal: list[Any]) -> list[str]:
    """The *journal* of a history of serial as text, with the head of the real one, whatever was played."""
    # Not above: the rigs need nothing but the standard library.
    from llamaswap.schedule.journal import Entry, entry_text, header_text  # noqa: PLC0415

    (rules, settings), *passes = journal
    head = header_text(SerialScheduler(rules, **settings), RoutingConfig(), rules)
    return [head.decode(), *(entry_text(Entry(*each)).decode() for each in passes)]


def play(make: Callable[..., Any], seeds: range) -> int:
    """Play the history of each seed and return how many events there were."""
    return sum(History(make, seed).run() for seed in seeds)
