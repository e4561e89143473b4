"""Why a request waits, in every situation there is, under each scheduler."""

from collections.abc import Callable
from typing import Any

import pytest

from llamaswap.config.names import ModelId
from llamaswap.config.routing import BatchSettings, FifoSettings, GroupConfig
from llamaswap.schedule.batch import BatchScheduler
from llamaswap.schedule.events import Arrived, ModelRules, Ticket
from llamaswap.schedule.evicting import evictions
from llamaswap.schedule.eviction import GroupEviction, MatrixEviction, OneAtATime
from llamaswap.schedule.explain import why_all_wait, why_waiting
from llamaswap.schedule.fifo import FifoScheduler
from llamaswap.schedule.sentences import listed, matrix_choice
from llamaswap.schedule.serial import SerialScheduler
from llamaswap.schedule.simulation.underway import Watch
from tests.schedule.random_world import History
from tests.schedule.sharing_plans import SharingHistory
from tests.schedule.story import Story
from tests.schedule.tables import matrix_of

RULE = "one model at a time"


def why(story: Story, ticket: int) -> str:
    found = why_waiting(story.machine, Ticket(ticket), story.now)
    assert found is not None
    return found.sentence


def fifo(*residents: str, **settings: Any) -> Story:
    settings.setdefault("eviction", OneAtATime())
    return Story(*residents, make=FifoScheduler, **settings)


def batch(*residents: str, **settings: Any) -> Story:
    settings.setdefault("eviction", OneAtATime())
    return Story(*residents, make=BatchScheduler, **settings)


def test_serial_waits_for_a_request_then_a_stop_then_a_load() -> None:
    story = Story("a:ready")
    story.arrives(1, "a")
    story.arrives(2, "b")
    story.arrives(3, "c")
    assert why(story, 2) == f"waits for a, which serves 1 request and is evicted then: {RULE}"
    assert why(story, 3) == f"waits behind 1 request; the first is for b: {why(story, 2)}"
    story.leaves(1)
    story.now = 2.5
    assert why(story, 2) == "waits until a has stopped; SIGKILL in 7.5 s"
    story.exits("a", 1)
    assert why(story, 2) == "b is loading"
    assert why_waiting(story.machine, Ticket(1), 0.0) is None


def test_how_long_a_load_takes_already_is_known_to_who_has_watched_it() -> None:
    story, watch = Story(), Watch()
    orders = story.arrives(1, "b")
    watch.on_pass(Arrived(Ticket(1), ModelId("b")), 0.0, orders)
    found = why_waiting(story.machine, Ticket(1), 3.25, watch.now())
    assert found is not None
    assert found.as_json() == {
        "kind": "loading",
        "sentence": "b is loading, since 3.2 s",
        "models": ["b"],
        "seconds": 3.25,
    }


def test_places_are_counted() -> None:
    story = Story("a:ready")
    story.all_arrive("aa")
    assert why(story, 2) == "waits for a place: a serves 1 request, and 1 at a time"
    story = fifo("a:ready")
    story.all_arrive("a" * 12)
    assert why(story, 11) == "waits for a place: a serves 10 requests, and 10 at a time"
    assert why(story, 12) == f"{why(story, 11)}; 1 request for a goes first"
    story = batch("a:ready")
    story.all_arrive("aaa")
    assert why(story, 3) == "waits for a place: a serves 1 request, and 1 at a time; 1 request for a goes first"


def test_an_unload_in_progress_is_waited_for() -> None:
    story = Story("a:ready")
    story.unload(1, ["a"], 3.0)
    story.arrives(1, "a")
    assert why(story, 1) == "waits until an earlier process of a has stopped; SIGKILL in 3.0 s"
    story.now = 4.0
    assert why(story, 1) == "waits until an earlier process of a has stopped; SIGKILL was sent"


def test_fifo_names_the_groups_rule() -> None:
    groups = GroupEviction([GroupConfig("pair", members=(ModelId("a"), ModelId("b")))])
    story = fifo("a:ready", eviction=groups)
    story.all_arrive("aab")
    assert why(story, 3) == "waits for a, which serves 2 requests and is evicted then: group pair swaps"


def test_fifo_waits_for_who_is_loading_for_others() -> None:
    story = fifo()
    story.all_arrive("ab")
    assert why(story, 1) == "a is loading"
    assert why(story, 2) == "waits for a, which is being loaded and may not be disturbed"


def test_fifo_keeps_order_beyond_max_wait() -> None:
    three = [
        GroupConfig(name, swap=False, exclusive=name == "all", members=(ModelId(name[0]),)) for name in ("all", "b")
    ]
    story = fifo("b:ready", eviction=GroupEviction(three), settings=FifoSettings(max_wait=5.0))
    story.arrives(1, "b")
    story.arrives(2, "a")
    story.now = 6.0
    story.arrives(3, "b")
    assert why(story, 2) == "waits for b, which serves 1 request and is evicted then: group all is exclusive"
    assert why(story, 3) == "waits behind a request for a, which nobody may pass any more: maxWait is 5 s"


def test_batch_keeps_order_when_enough_have_passed() -> None:
    story = batch("a:ready", settings=BatchSettings(max_overtakes=1, max_wait=60.0))
    story.all_arrive("aba")
    story.leaves(1)  # the third passes the second
    story.arrives(4, "a")
    assert why(story, 4) == "waits behind a request for b, which nobody may pass any more: maxOvertakes is 1"
    assert why(story, 2) == f"waits for a, which serves 1 request and is evicted then: {RULE}"
    patient = batch("a:ready", settings=BatchSettings(max_overtakes=8, max_wait=5.0))
    patient.all_arrive("ab")
    patient.now = 5.0
    patient.arrives(3, "a")
    assert why(patient, 3) == "waits behind a request for b, which nobody may pass any more: maxWait is 5 s"


def test_a_matrix_decision_in_one_line() -> None:
    story = fifo("a:ready", "b:ready", eviction=MatrixEviction(matrix_of({"one": "a & c", "two": "b & d"}, {})))
    orders = story.arrives(1, "c")
    (evicted,) = evictions(story.machine, orders, 0.0)
    assert (evicted.target, evicted.stop.model, evicted.rule) == ("c", "b", "set one = a & c, cost 1")
    assert evicted.decision is not None
    assert evicted.decision.choice is not None
    assert matrix_choice(evicted.decision.choice) == 'set=one expression="a & c" victims=b target=a,c cost=1'


def test_stops_that_are_nobodys_eviction() -> None:
    story = Story("a:ready", rules={"a": ModelRules(ttl=5.0)})
    assert [each.rule for each in evictions(story.machine, story.tick(5.0), 5.0)] == ["it has been idle for its ttl"]
    story = Story("a:ready")
    assert [each.rule for each in evictions(story.machine, story.unload(1, ["a"]), 0.0)] == ["it is unloaded"]
    story = Story("a:ready")
    assert [each.rule for each in evictions(story.machine, story.shutdown(), 0.0)] == ["the daemon stops"]
    story = Story("a:ready")
    orders = story.reconfigure({str(model): rules for model, rules in story.models.items()}, "a")
    assert [each.rule for each in evictions(story.machine, orders, 0.0)] == ["its configuration has changed"]


def test_names_in_a_row() -> None:
    assert [listed(names.split()) for names in ("a", "a b", "a b c")] == ["a", "a and b", "a, b and c"]


@pytest.mark.parametrize(
    "begin",
    [
        lambda seed: History(SerialScheduler, seed),
        lambda seed: SharingHistory(FifoScheduler, seed, FifoSettings),
        lambda seed: SharingHistory(BatchScheduler, seed, BatchSettings),
    ],
    ids=["serial", "fifo", "batch"],
)
def test_every_wait_has_a_reason_that_is_true(begin: Callable[[int], Any]) -> None:
    """In any situation: what is named is there, and being asked changes nothing."""
    told = 0
    for seed in range(60):
        history = begin(seed)
        for _ in range(120):
            history._step()
            machine = history.world.machine
            lives = {view.model: view for view in machine.residents()}
            before = state(machine)
            for waiting, reason in why_all_wait(machine, history.world.now):
                told += 1
                assert reason.kind != "next", (seed, waiting, reason, lives)
                _is_true(waiting.model, reason, lives, machine)
            assert state(machine) == before
    assert told > 1000


def state(machine: Any) -> str:
    """All that a question could have changed."""
    books = [getattr(machine, name, None) for name in ("_passed_by", "_swaps")]
    return repr((books, machine.residents(), machine._requests.queue, machine._requests.active, machine.next_deadline))


def _is_true(model: ModelId, reason: Any, lives: Any, machine: Any) -> None:
    named = [lives.get(each) for each in reason.models]
    match reason.kind:
        case "loading" | "others-load":
            assert named[0].state == "starting", reason
        case "stopping":
            assert all(view.state == "stopping" for view in named), reason
        case "places":
            assert named[0].state == "ready"
            assert reason.requests > 0
        case "serving":
            serving = [each for each, _ in machine._requests.active.values()]
            assert 0 < reason.requests <= serving.count(reason.models[0]), reason  # some may have lost their process
        case "behind":
            assert reason.ahead > 0
        case "stuck":
            assert named[0].state == "stuck"
        case _:
            assert reason.models[0] != model, reason
