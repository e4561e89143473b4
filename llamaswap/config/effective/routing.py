"""``routing`` as it holds, under the configuration's own key names. Pure."""

from typing import Any

from llamaswap.config.matrix.sets import Matrix
from llamaswap.config.names import ModelId
from llamaswap.config.routing import IMPLICIT_GROUP, GroupConfig, RoutingConfig, SchedulerConfig

Json = dict[str, Any]


def routing_values(routing: RoutingConfig) -> Json:
    """The router and the scheduler in use, and the settings of all of them."""
    matrix = None if routing.matrix is None else _matrix(routing.matrix)
    groups = {group.name: _group(group) for group in routing.groups if _is_worth_telling(group)}
    return {
        "router": {"use": routing.router, "settings": {"groups": groups, "matrix": matrix}},
        "scheduler": _scheduler(routing.scheduler),
    }


def _is_worth_telling(group: GroupConfig) -> bool:
    """The implicit group is always there; it is left out while nobody is in it and nothing was said about it."""
    return group != GroupConfig(IMPLICIT_GROUP)


def _group(group: GroupConfig) -> Json:
    return {
        "swap": group.swap,
        "exclusive": group.exclusive,
        "persistent": group.persistent,
        "members": list(group.members),
    }


def _matrix(matrix: Matrix) -> Json:
    return {
        "vars": dict(matrix.variables),
        "evict_costs": {_name_of(model, matrix): cost for model, cost in matrix.costs.items()},
        "sets": {each.name: each.text for each in matrix.sets},
    }


def _name_of(model: ModelId, matrix: Matrix) -> str:
    """What stands for *model*: a var of another model may hide its ID."""
    if matrix.variables.get(model, model) == model:
        return model
    return next(name for name, meant in matrix.variables.items() if meant == model)


def _scheduler(scheduler: SchedulerConfig) -> Json:
    serial, fifo, batch = scheduler.serial, scheduler.fifo, scheduler.batch
    return {
        "use": scheduler.use,
        "settings": {
            "serial": {"parallel": serial.parallel, "abortOrphanLoads": serial.abort_orphan_loads},
            "fifo": {"priority": dict(fifo.priority), "maxWait": int(fifo.max_wait)},
            "batch": {"maxOvertakes": batch.max_overtakes, "maxWait": int(batch.max_wait)},
        },
    }
