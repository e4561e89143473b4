"""``llamaswap load`` and ``unload``: an order, and what can be told while it is carried out."""

import argparse
import json
import sys
import threading
import time
from typing import Any

from llamaswap.verbs.client import Client, VerbError
from llamaswap.verbs.ps import duration

_LOOK_EVERY_S = 0.5


def run_load(client: Client, arguments: argparse.Namespace) -> None:
    """Load a model, in its turn in the queue, and wait until it is ready. Interrupting gives the place up."""
    _carry_out(client, "load", arguments.model, "ready", as_json=arguments.json)


def run_unload(client: Client, arguments: argparse.Namespace) -> None:
    """Stop a model, or all, and wait until nothing of it is alive. Interrupting does not take the order back."""
    _carry_out(client, "unload", arguments.model, "unloaded", as_json=arguments.json)


def _carry_out(client: Client, action: str, model: str | None, done: str, *, as_json: bool) -> None:
    begun = time.monotonic()
    if sys.stderr.isatty() and not as_json:
        _with_progress(client, action, model)
    else:
        client.order(action, model)
    took_s = time.monotonic() - begun
    if as_json:
        print(json.dumps({"model": model, "state": done, "took_s": round(took_s, 3)}, ensure_ascii=False))
    else:
        print(f"{model or 'all models'}: {done} after {duration(took_s)}")


def _with_progress(client: Client, action: str, model: str | None) -> None:
    from rich.console import Console  # noqa: PLC0415 - only for a terminal
    from rich.markup import escape  # noqa: PLC0415 - as above

    progress = _Progress(client, action, model)
    with Console(stderr=True).status(f"{action}ing {escape(model or 'all models')}") as status:
        over = threading.Event()

        def look() -> None:
            while not over.wait(_LOOK_EVERY_S):
                try:
                    status.update(escape(progress.describe()))
                except VerbError:  # the order itself will say what is wrong
                    return

        watcher = threading.Thread(target=look, daemon=True)
        watcher.start()
        try:
            client.order(action, model)
        finally:
            over.set()


class _Progress:
    """What becomes of an order that was given after this was made."""

    def __init__(self, client: Client, action: str, model: str | None) -> None:
        self._client = client
        self._action = action
        self._model = model
        self._begun = time.monotonic()
        before = [request["ticket"] for request in client.get("/api/queue")["waiting"]]
        self._newest_before = max(before, default=0)

    def describe(self) -> str:
        state = self._client.get("/api/queue")
        return describe(self._action, self._model, state, self._newest_before, time.monotonic() - self._begun)


def describe(action: str, model: str | None, state: dict[str, Any], newest_before: int, waited_s: float) -> str:
    """Say in a line how far an order is, from the daemon's queue; its own ticket is above *newest_before*."""
    what = model or "all models"
    if action == "unload":
        return f"unloading {what}: {duration(waited_s)}"
    mine = next((r for r in state["waiting"] if r["ticket"] > newest_before), None)
    if mine is None:
        return f"loading {what}: {duration(waited_s)}"
    loading = next((m for m in state["running"] if m["model"] == mine["model"] and m["state"] == "starting"), None)
    if loading is not None and mine["position"] <= 1:
        return f"loading {what}: {duration(loading['since_s'])}"
    return f"{what}: waiting in the queue at position {mine['position']} for {duration(waited_s)}"
