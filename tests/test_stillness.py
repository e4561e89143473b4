"""When content holds still: looks at given times, and what they lead to."""

from pathlib import Path

import pytest

from llamaswap.stillness import EMPTY_S, MISSING, MISSING_S, MOST_LOOKS, POLL_S, QUIET_S, Seen, Stillness

A, B = Path("a.yaml"), Path("b.yaml")
OLD = {A: "old"}
NEW = {A: "new"}
GONE = {A: MISSING}
BAD = {A: "error 13"}
EMPTY = {A: ""}
OLD_AND_EMPTY = {A: "old", B: ""}
NEW_AND_EMPTY = {A: "new", B: ""}


def acted_on(stillness: Stillness, looks: list[tuple[float, Seen]]) -> list[tuple[float, Seen]]:
    return [(at, seen) for at, seen in looks if stillness.saw(seen, at, at)]


@pytest.mark.parametrize(
    ("looks", "acts"),
    [
        pytest.param([(0, OLD), (9, OLD)], [], id="nothing new"),
        pytest.param([(0, NEW), (QUIET_S, NEW), (9, NEW)], [(QUIET_S, NEW)], id="once"),
        pytest.param([(0, NEW), (QUIET_S / 2, NEW)], [], id="too early"),
        pytest.param([(0, {A: "half"}), (0.25, NEW), (0.5, NEW)], [(0.5, NEW)], id="half written"),
        pytest.param([(0, NEW), (0.25, OLD), (9, OLD)], [], id="taken back"),
        pytest.param([(0, None), (MISSING_S - 1, None)], [], id="gone for a moment"),
        pytest.param([(0, None), (9, None), (18, None)], [(9, None)], id="gone"),
        pytest.param([(0, None), (9, None), (18, OLD), (19, OLD)], [(9, None)], id="gone, told, and back as it was"),
        pytest.param([(0, GONE), (4, GONE), (5, GONE), (9, GONE)], [(5, GONE)], id="missing"),
        pytest.param([(0, GONE), (5, GONE), (6, NEW), (7, NEW)], [(5, GONE), (7, NEW)], id="missing, and back anew"),
        pytest.param([(0, BAD), (1, BAD), (6, OLD), (7, OLD)], [(1, BAD)], id="unreadable for a while"),
        pytest.param([(0, None), (9, OLD), (18, OLD)], [], id="gone and back as it was"),
        pytest.param([(0, None), (9, NEW), (9.25, NEW)], [(9.25, NEW)], id="gone and back with other content"),
        pytest.param([(0, NEW), (0.25, None), (0.5, NEW), (0.75, NEW)], [(0.75, NEW)], id="gone in between"),
        pytest.param([(0, EMPTY), (0.25, EMPTY), (1, NEW), (1.25, NEW)], [(1.25, NEW)], id="generated"),
        pytest.param([(0, EMPTY), (EMPTY_S, EMPTY)], [(EMPTY_S, EMPTY)], id="emptied for good"),
        pytest.param([(0, OLD_AND_EMPTY), (EMPTY_S, OLD_AND_EMPTY)], [(EMPTY_S, OLD_AND_EMPTY)], id="born empty"),
        pytest.param([(0, NEW), (0.25, NEW), (1, OLD), (1.25, OLD)], [(0.25, NEW), (1.25, OLD)], id="there and back"),
    ],
)
def test_what_is_acted_on(looks: list[tuple[float, Seen]], acts: list[tuple[float, Seen]]) -> None:
    assert acted_on(Stillness(OLD), looks) == acts


def test_a_file_that_was_empty_before_delays_nobody() -> None:
    looks: list[tuple[float, Seen]] = [(0, NEW_AND_EMPTY), (QUIET_S, NEW_AND_EMPTY)]
    assert acted_on(Stillness(OLD_AND_EMPTY), looks) == looks[1:]


def test_a_dangling_link_does_not_keep_the_others_changes_from_us() -> None:
    dangling = {A: "old", B: MISSING}
    changed = {A: "new", B: MISSING}
    looks: list[tuple[float, Seen]] = [(0, dangling), (5, dangling), (6, changed), (6.25, changed)]
    assert acted_on(Stillness(OLD), looks) == [(5, dangling), (6.25, changed)]


def test_what_comes_and_goes_is_not_missing_before_its_time() -> None:
    looks: list[tuple[float, Seen]] = [(n * QUIET_S, GONE if n % 2 else {A: str(n)}) for n in range(MOST_LOOKS * 2)]
    assert GONE not in [seen for _, seen in acted_on(Stillness(OLD), looks)]


def test_a_look_counts_from_its_end_to_the_beginning_of_the_next() -> None:
    """A slow disk does not make content hold still any longer than it did."""
    stillness = Stillness(OLD)
    assert not stillness.saw(NEW, 0.0, 5.0)
    assert not stillness.saw(NEW, 5.0 + QUIET_S / 2, 9.0)
    assert stillness.saw(NEW, 9.0 + QUIET_S, 10.0)


def test_patience_ends_and_begins_anew() -> None:
    """Content that is never the same twice is acted on at every `MOST_LOOKS`-th look."""
    looks: list[tuple[float, Seen]] = [(number * QUIET_S, {A: str(number)}) for number in range(1, 2 * MOST_LOOKS + 10)]
    acts = acted_on(Stillness(OLD), looks)
    assert acts == [looks[MOST_LOOKS - 1], looks[2 * MOST_LOOKS - 1]]
    assert acts[0][0] <= 10.0


def test_edits_taken_back_over_a_long_time_use_up_no_patience() -> None:
    looks: list[tuple[float, Seen]] = [(number, NEW if number % 2 else OLD) for number in range(3 * MOST_LOOKS)]
    assert acted_on(Stillness(OLD), looks) == []


@pytest.mark.parametrize(
    ("seen", "latest"), [(OLD, 1 + POLL_S), (None, 1 + POLL_S), (NEW, 1 + QUIET_S), (EMPTY, 1 + EMPTY_S)]
)
def test_when_to_look_again(seen: Seen, latest: float) -> None:
    stillness = Stillness(OLD)
    stillness.saw(seen, 1, 1)
    assert stillness.earliest(1) == 1 + QUIET_S
    assert stillness.latest(1) == latest


def test_what_was_promised_fits() -> None:
    """The last write is acted on within 5 s, though no event tells of it, and though a file has become empty."""
    assert POLL_S + EMPTY_S < 5
