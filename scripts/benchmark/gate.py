"""Holding the ratios: CPU for each request and event, and no errors, against what was recorded before."""

import json
from collections.abc import Sequence
from pathlib import Path

from benchmark.measure import Table
from benchmark.processes import BenchError

ALLOWED = 1.25
Recorded = dict[str, dict[str, float]]


def ratios_of(tables: Sequence[Table]) -> Recorded:
    """The gated ratios of ours, by table and column. Only tables whose unit is another program's row."""
    found: Recorded = {}
    for table in tables:
        if "ours" in table.rows and table.reference not in (None, "ours"):
            pairs = ((column.key, table.ratio("ours", column.key)) for column in table.columns if column.gated)
            found[f"{table.key} / {table.reference}"] = {key: ratio[0] for key, ratio in pairs if ratio}
    return {key: ratios for key, ratios in found.items() if ratios}


def record(tables: Sequence[Table], path: Path) -> None:
    """Write the ratios of this run, over those of the same tables in *path*."""
    known = read(path) if path.exists() else {}
    path.write_text(json.dumps(known | ratios_of(tables), indent=2) + "\n")


def read(path: Path) -> Recorded:
    """Raises `BenchError` when *path* holds no recorded ratios."""
    try:
        found: Recorded = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BenchError(f"--gate {path}: {error}") from None
    return found


def failures(tables: Sequence[Table], recorded: Recorded) -> list[str]:
    """What is worse than allowed, as ``table: column``, and every table in which ours had an error."""
    worse = []
    for name, ratios in ratios_of(tables).items():
        for key, ratio in ratios.items():
            before = recorded.get(name, {}).get(key)
            if before is not None and ratio > before * ALLOWED:
                worse.append(f"{name}: {key} is {ratio:.2f}, recorded {before:.2f}")
    for table in tables:
        lost = sum(sample.get("errors", 0) + sample.get("missed", 0) for sample in table.rows.get("ours", []))
        if lost:
            worse.append(f"{table.key}: {lost:.0f} errors")
    return worse


def table_of(failure: str) -> str:
    """The table a failure belongs to."""
    return failure.split(":", maxsplit=1)[0].split(" / ", maxsplit=1)[0]
