"""Tables for people, Markdown for ``docs/performance.md``, JSON for programs; and the machine they were taken on."""

import os
import platform
import subprocess
import sysconfig
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmark.measure import Table
from benchmark.tools import ROOT

#: What surrounds the figures in a page that is kept.
BEGIN, END = "<!-- figures:", "<!-- end of figures"


def facts() -> dict[str, str]:
    """What a figure means nothing without."""
    arguments = str(sysconfig.get_config_var("CONFIG_ARGS") or "")
    switches = ["--enable-optimizations", "--with-lto"]
    told = [switch for switch in switches if switch in arguments] or ["no PGO or LTO by its CONFIG_ARGS"]
    return {
        "date": time.strftime("%Y-%m-%d %H:%M %Z"),
        "commit": _commit(),
        "python": f"{platform.python_version()} ({', '.join(told)})",
        "cores": str(os.cpu_count()),
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def _commit() -> str:
    git = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=10"]
    try:
        return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def one_line(known: dict[str, str]) -> str:
    return "; ".join(f"{name} {value}" for name, value in known.items())


def cells(table: Table) -> list[list[str]]:
    """The table as text: a header, then a row for each candidate."""
    header = ["", *(column.title for column in table.columns)]
    rows = [header]
    for name in table.rows:
        row = [f"{name} (unit)" if name == table.reference else name]
        for column in table.columns:
            value = table.median(name, column.key)
            text = "–" if value is None else f"{value:,.{column.digits}f}"
            ratio = table.ratio(name, column.key) if column.as_ratio and name != table.reference else None
            row.append(f"{text}  ×{ratio[0]:.2f} ({ratio[1]:.2f}–{ratio[2]:.2f})" if ratio else text)
        rows.append(row)
    return rows


def plain(table: Table) -> str:
    """Columns aligned with spaces."""
    rows = cells(table)
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = ["", table.title, "-" * len(table.title)]
    for row in rows:
        padded = [
            row[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
        ]
        lines.append("  ".join(padded).rstrip())
    return "\n".join([*lines, *(f"  {remark}" for remark in table.remarks)])


def markdown(tables: Sequence[Table], known: dict[str, str], notes: Sequence[str]) -> str:
    """The tables as ``docs/performance.md`` shows them."""
    parts = [f"Measured: {one_line(known)}.\n"]
    for table in tables:
        rows = cells(table)
        parts.append(f"### {table.title}\n")
        parts.append("| " + " | ".join(rows[0]) + " |")
        parts.append("|---" + "|---:" * (len(rows[0]) - 1) + "|")
        parts += ["| " + " | ".join(row) + " |" for row in rows[1:]]
        parts += ["", *(f"{remark[0].upper()}{remark[1:]}.\n" for remark in table.remarks)]
    parts += [f"- {note}" for note in notes]
    return "\n".join(parts) + "\n"


def write_markdown(path: Path, text: str) -> None:
    """Put *text* between the marks of the page at *path*, or make it the page when there are none."""
    page = path.read_text() if path.exists() else ""
    before, begin, rest = page.partition(BEGIN)
    mark, newline, inside = rest.partition("\n")
    _, end, after = inside.partition(END)
    path.write_text(before + begin + mark + newline + text + end + after if begin and end else text)


def as_json(tables: Sequence[Table], known: dict[str, str], notes: Sequence[str]) -> dict[str, Any]:
    """Every sample, and the ratios with least and largest."""
    return {
        "machine": known,
        "notes": list(notes),
        "tables": {
            table.key: {
                "title": table.title,
                "unit": table.reference,
                "remarks": table.remarks,
                "rows": {
                    name: {
                        "samples": samples,
                        "median": {column.key: table.median(name, column.key) for column in table.columns},
                        "ratio": {
                            column.key: table.ratio(name, column.key) for column in table.columns if column.as_ratio
                        },
                    }
                    for name, samples in table.rows.items()
                },
            }
            for table in tables
        },
    }
