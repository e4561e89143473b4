"""The scenarios by name: each is handed the room and returns its tables."""

from collections.abc import Callable

from benchmark.measure import Table
from benchmark.room import Room
from benchmark.scenarios import bodies, configuration, lifecycle, machine, requests, soak, streams, swap

Scenario = Callable[[Room], list[Table]]

SCENARIOS: dict[str, tuple[str, Scenario]] = {
    "json": ("B1: small JSON requests at 1, 8 and 64 connections", requests.small_json),
    "health": ("B2: GET /health at 8 connections", requests.health),
    "reuse": ("B13: upstream connections for 10,000 requests at 8 connections", requests.reuse),
    "streams": ("B3, B4: 32 streams at 100 and 300 events/s, 64 at 1,000 events/s", streams.paced),
    "fullspeed": ("B5: 1 and 8 streams as fast as they go", streams.full_speed),
    "bodies": ("B6: 10 MB bodies with `model` last, one and four at a time", bodies.large),
    "fairness": ("B7: paced streams while 10 MB bodies flood", bodies.fairness),
    "disconnect": ("B8: client closes -> upstream sees it", lifecycle.disconnect),
    "start": ("B9: start-up until /health", lifecycle.start),
    "memory": ("B9: memory at rest and after load", lifecycle.memory),
    "swap": ("swap's own cost: cold model through the daemon, minus the same by hand", swap.own_cost),
    "scheduler": ("B11: scheduler events per second with 10, 1,000 and 100,000 waiting", machine.scheduler),
    "config": ("loading the example, and 200 models with a matrix of 20 sets", configuration.loading),
    "find": ("B10: find and rewrite `model` in a body", machine.find_model),
}

__all__ = ["SCENARIOS", "Scenario", "soak"]
