"""Forecasts: exact where nothing varies, wide where little is known, absent where nothing is, right 8 times in 10."""

import math
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from llamaswap.config.schema import ModelId
from llamaswap.schedule.batch import BatchScheduler
from llamaswap.schedule.commands import Command, Grant
from llamaswap.schedule.events import Arrived, Event, Exited, Left, Life, ModelRules, Started, Ticket
from llamaswap.schedule.fifo import FifoScheduler
from llamaswap.schedule.forecast import (
    MOST_WAITING,
    NEWCOMER,
    Forecast,
    forecast,
    run,
    situation,
)
from llamaswap.schedule.forecast_samples import FEW, Range, Samples
from llamaswap.schedule.forecast_stopwatch import MOST_MODELS, Measured, Stopwatch
from llamaswap.schedule.scheduler import Scheduler
from llamaswap.schedule.serial import SerialScheduler
from llamaswap.schedule.simulation.durations import Fixed
from llamaswap.schedule.simulation.engine import Simulation
from llamaswap.schedule.snapshot import snapshot
from tests.schedule.calibration import KINDS, calibrate, machine_of

A, B = ModelId("a"), ModelId("b")
LOAD, STOP, SERVICE = 5.0, 1.0, 3.0


def always(seconds: float) -> list[float]:
    return [seconds] * FEW


def measured(*models: ModelId, service: list[float] | None = None) -> Measured:
    """A world in which nothing varies."""
    times = {"load": always(LOAD), "stop": always(STOP), "service": service or always(SERVICE)}
    return Measured.from_plain(dict.fromkeys(models, times))


class Story:
    """A machine with a stopwatch beside it."""

    def __init__(self, known: Measured, machine: Scheduler | None = None) -> None:
        self.machine = machine or SerialScheduler({A: ModelRules(), B: ModelRules()})
        self.stopwatch = Stopwatch(known)
        self.now = 0.0

    def tell(self, event: Event, at: float | None = None) -> list[Command]:
        self.now = self.now if at is None else at
        orders = self.machine.handle(event, self.now)
        self.stopwatch.on_pass(event, self.now, orders)
        return orders

    def come(self, *models: ModelId) -> None:
        for ticket, model in enumerate(models, 1):
            self.tell(Arrived(Ticket(ticket), model))

    def expect(self, at: float | None = None, newcomer: ModelId | None = None) -> Forecast:
        return run(forecast(situation(self.machine, self.stopwatch, self.now if at is None else at), newcomer))

    def likely(self, at: float | None = None) -> dict[int, float]:
        return {ticket: round(expected.likely, 6) for ticket, expected in self.expect(at).starts.items()}


def exactly(seconds: float) -> Any:
    return pytest.approx(Range(seconds, seconds, seconds))


# -- distributions ----------------------------------------------------------------------------------------------------


def test_nothing_measured_is_for_ever() -> None:
    assert Samples().distribution().remaining(0.5) == math.inf
    assert not Samples().distribution()


def test_what_never_varies_is_certain() -> None:
    known = Samples(always(4.0)).distribution()
    assert [known.remaining(chance) for chance in (0.01, 0.5, 0.99)] == pytest.approx([4.0] * 3)
    assert known.remaining(0.5, elapsed=3.0) == pytest.approx(1.0)
    assert known.uncertainty == pytest.approx(0.0)


def test_one_sample_is_hardly_anything() -> None:
    one, many = Samples([4.0]).distribution(), Samples([3.9, 4.1] * 10).distribution()
    assert one.remaining(0.5) == pytest.approx(4.0, rel=0.05)
    assert one.remaining(0.9) / one.remaining(0.1) > 3 * many.remaining(0.9) / many.remaining(0.1)
    assert one.uncertainty > 5 * many.uncertainty


def test_what_is_left_follows_from_what_has_passed() -> None:
    """Of two kinds of request, after two seconds only the long one can be meant."""
    known = Samples([1.0, 10.0] * 16).distribution()
    assert known.remaining(0.3) < 2.0
    assert known.remaining(0.3, elapsed=2.0) > 5.0
    assert known.remaining(0.9, elapsed=2.0) == pytest.approx(8.0, rel=0.1)


def test_what_lasts_longer_than_ever_may_go_on_as_long_again() -> None:
    known = Samples([1.0, 2.0] * 16).distribution()
    left = [known.remaining(chance, elapsed=100.0) for chance in (0.1, 0.5, 0.9)]
    assert left == sorted(left)
    assert 1.0 < left[0] < 41.0 < left[1] < 42.0 < left[2]


def test_recent_samples_count_more() -> None:
    older_first = Samples([1.0] * 32 + [9.0] * 32).distribution()
    assert older_first.remaining(0.4) > 5.0


def test_only_the_last_samples_are_kept() -> None:
    samples = Samples()
    for number in range(1000):
        samples.add(float(number))
    assert (len(samples.values), samples.values[0]) == (64, 936.0)


# -- forecasts --------------------------------------------------------------------------------------------------------


def test_it_says_what_then_happens() -> None:
    """Where nothing varies, the forecast is the future: swaps, loads and services, in the order of the queue."""
    story = Story(measured(A, B))
    story.come(A, A, B)
    assert story.expect().starts == {1: exactly(5), 2: exactly(8), 3: exactly(17)}


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_what_the_simulated_world_does(kind: str) -> None:
    machine = machine_of(kind)
    models = [ModelId(name) for name in "abacdbaacbda"]
    story = Story(measured(*map(ModelId, "abcd")), machine)
    story.come(*models)
    told = {ticket: expected.likely for ticket, expected in story.expect().starts.items()}
    facts = [(0.0, Arrived(Ticket(number), model)) for number, model in enumerate(models, 1)]
    truth: dict[Ticket, float] = {}
    for now, _, orders in Simulation(machine_of(kind), Fixed(SERVICE, LOAD, STOP), facts).passes():
        truth |= {order.ticket: now for order in orders if isinstance(order, Grant)}
    assert told == pytest.approx(truth)


def test_a_load_under_way_has_less_to_go() -> None:
    story = Story(measured(A))
    story.come(A, A)
    assert story.likely(at=2.0) == {1: 3.0, 2: 6.0}


def test_a_request_being_served_has_less_to_go() -> None:
    story = Story(measured(A))
    story.come(A, A)
    story.tell(Started(A, Life(1)), at=5.0)
    assert story.likely(at=7.0) == {2: 1.0}


def test_a_stop_under_way_has_less_to_go() -> None:
    story = Story(measured(A, B))
    story.come(A, B)
    story.tell(Started(A, Life(1)), at=5.0)
    story.tell(Left(Ticket(1)), at=8.0)
    assert story.likely(at=8.4) == {2: 5.6}
    story.tell(Exited(A, Life(1)), at=9.0)
    assert story.likely(at=10.0) == {2: 4.0}


def test_without_measurements_there_is_no_forecast() -> None:
    story = Story(Measured())
    story.come(A, A)
    assert story.expect().starts == {}


def test_who_waits_for_something_unknown_has_none() -> None:
    """B has never been loaded: whoever waits for it, or behind it, is not told anything."""
    story = Story(measured(A))
    story.come(A, B, A)
    assert set(story.expect().starts) == {1}


def test_one_measurement_gives_a_wide_range() -> None:
    story = Story(Measured())
    story.come(A, A, A)
    story.tell(Started(A, Life(1)), at=5.0)
    story.tell(Left(Ticket(1)), at=8.0)
    expected = story.expect().starts[Ticket(3)]
    assert expected.low < 1.5 < expected.likely < 4.5 < expected.high


def test_it_is_the_same_each_time() -> None:
    luck = Random(1)
    known = measured(A, B, service=[luck.lognormvariate(1, 1) for _ in range(50)])
    story = Story(known)
    story.come(A, B, A, B, B)
    first = story.expect()
    assert first == story.expect()
    spread = first.starts[Ticket(5)]
    assert spread.low < spread.likely < spread.high < math.inf


def test_asking_changes_nothing() -> None:
    for machine in (SerialScheduler({A: ModelRules(), B: ModelRules()}), machine_of("fifo"), machine_of("batch")):
        story = Story(measured(A, B), machine)
        story.come(A, B, A)
        before = snapshot(machine)
        story.expect(newcomer=B)
        assert snapshot(machine) == before


def test_what_happens_meanwhile_changes_no_forecast() -> None:
    """It is computed in pieces; the machine goes on in between."""
    story = Story(measured(A, B))
    story.come(A, A, B)
    steps = forecast(situation(story.machine, story.stopwatch, 0.0))
    next(steps)
    story.tell(Started(A, Life(1)), at=0.1)
    story.tell(Left(Ticket(1)), at=0.2)
    assert run(steps).starts == {1: exactly(5), 2: exactly(8), 3: exactly(17)}


def test_a_newcomer_would_come_last() -> None:
    story = Story(measured(A, B))
    story.come(A, A)
    assert story.expect(newcomer=B).starts[NEWCOMER] == exactly(5 + 3 + 3 + 1 + 5)


def test_a_full_model_has_a_place_when_somebody_leaves() -> None:
    story = Story(measured(A), SerialScheduler({A: ModelRules(limit=2)}))
    story.come(A)
    assert story.expect().places == {}
    story.tell(Arrived(Ticket(2), A))
    assert story.expect().places == {A: exactly(8)}


def test_the_end_of_a_long_queue_is_guessed() -> None:
    story = Story(measured(A))
    story.come(*[A] * (MOST_WAITING + 10))
    expected = story.expect()
    assert (expected.seen, len(expected.starts)) == (MOST_WAITING, MOST_WAITING)
    assert expected.behind(MOST_WAITING) is None
    assert expected.behind(MOST_WAITING + 10) == exactly(5 + 3 * (MOST_WAITING + 9))


def test_priorities_are_seen_in_a_long_queue() -> None:
    """The important ones at its end are among those that are looked at."""
    base = machine_of("fifo")
    assert isinstance(base, FifoScheduler)
    base._settings = replace(base._settings, priority={B: 5})
    story = Story(measured(A, B), base)
    story.come(*[A] * (MOST_WAITING + 10), B)
    assert MOST_WAITING + 11 in story.expect().starts


def test_those_who_give_up_make_room() -> None:
    patient, impatient = Story(measured(A)), Story(measured(A))
    impatient.stopwatch._gave_up, impatient.stopwatch._waited = 1.0, 60.0
    for story in (patient, impatient):
        story.come(*[A] * 12)
    assert impatient.expect().starts[Ticket(10)].likely < patient.expect().starts[Ticket(10)].likely


def test_a_batch_that_is_joined_delays_others() -> None:
    """Requests for the model that serves keep coming; the forecast of who waits for another one reckons with it."""
    machine = machine_of("batch")
    assert isinstance(machine, BatchScheduler)
    story = Story(measured(A, B, service=always(6.0)), machine)
    story.tell(Arrived(Ticket(1), A))
    story.tell(Started(A, Life(1)), at=5.0)
    for number in range(2, 5):
        story.tell(Arrived(Ticket(number), A), at=5.0 + number)
    story.tell(Arrived(Ticket(5), B), at=9.5)
    alone = 4 * 6.0 - 4.5 + STOP + LOAD
    assert story.expect().starts[Ticket(5)].likely > alone + 5


# -- the stopwatch ----------------------------------------------------------------------------------------------------


def test_times_survive_as_plain_values() -> None:
    known = measured(A, B)
    known.of(A).load.add(7.123456)
    again = Measured.from_plain(known.as_plain())
    assert again.as_plain() == known.as_plain()
    assert known.as_plain()["a"]["load"][-1] == 7.12346


@pytest.mark.parametrize("plain", [{"a": 3}, {"a": {"load": "x"}}, {"a": {"load": [None, -1, True, math.nan, "1"]}}])
def test_nonsense_is_left_out(plain: dict[str, object]) -> None:
    known = Measured.from_plain(plain)
    assert not known.known().load(A)


def test_only_the_last_models_are_kept() -> None:
    known = Measured()
    for number in range(MOST_MODELS + 10):
        known.of(ModelId(str(number))).load.add(1.0)
    known.of(ModelId("10")).load.add(1.0)
    assert (len(known.times), next(iter(known.times))) == (MOST_MODELS, "11")


def test_a_load_says_nothing_about_a_service() -> None:
    story = Story(Measured())
    story.stopwatch = Stopwatch(not_requests={Ticket(1)})
    story.come(A)
    story.tell(Started(A, Life(1)), at=5.0)
    story.tell(Left(Ticket(1)), at=5.0)
    assert story.stopwatch.measured.as_plain() == {"a": {"load": [5.0], "service": [], "stop": []}}
    assert story.stopwatch.loads == {A: (0.0, 5.0)}


def test_a_load_that_was_stopped_is_no_load() -> None:
    story = Story(Measured(), SerialScheduler({A: ModelRules(), B: ModelRules()}))
    story.come(A, B)
    story.tell(Left(Ticket(1)), at=2.0)
    story.tell(Started(A, Life(1)), at=2.1)
    story.tell(Exited(A, Life(1)), at=3.0)
    assert story.stopwatch.measured.as_plain() == {"a": {"load": [], "service": [], "stop": [1.0]}}


def test_it_keeps_nothing_of_what_is_over() -> None:
    machine, stopwatch = machine_of("fifo"), Stopwatch()
    facts = [(number / 10, Arrived(Ticket(number), ModelId("abcd"[number % 4]))) for number in range(1, 200)]
    for now, event, orders in Simulation(machine, Fixed(0.1, 1.0, 0.1), facts).passes():
        stopwatch.on_pass(event, now, orders)
    assert not stopwatch._waiting
    assert not stopwatch.under_way().served
    assert len(stopwatch.under_way().since) == len(machine.residents())


# -- what it is for ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_the_range_holds_the_truth_as_often_as_it_says(kind: str) -> None:
    """The long form is scripts/rigs/forecast."""
    score = calibrate(kind, range(4), requests=200, ask=0.05)
    assert score.count > 60
    assert 0.75 <= score.share <= 0.90, score
