"""Who may run beside whom, and in which order requests run: as words and rows."""

from llamaswap.config.lints.together import group_evicts
from llamaswap.config.matrix.sets import Matrix
from llamaswap.config.routing import GroupConfig, SchedulerConfig
from llamaswap.config.schema import Config

Rows = tuple[list[str], list[list[str]]]


def scheduler_in_words(config: Config) -> str:
    """The scheduler in use with its settings."""
    scheduler = config.routing.scheduler
    match scheduler.use:
        case "serial":
            return f"Scheduler serial: {_serial(scheduler)}"
        case "fifo":
            return f"Scheduler fifo: {_fifo(scheduler)}"
        case "batch":
            return f"Scheduler batch: {_batch(scheduler)}"


def beside(config: Config) -> Rows:
    """Titles and rows of the table that shows who may run beside whom; no rows if one model runs at a time."""
    routing = config.routing
    if routing.scheduler.use == "serial":
        return [], []
    if routing.matrix is not None:
        return _sets(routing.matrix, config)
    groups = [group for group in routing.groups if group.members]
    return (
        ["GROUP", "MEMBERS", "AMONG THEMSELVES", "LOADING ONE STOPS", "STOPPED BY"],
        [_group(group, [other for other in groups if other is not group]) for group in groups],
    )


def _serial(scheduler: SchedulerConfig) -> str:
    settings = scheduler.serial
    at_once = (
        "one at a time"
        if settings.parallel == 1
        else f"up to {settings.parallel} at a time if they are for the same model and follow each other"
    )
    orphans = " A load that nobody waits for is stopped." if settings.abort_orphan_loads else ""
    return (
        f"requests run in the order of their arrival, {at_once}. One model is in memory: no two run together.{orphans}"
    )


def _fifo(scheduler: SchedulerConfig) -> str:
    settings = scheduler.fifo
    order = "a request that waits for its model is overtaken by those whose model can serve at once"
    listed = ", ".join(f"{model} {number}" for model, number in settings.priority.items())
    first = f" Higher priorities go first ({listed}; others 0)." if listed else ""
    limit = f" Nobody is overtaken any more after {settings.max_wait:g} s." if settings.max_wait else ""
    return f"{order}.{first}{limit}"


def _batch(scheduler: SchedulerConfig) -> str:
    settings = scheduler.batch
    return (
        "requests for the loaded model go first, but none is overtaken by more than"
        f" {settings.max_overtakes} later ones, nor after waiting {settings.max_wait:g} s."
    )


def _group(group: GroupConfig, others: list[GroupConfig]) -> list[str]:
    inside = "-" if len(group.members) == 1 else "one at a time" if group.swap else "all together"
    stops = [other.name for other in others if group_evicts(group, other)]
    stopped_by = [other.name for other in others if group_evicts(other, group)]
    return [group.name, ", ".join(group.members), inside, ", ".join(stops) or "-", ", ".join(stopped_by) or "-"]


def _sets(matrix: Matrix, config: Config) -> Rows:
    rows = [[each.name, each.text, ", ".join(sorted(each.models))] for each in matrix.sets]
    mentioned = frozenset[str]().union(*(each.models for each in matrix.sets))
    alone = [model for model in config.models if model not in mentioned]
    return ["SET", "MAY RUN TOGETHER", "MODELS"], [*rows, *([["-", "each alone", ", ".join(alone)]] if alone else [])]
