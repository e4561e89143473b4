"""The arithmetic of the benchmark: rounds, ratios, the gate, and how they are written down."""

from pathlib import Path

import pytest
from benchmark.candidates import Candidate
from benchmark.gate import failures, read, record
from benchmark.measure import Column, Sample, Table, interleave, reference_among
from benchmark.processes import BenchError
from benchmark.report import BEGIN, END, cells, write_markdown

CPU = Column("cpu_us", "CPU", gated=True)


def candidate(name: str) -> Candidate:
    return Candidate(name, port=1, stub_port=1, root=None, stub=Path("/nowhere"))


def table(ours: list[float], go: list[float], errors: float = 0) -> Table:
    rows: dict[str, list[Sample]] = {
        "go": [{"cpu_us": value} for value in go],
        "ours": [{"cpu_us": value, "errors": errors} for value in ours],
    }
    return Table("json-8", "B1", [CPU], rows, "go")


def test_every_other_round_runs_backwards() -> None:
    """A drift of the machine must not favour whoever comes first."""
    seen: list[str] = []

    def take(chosen: Candidate) -> Sample:
        seen.append(chosen.name)
        return {"rate": float(len(seen))}

    rows = interleave([candidate("a"), candidate("b")], 3, take)
    assert seen == ["a", "b", "b", "a", "a", "b"]
    assert [sample["rate"] for sample in rows["a"]] == [1, 4, 5]


def test_a_measurement_that_fails_is_an_error_and_not_the_end() -> None:
    def take(chosen: Candidate) -> Sample:
        if chosen.name == "bad":
            raise BenchError("refused")
        return {"rate": 2.0}

    rows = interleave([candidate("good"), candidate("bad")], 1, take)
    assert rows == {"good": [{"rate": 2.0}], "bad": [{"errors": 1.0}]}


def test_ratios_are_taken_within_a_round() -> None:
    """In a round where the machine is twice as slow, both are, and the ratio stays."""
    assert table(ours=[2, 4, 3], go=[1, 2, 1]).ratio("ours", "cpu_us") == (2, 2, 3)


def test_a_figure_that_is_missing_gives_no_ratio() -> None:
    assert table(ours=[], go=[1]).ratio("ours", "cpu_us") is None
    assert Table("k", "t", [CPU], {"ours": [{"cpu_us": 1}]}, None).ratio("ours", "cpu_us") is None


def test_the_unit_is_go_where_there_is_one() -> None:
    assert reference_among(["direct", "nginx", "go", "ours"]) == "go"
    assert reference_among(["direct", "nginx", "ours"]) == "nginx"
    assert reference_among(["ours"]) is None


@pytest.mark.parametrize(("now", "held"), [(1.24, True), (1.26, False)])
def test_the_gate_closes_at_a_quarter_more(tmp_path: Path, now: float, held: bool) -> None:
    path = tmp_path / "ratios.json"
    record([table(ours=[1], go=[1])], path)
    assert (failures([table(ours=[now], go=[1])], read(path)) == []) is held


def test_recording_keeps_what_this_run_did_not_measure(tmp_path: Path) -> None:
    path = tmp_path / "ratios.json"
    path.write_text('{"streams / go": {"cpu_us": 1.5}}')
    record([table(ours=[2], go=[1])], path)
    assert read(path) == {"streams / go": {"cpu_us": 1.5}, "json-8 / go": {"cpu_us": 2.0}}


def test_an_error_closes_the_gate_without_any_record() -> None:
    assert failures([table(ours=[1], go=[1], errors=2)], {}) == ["json-8: 2 errors"]


def test_a_gate_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"nothing\.json"):
        read(tmp_path / "nothing.json")


def test_cells_show_the_median_and_the_ratio_with_its_spread() -> None:
    assert cells(table(ours=[2, 4, 3], go=[1, 2, 1])) == [
        ["", "CPU"],
        ["go (unit)", "1.0"],
        ["ours", "3.0  ×2.00 (2.00–3.00)"],
    ]


def test_markdown_replaces_the_figures_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"before\n{BEGIN} here -->\nold\n{END} -->\nafter\n")
    write_markdown(page, "new\n")
    assert page.read_text() == f"before\n{BEGIN} here -->\nnew\n{END} -->\nafter\n"
    fresh = tmp_path / "fresh.md"
    write_markdown(fresh, "new\n")
    assert fresh.read_text() == "new\n"
