"""Random histories of a larger world, each repeatable from its seed, each judged after every event."""

import random
from collections.abc import Callable
from typing import Any

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
from tests.schedule.world import Process, ViolationError, World

#: A history ends with a shutdown and a quiet-down, so it may not be endless.
EVENTS = 400


class History:
    """One random history. `run` raises ViolationError, with the seed, if the machine breaks a rule."""

    def __init__(self, make: Callable[..., Any], seed: int) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.calm = self.random.choice((0.3, 1.0, 3.0))  # how rarely things go wrong
        self.sick = self.random.choice((1, 1, 1, 20))  # how much likelier a start fails, and people do not interfere
        self.busy = self.random.choice((0.5, 1.0, 2.0))  # arrivals for each departure
        rules = self._rules()
        self.journal: list[Any] = []  # how the machine was made, then each pass; see `lines`
        self.world = self._world(make, rules)
        self.tickets = 0
        self.asks = 0
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

    def _step(self) -> None:
        self._pass_time()
        choices: list[tuple[float, Callable[[], Event]]] = [
            (4 * self.busy, self._arrival),
            (0.1 / self.calm, self._late),
            (0.3 / self.calm / self.sick, self._unload),
            (0.1 / self.calm / self.sick, self._reload),
            (0.005 / self.calm, self._shutdown),
            (0.5, Tick),
        ]
        if self.world.clients:
            choices.append((4.0, self._departure))
        choices += [(2.0, lambda life=life: self._turn(life)) for life in self.world.processes]  # type: ignore[misc] # mypy cannot type a lambda's default
        weights = [weight for weight, _ in choices]
        ((_, choose),) = self.random.choices(choices, weights)
        self._tell(choose())

    def _pass_time(self) -> None:
        due = self.world.machine.next_deadline
        moved = self.random.choice((0.0, 0.0, 0.125, 1.0, 7.0, 3.0 * self.sick))
        if due is not None and due <= self.world.now + moved and self.random.random() < 0.8:
            self.world.now = due  # the dispatcher keeps deadlines, unless another event comes first
            self._tell(Tick())
        else:
            self.world.now += moved

    def _model(self) -> ModelId:
        known = list(self.world.models)
        recent = [client.model for client in self.world.clients.values()][-1:]
        return self.random.choice([*known, *recent, *recent, ModelId("ghost")] if known else [ModelId("ghost")])

    def _arrival(self) -> Event:
        self.tickets += 1
        return Arrived(Ticket(self.tickets), self._model())

    def _departure(self) -> Event:
        """A served or refused client leaves; less often, one that waits."""
        tickets = list(self.world.clients)
        gone = [t for t in tickets if self.world.clients[t].phase != "waiting"]
        eager = not gone or self.random.random() < 0.25
        return Left(self.random.choice(tickets if eager else gone))

    def _turn(self, life: Life) -> Event:
        """What becomes of a process next."""
        process = self.world.processes[life]
        fates = self._fates(life, process)
        return self.random.choices([event for event, _ in fates], [weight for _, weight in fates])[0]

    def _fates(self, life: Life, process: Process) -> list[tuple[Event, float]]:
        model, bad = process.model, 1 / self.calm
        match process.state:
            case "starting":
                return [
                    (Started(model, life), 3.0),
                    (StartFailed(model, life, "no"), bad * self.sick),
                    (Exited(model, life, "exit code 1"), 0.2 * bad),
                    (Dying(model, life, "exit code 2"), 0.4 * bad),
                ]
            case "ready":
                return [
                    (Exited(model, life, "signal 11"), 0.2 * bad),
                    (Dying(model, life, "signal 9"), 0.2 * bad),
                    (Started(model, life), 1.0),
                    (Tick(), 3.0),
                ]
            case "stopping":
                return [
                    (Exited(model, life), 3.0),
                    (Started(model, life), 0.5),
                    (Dying(model, life), 0.3),
                    (StopFailed(model, life, "D"), 0.1 * bad),
                ]
            case _:
                return [(Exited(model, life), 1.0), (Tick(), 2.0)]

    def _late(self) -> Event:
        """A report about a life that is over, or a client that has left."""
        life = Life(self.random.randint(1, self.world.last_life + 1))
        if life in self.world.processes:
            return Tick()
        kind = self.random.choice((Started, StartFailed, Exited, StopFailed, Dying))
        if self.random.random() < 0.3:
            ticket = Ticket(self.random.randint(0, self.tickets))
            return Tick() if ticket in self.world.clients else Left(ticket)
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
        world = self.world
        while world.clients or any(p.state in ("starting", "stopping") for p in world.processes.values()):
            world.now += 0.25
            for ticket in [t for t, client in world.clients.items() if client.phase != "waiting"]:
                self._tell(Left(ticket))
            for life, process in list(world.processes.items()):
                if process.state == "starting":
                    self._tell(Started(process.model, life))
                elif process.state == "stopping":
                    self._tell(Exited(process.model, life))
        left: Any = world.machine
        if left._requests.outstanding or world.asks:
            raise ViolationError("something is left over when all is quiet")


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
