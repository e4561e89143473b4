"""What needs no socket: the scheduler's machine (B11), and finding ``model`` in a body (B10)."""

import gc
import json
import time
from collections import deque
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from benchmark.measure import Column, Sample, Table
from benchmark.room import Room
from llamaswap.config.routing import IMPLICIT_GROUP, GroupConfig, RoutingConfig, SchedulerConfig, SchedulerName
from llamaswap.config.schema import ModelId
from llamaswap.proxy import jsonbody
from llamaswap.schedule.commands import Command, Grant, Reject, Start, Stop
from llamaswap.schedule.events import Arrived, Event, Exited, Left, ModelRules, Started, Ticket
from llamaswap.schedule.rebuild import build

RUN = 10  # consecutive requests for one model, then the next model: one swap in twenty-odd events
SCHEDULERS: tuple[SchedulerName, ...] = ("serial", "fifo", "batch")
SIZES = ((3, 10), (3, 1_000), (3, 100_000), (50, 1_000))  # models, and requests that wait


def scheduler(room: Room) -> list[Table]:
    """Events per second through each scheduler's `handle` while so many wait; whoever leaves is followed by another."""
    print("B11 scheduler ...", flush=True)
    events = 20_000 if room.extent.quick else 300_000
    rows: dict[str, list[Sample]] = {_row(use, *size): [] for use in SCHEDULERS for size in SIZES}
    for _ in range(1 if room.extent.quick else room.extent.rounds):
        for use in SCHEDULERS:
            for models, waiting in SIZES:
                rate = _events_per_second(use, models, waiting, events)
                rows[_row(use, models, waiting)].append({"rate": rate})
    columns = [Column("rate", "events/s", 0)]
    remark = f"models in turns of {RUN} requests, one in memory at a time; the time of the driving loop is included"
    first = _row("serial", *SIZES[0])
    return [Table("scheduler", "B11 scheduler events per second", columns, rows, first, [remark])]


def _row(use: SchedulerName, models: int, waiting: int) -> str:
    return f"{use}, {models} models, {waiting:,} waiting"


def _events_per_second(use: SchedulerName, models: int, waiting: int, events: int) -> float:
    names = [ModelId(f"model{number}") for number in range(models)]
    groups = (GroupConfig(IMPLICIT_GROUP, members=tuple(names)),)
    machine = build(
        RoutingConfig(groups=groups, scheduler=SchedulerConfig(use=use)), dict.fromkeys(names, ModelRules())
    )
    wanted = cycle(model for model in names for _ in range(RUN))
    arrivals = (Arrived(Ticket(number), model) for number, model in enumerate(wanted, 1))
    inbox: deque[Event] = deque()
    for arrival in islice(arrivals, waiting):
        _carry_out(machine.handle(arrival, 0.0), inbox)
    gc.collect()
    began = time.perf_counter()
    for number in range(events):
        event = inbox.popleft() if inbox else next(arrivals)
        _carry_out(machine.handle(event, number * 1e-3), inbox)
        if type(event) is Left:
            inbox.append(next(arrivals))
    return events / (time.perf_counter() - began)


def _carry_out(orders: list[Command], inbox: deque[Event]) -> None:
    """Answer each order with the fact that follows from it in a world where everything succeeds at once."""
    for order in orders:
        match order:
            case Grant(ticket) | Reject(ticket):
                inbox.append(Left(ticket))
            case Start(model, life):
                inbox.append(Started(model, life))
            case Stop(model, life):
                inbox.append(Exited(model, life))


def find_model(room: Room) -> list[Table]:
    """Time to find ``model`` and to rewrite it, beside the standard library, in the small body and the 10 MB one."""
    print("B10 find and rewrite model ...", flush=True)
    ways: dict[str, Callable[[bytes], Any]] = {
        "json.loads": json.loads,
        "ours, find": jsonbody.name_of,
        "json, rewrite": _rewrite_with_json,
        "ours, rewrite": lambda body: jsonbody.replace_model(body, "other"),
    }
    tables = []
    for key, size, times in (("small", "300 B", 2000), ("big", "10 MB", 5)):
        body = Path(room.file(f"{key}.json")).read_bytes()
        rows: dict[str, list[Sample]] = {way: [] for way in ways}
        for _ in range(2 if room.extent.quick else room.extent.rounds):
            for way, call in ways.items():
                rows[way].append({"us": _microseconds(call, body, times)})
        columns = [Column("us", "µs", 2)]
        tables.append(Table(f"find-{key}", f"B10 find and rewrite model in {size}", columns, rows, "json.loads"))
    return tables


def _rewrite_with_json(body: bytes) -> bytes:
    return json.dumps({**json.loads(body), "model": "other"}).encode()


def _microseconds(call: Callable[[bytes], Any], body: bytes, times: int) -> float:
    began = time.perf_counter()
    for _ in range(times):
        call(body)
    return (time.perf_counter() - began) / times * 1e6
