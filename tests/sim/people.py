"""Clients and operators, drawn."""

import random

from llamaswap.config.schema import ModelId
from tests.sim.plan import NEVER, Answer, AnswerKind, Asked, Order, OrderKind


def draw_requests(rng: random.Random, names: list[ModelId], length: float, count: int) -> list[Asked]:
    """In crowds, so that queues form, and some at the same instant."""
    asked: list[Asked] = []
    while len(asked) < count:
        at = rng.uniform(0, length)
        spread = rng.choice((0.0, 1.0, 10.0, 60.0))
        for _ in range(rng.choice((1, 1, 2, 4, 8))):
            asked.append(_request(rng, len(asked) + 1, at + rng.uniform(0, spread), rng.choice(names)))
    return sorted(asked, key=lambda each: each.at)


def _request(rng: random.Random, number: int, at: float, model: ModelId) -> Asked:
    answer = _answer(rng)
    leaves = rng.choice((0.0, 0.5, 3.0, 20.0, 90.0)) * rng.random() if rng.random() < 0.2 else NEVER
    if answer.kind == "silent":
        leaves = min(leaves, rng.uniform(1, 60))
    if answer.kind == "endless":
        leaves = min(leaves, rng.uniform(1, 400))
    stalls = rng.choice((1.0, 30.0, 200.0)) if rng.random() < 0.05 else 0.0
    return Asked(number, at, model, answer, leaves, stalls)


def _answer(rng: random.Random) -> Answer:
    kinds: list[AnswerKind] = ["whole", "stream", "to end", "break", "reset", "silent", "hang up", "endless"]
    kind = rng.choices(kinds, (40, 25, 5, 4, 4, 4, 4, 3))[0]
    delay = rng.choice((0.0, 0.1, 2.0, 10.0)) * rng.random()
    if rng.random() < 0.01:
        delay = 1000.0  # silence is allowed
    pieces = 1 if kind == "whole" else rng.randint(1, 8)
    gap = rng.choice((0.0, 0.05, 1.0, 5.0)) * rng.random()
    if kind == "stream" and rng.random() < 0.02:
        pieces, gap = 10, 60.0
    return Answer(kind, delay, pieces, gap, rng.choice((1, 40, 3000, 30000)))


def draw_orders(rng: random.Random, names: list[ModelId], length: float, most: int) -> list[Order]:
    orders = []
    for _ in range(rng.randint(0, most)):
        kind: OrderKind = rng.choice(("unload", "unload", "unload all", "load", "reload", "reload"))
        grace = rng.choice((None, None, 0.0, 1.0))
        orders.append(Order(rng.uniform(0, length), kind, rng.choice(names), grace))
    return sorted(orders, key=lambda each: each.at)
