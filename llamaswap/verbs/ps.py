"""``llamaswap ps``: which models run, and who waits for which."""

import argparse
import json
from typing import Any

from llamaswap.verbs.client import Client


def run_ps(client: Client, arguments: argparse.Namespace) -> None:
    """Print the processes and the queue, as tables or as the daemon's own JSON."""
    state = client.get("/api/queue")
    if arguments.json:
        print(json.dumps(state, ensure_ascii=False, indent=2))
        return
    from rich.console import Console  # noqa: PLC0415 - half of the verb's time; programs do not need it

    console = Console(highlight=False)
    if not state["running"]:
        console.print("no model is loaded", markup=False)
    else:
        console.print(_models(state["running"]))
    if state["waiting"]:
        console.print(_queue(state["waiting"]))
        more = state["waiting_total"] - len(state["waiting"])
        if more > 0:
            console.print(f"and {more} more", markup=False)


def _models(running: list[dict[str, Any]]) -> Any:
    table = _table("MODEL", "STATE", "PID", "FOR", "REQUESTS", "UNLOADS IN")
    for model in running:
        table.add_row(
            model["model"],
            model["state"],
            str(model["pid"] or "-"),
            duration(model["since_s"]),
            str(model["requests"]),
            _unloads_in(model),
        )
    return table


def _queue(waiting: list[dict[str, Any]]) -> Any:
    table = _table("WAITING", "MODEL", "FOR", "STARTS IN")
    for request in waiting:
        table.add_row(f"#{request['position']}", request["model"], duration(request["waited_s"]), _starts_in(request))
    return table


def _starts_in(request: dict[str, Any]) -> str:
    """The range that holds in four of five cases; ``-`` if there is nothing to base one on."""
    expected = request.get("starts_in_s")
    if expected is None:
        return "-"
    guess = "~" if request.get("extrapolated") else ""
    low = guess + duration(expected["low"])
    if expected["high"] is None:
        return f"{low} or more"
    high = guess + duration(expected["high"])
    return low if low == high else f"{low} to {high}"


def _table(*titles: str) -> Any:
    from rich.table import Table  # noqa: PLC0415 - see run_ps

    return Table(*titles, box=None, pad_edge=False, padding=(0, 3, 0, 0))


def _unloads_in(model: dict[str, Any]) -> str:
    if not model["ttl_s"]:
        return "never"
    if model["idle_s"] is None:
        return f"{duration(model['ttl_s'])} after its last use" if model["state"] == "ready" else "-"
    return duration(max(0.0, model["ttl_s"] - model["idle_s"]))


def duration(seconds: float) -> str:
    """A length of time as a person says it: ``1.2s``, ``3m04s``, ``5h12m``, ``2d03h``."""
    if seconds < 10:
        return f"{seconds:.1f}s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02}h"
