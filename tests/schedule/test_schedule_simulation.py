"""The simulation: what it does to a scheduler, and that a recorded run comes out as it was."""

import math
import random

import pytest

from llamaswap.config.routing import RoutingConfig, SchedulerConfig, SchedulerName, SerialSettings
from llamaswap.config.schema import ModelId
from llamaswap.schedule.commands import Grant
from llamaswap.schedule.events import Arrived, Dying, Event, Left, Life, ModelRules, Tick, Ticket, UnloadAsked
from llamaswap.schedule.fork import fork
from llamaswap.schedule.rebuild import build
from llamaswap.schedule.simulation.day import play
from llamaswap.schedule.simulation.durations import Fixed, Load
from llamaswap.schedule.simulation.engine import SOME_LIFE, Pass, Simulation, starts_of
from llamaswap.schedule.simulation.ledger import Ledger, quantile
from llamaswap.schedule.simulation.recording import Recorder
from llamaswap.schedule.simulation.underway import Watch

A, B = ModelId("a"), ModelId("b")
MODELS = {A: ModelRules(), B: ModelRules()}


def arrivals(*each: tuple[float, ModelId]) -> list[tuple[float, Event]]:
    return [(at, Arrived(Ticket(number), model)) for number, (at, model) in enumerate(each, 1)]


def run(facts: list[tuple[float, Event]], durations: Fixed, models: dict[ModelId, ModelRules] = MODELS) -> list[Pass]:
    return list(Simulation(build(RoutingConfig(), models), durations, facts).passes())


def story(passes: list[Pass]) -> list[str]:
    return [f"{each.now:g} {type(each.event).__name__}" for each in passes]


def test_a_swap_takes_what_it_takes() -> None:
    passes = run(arrivals((0, A), (1, B)), Fixed(service=2, load=10, stop=3))
    assert story(passes) == ["0 Arrived", "1 Arrived", "10 Started", "12 Left", "15 Exited", "25 Started", "27 Left"]


def test_an_idle_model_goes_at_its_ttl() -> None:
    passes = run(arrivals((0, A)), Fixed(service=2, load=10, stop=3), {A: ModelRules(ttl=60)})
    assert story(passes) == ["0 Arrived", "10 Started", "12 Left", "72 Tick", "75 Exited"]


class Hasty(Fixed):
    """The second client gives up after a second; the second load fails."""

    def __init__(self) -> None:
        super().__init__(service=2, load=10, stop=3)
        self._loads = 0

    def patience(self, ticket: Ticket, elapsed: float) -> float:
        return 1.0 if ticket == 2 else math.inf

    def load(self, model: ModelId, elapsed: float) -> Load:
        self._loads += 1
        return Load(10.0, "no memory" if self._loads == 2 else None)


def test_a_client_gives_up_and_a_start_fails() -> None:
    passes = run(arrivals((0, A), (1, B), (5, B)), Hasty())
    assert story(passes)[2:] == [
        "2 Left",
        "5 Arrived",
        "10 Started",
        "12 Left",
        "15 Exited",
        "25 Dying",
        "25 Left",
        "28 StartFailed",
    ]


def test_a_crash_from_outside_finds_whoever_is_there() -> None:
    facts = sorted([*arrivals((0, A), (20, A)), (15.0, Dying(A, SOME_LIFE, "gone"))], key=lambda fact: fact[0])
    passes = run(facts, Fixed(service=2, load=10, stop=3))
    assert story(passes)[3:] == ["15 Dying", "18 Exited", "20 Arrived", "30 Started", "32 Left"]
    assert story(run([(1.0, Dying(A, SOME_LIFE))], Fixed())) == []


def test_a_stop_while_starting_cancels_the_start() -> None:
    facts: list[tuple[float, Event]] = [*arrivals((0, A)), (4.0, UnloadAsked(1, None))]  # type: ignore[arg-type]
    passes = run(facts, Fixed(service=2, load=10, stop=3))
    assert story(passes) == ["0 Arrived", "4 UnloadAsked", "4 Left", "7 Exited"]


def random_day(seed: int, use: SchedulerName, count: int = 120) -> tuple[RoutingConfig, list[Pass], Ledger, Recorder]:
    """A simulated day with times that floats hold exactly, its own books, and its recording."""
    luck = random.Random(seed)
    routing = RoutingConfig(
        scheduler=SchedulerConfig(use=use, serial=SerialSettings(luck.choice((1, 3)), luck.random() < 0.5))
    )
    models = {ModelId(m): ModelRules(ttl=luck.choice((0.0, 16.0)), parallel=2) for m in "abc"}
    facts: list[tuple[float, Event]] = []
    now = 0.0
    for number in range(1, count):
        now += luck.randrange(1, 4096) / 1024 * luck.choice((0.25, 1, 4))
        model = luck.choice(list(models))
        odd = luck.random()
        if odd < 0.03:
            facts.append((now, UnloadAsked(number, None)))  # type: ignore[arg-type]
        elif odd < 0.06:
            facts.append((now, Dying(model, SOME_LIFE, "crash")))
        else:
            facts.append((now, Arrived(Ticket(number), model)))
    ledger, recorder = Ledger(), Recorder(routing, models, 0.0, 0.0)
    passes = []
    for each in Simulation(build(routing, models), Lucky(seed), facts).passes():
        ledger.on_pass(each.event, each.now, each.orders)
        recorder.on_pass(each.event, each.now, each.orders)
        passes.append(each)
    ledger.end_run(passes[-1].now)
    return routing, passes, ledger, recorder


class Lucky:
    """Drawn, in steps that floats hold exactly."""

    def __init__(self, seed: int) -> None:
        self._luck = random.Random(seed)

    def _draw(self, most: float) -> float:
        return self._luck.randrange(1, int(most * 1024)) / 1024

    def service(self, ticket: Ticket, model: ModelId, elapsed: float) -> float:
        return self._draw(3)

    def patience(self, ticket: Ticket, elapsed: float) -> float:
        return self._draw(10) if self._luck.random() < 0.2 else math.inf

    def load(self, model: ModelId, elapsed: float) -> Load:
        return Load(self._draw(5), "no" if self._luck.random() < 0.1 else None)

    def stop(self, model: ModelId, elapsed: float) -> float:
        return self._draw(1)


@pytest.mark.parametrize("use", ["serial", "fifo", "batch"])
@pytest.mark.parametrize("seed", range(20))
def test_under_the_recorded_settings_the_day_is_as_it_was(use: SchedulerName, seed: int) -> None:
    """The identity: each wait, each load, each second of a model."""
    _, _, was, recorder = random_day(seed, use)
    again = play([recorder.day()])
    assert again.waits == was.waits
    assert again == was


def test_other_settings_make_another_day() -> None:
    _, _, was, recorder = random_day(1, "serial")
    day = recorder.day()
    other = play([day.under(RoutingConfig(scheduler=SchedulerConfig(use="batch")), lambda models: models)])
    assert other.arrived == was.arrived
    assert other.swaps < was.swaps


@pytest.mark.parametrize("use", ["serial", "fifo", "batch"])
@pytest.mark.parametrize("seed", range(5))
def test_a_simulation_goes_on_from_any_moment(use: SchedulerName, seed: int) -> None:
    """From a fork and what is under way: the starts foretold are those that come, if nobody else arrives."""
    luck = random.Random(seed)
    machine, watch = build(RoutingConfig(scheduler=SchedulerConfig(use=use)), MODELS), Watch()
    facts = arrivals(*((luck.randrange(1, 20480) / 1024, luck.choice((A, B))) for _ in range(12)))
    facts.sort(key=lambda fact: fact[0])
    durations = Fixed(service=2.5, load=4.25, stop=0.5)
    simulation = Simulation(machine, durations, facts)
    foretold: dict[Ticket, float | None] = {}
    granted: dict[Ticket, float] = {}
    for now, event, orders in simulation.passes():
        watch.on_pass(event, now, orders)
        granted |= {order.ticket: now for order in orders if isinstance(order, Grant)}
        if event == facts[-1][1]:
            waiting = [each.ticket for each in machine.waiting()]
            assert waiting
            onward = Simulation(fork(machine), durations, now=now, under_way=watch.now())
            foretold = starts_of(onward, waiting)
    assert foretold == {ticket: granted[ticket] for ticket in foretold}
    assert len(foretold) > 1


def test_a_recording_that_begins_in_the_middle() -> None:
    """Who was there already comes again, and is not judged."""
    machine = build(RoutingConfig(), MODELS)
    recorder = Recorder(RoutingConfig(), MODELS, 100.0, 0.0)
    for number in (1, 2, 3):
        machine.handle(Arrived(Ticket(number), A), 0.0)
    recorder.resume(machine)
    recorder.on_pass(Arrived(Ticket(4), B), 101.0, machine.handle(Arrived(Ticket(4), B), 101.0))
    recorder.on_pass(Left(Ticket(1)), 103.0, [])
    day = recorder.day()
    assert [event.ticket for _, event in day.facts if isinstance(event, Arrived)] == [1, 2, 3, 4]
    assert day.unjudged == {1, 2, 3}
    assert play([day]).arrived == 1


def test_ledger_counts_an_aborted_load() -> None:
    ledger = Ledger()
    for each in run([*arrivals((0, A)), (4.0, UnloadAsked(1, None))], Fixed(2, 10, 3)):  # type: ignore[arg-type]
        ledger.on_pass(each.event, each.now, each.orders)
    ledger.end_run(7.0)
    assert (ledger.loads, ledger.aborted, ledger.aborted_s, ledger.loading_s, ledger.resident_s) == (1, 1, 4, 4, 7)
    assert (ledger.arrived, ledger.refused, ledger.waits) == (1, 1, [])


def test_ledger_of_a_plain_hour() -> None:
    ledger = Ledger()
    for each in run(arrivals((0, A), (1, B)), Fixed(service=2, load=10, stop=3)):
        ledger.on_pass(each.event, each.now, each.orders)
    ledger.end_run(27.0)
    assert [(wait.model, wait.seconds) for wait in ledger.waits] == [(A, 10), (B, 24)]
    assert (ledger.loads, ledger.swaps, ledger.aborted, ledger.failed) == (2, 1, 0, 0)
    assert (ledger.resident_s, ledger.loading_s, ledger.serving_s) == (15 + 12, 20, 4)
    assert max(count for _, count in ledger.crowd) == 2


def test_quantiles() -> None:
    assert [quantile([1.0, 2.0, 3.0, 4.0], share) for share in (0.0, 0.5, 0.75, 0.95, 1.0)] == [1, 2, 3, 4, 4]
    assert quantile([], 0.5) == 0


def test_a_deadline_in_the_past_is_no_endless_loop() -> None:
    class Stubborn:
        next_deadline = 5.0

        def handle(self, event: Event, now: float) -> list[Grant]:
            return []

        def residents(self) -> list[Life]:
            return []

        def waiting(self) -> list[Ticket]:
            return []

    passes = list(Simulation(Stubborn(), Fixed(), arrivals((9, A))).passes())  # type: ignore[arg-type] # a fake
    assert [type(each.event) for each in passes] == [Tick, Arrived]
