"""``llamaswap simulate``: a day under other settings, beside what was, in a table and a chart."""

import argparse
import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from llamaswap.config.load import load
from llamaswap.errors import ConfigError
from llamaswap.schedule.choose import rules_for
from llamaswap.schedule.simulation.day import Day, play
from llamaswap.schedule.simulation.ledger import Ledger, quantile
from llamaswap.schedule.simulation.settings import SettingError, settings_from
from llamaswap.schedule.simulation.synthetic import ArrivalsError, synthetic_day
from llamaswap.verbs.charts import bars
from llamaswap.verbs.client import UsageError, VerbError
from llamaswap.verbs.ps import duration
from llamaswap.verbs.recordings import Recording, days_of


class Column(NamedTuple):
    """A day's books under one set of settings."""

    title: str
    ledger: Ledger


class _Row(NamedTuple):
    """A figure: what people read, its name for programs, and how to get at it."""

    title: str
    key: str
    of: Callable[[Ledger, list[float]], float]
    is_time: bool = True


_ROWS = (
    _Row("requests", "requests", lambda ledger, _: ledger.arrived, False),
    _Row("waited, p50", "wait_p50_s", lambda _, waits: quantile(waits, 0.5)),
    _Row("waited, p95", "wait_p95_s", lambda _, waits: quantile(waits, 0.95)),
    _Row("waited, longest", "wait_max_s", lambda _, waits: quantile(waits, 1.0)),
    _Row("gave up while waiting", "gave_up", lambda ledger, _: ledger.gave_up, False),
    _Row("turned away", "refused", lambda ledger, _: ledger.refused, False),
    _Row("loads", "loads", lambda ledger, _: ledger.loads, False),
    _Row("changes of model", "swaps", lambda ledger, _: ledger.swaps, False),
    _Row("loads aborted", "aborted", lambda ledger, _: ledger.aborted, False),
    _Row("loads failed", "failed", lambda ledger, _: ledger.failed, False),
    _Row("models in memory", "model_s", lambda ledger, _: ledger.resident_s),
    _Row("  of that serving", "serving_s", lambda ledger, _: ledger.serving_s),
    _Row("  of that loading", "loading_s", lambda ledger, _: ledger.loading_s),
    _Row("  of that for nothing", "aborted_s", lambda ledger, _: ledger.aborted_s),
)


def run_simulate(arguments: argparse.Namespace) -> None:
    """Print what the day came to, under its own settings and under those of ``--set``.

    Raises:
        VerbError: there is no such day, or no such setting.
    """
    days, columns = _day(arguments)
    if not any(day.facts for day in days):
        raise VerbError("nothing happened on that day: it has no requests")
    if arguments.assignments:
        columns.append(Column("as set", play(_under(day, arguments.assignments) for day in days)))
    if arguments.json:
        print(json.dumps(_as_json(columns, arguments.assignments), indent=2))
    else:
        _print(columns)


def _day(arguments: argparse.Namespace) -> tuple[Sequence[Day], list[Column]]:
    if (arguments.file is None) == (arguments.arrivals is None):
        raise UsageError("which day? Name a journal, or invent one with --arrivals; see -h")
    if arguments.file is not None:
        if arguments.config is not None:
            raise UsageError("a recording has its own configuration; -config is for --arrivals")
        days, ledger = days_of(Recording(arguments.file))
        return days, [Column("recorded", ledger), Column("simulated", play(days))]
    try:
        day = _invented(arguments)
    except ArrivalsError as error:
        raise UsageError(str(error)) from error
    return [day], [Column("as given", play([day]))]


def _invented(arguments: argparse.Namespace) -> Day:
    if arguments.config is None:
        return synthetic_day(arguments.arrivals)
    config = _config(arguments.config)
    rules = {model: rules_for(spec) for model, spec in config.models.items()}
    return synthetic_day(arguments.arrivals, config.routing, rules)


def _config(path: Path) -> Any:
    try:
        return load([path], os.environ).config
    except ConfigError as error:
        raise VerbError(str(error)) from error


def _under(day: Day, assignments: Sequence[str]) -> Day:
    try:
        settings = settings_from(assignments, day.routing, day.models)
    except SettingError as error:
        raise UsageError(str(error)) from error
    return day.under(settings.routing, settings.change)


def _waits(ledger: Ledger) -> list[float]:
    return sorted(wait.seconds for wait in ledger.waits)


def _as_json(columns: Sequence[Column], assignments: Sequence[str]) -> dict[str, Any]:
    told = {}
    for column in columns:
        waits = _waits(column.ledger)
        told[column.title] = {row.key: round(row.of(column.ledger, waits), 3) for row in _ROWS}
    return {"set": list(assignments), "days": told}


def _print(columns: Sequence[Column]) -> None:
    waits = [_waits(column.ledger) for column in columns]
    first = max(len(row.title) for row in _ROWS)
    print(" " * first + "".join(f"{column.title:>14}" for column in columns))
    for row in _ROWS:
        values = [row.of(column.ledger, own) for column, own in zip(columns, waits, strict=True)]
        shown = [duration(value) if row.is_time else f"{value:,.0f}" for value in values]
        print(f"{row.title:<{first}}" + "".join(f"{text:>14}" for text in shown))
    _print_chart(columns)


def _print_chart(columns: Sequence[Column]) -> None:
    """Who waits over the day; the same scale for all."""
    most = max((count for column in columns for _, count in column.ledger.crowd), default=0)
    if not most:
        return
    begin = min(at for column in columns for at, _ in column.ledger.crowd)
    end = max(at for column in columns for at, _ in column.ledger.crowd)
    width = max(20, min(100, shutil.get_terminal_size().columns - 16))
    print(f"\nwaiting requests over {duration(end - begin)}; the highest bar is {most}")
    for column in columns:
        print(f"{column.title:>12}  {bars(column.ledger.crowd, begin, end, width, most)}")
