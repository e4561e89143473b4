"""A world out of its seed."""

import random

from llamaswap.config.schema import ModelId
from tests.sim.harder import harder
from tests.sim.people import draw_orders, draw_requests
from tests.sim.plan import NAMES, NEVER, Plan
from tests.sim.settings import first_config, next_config


def draw(seed: int, *, tiny: bool = False) -> Plan:
    """The world of *seed*: an hour, or *tiny*: two models, few requests, a few minutes."""
    rng = random.Random(f"world {seed}")
    names = [ModelId(name) for name in NAMES[: 2 if tiny else rng.choice((1, 2, 2, 3, 3, 4, 5))]]
    length = 120.0 if tiny else 3600.0
    first, sets = first_config(rng, names)
    orders = draw_orders(rng, names, length, 3 if tiny else 10)
    configs = [first]
    for _ in range(sum(order.kind == "reload" for order in orders)):
        configs.append(next_config(rng, first, configs[-1]))
    quiet = rng.random() < 0.5
    plain = Plan(
        seed=f"{seed}{' tiny' if tiny else ''}",
        configs=tuple(configs),
        requests=tuple(draw_requests(rng, names, length * (0.7 if quiet else 1.0), 5 if tiny else rng.randint(25, 60))),
        orders=tuple(orders),
        ends_at=length,
        hurried_after=rng.uniform(0, 20) if rng.random() < 0.3 else NEVER,
        sets=sets,
    )
    return harder(plain, seed)
