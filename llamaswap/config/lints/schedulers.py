"""What the scheduler in use does not look at."""

from collections.abc import Iterator

from llamaswap.config.lints.facts import Facts, Lint
from llamaswap.config.routing import SchedulerConfig
from llamaswap.config.schema import Config
from llamaswap.config.text.problems import KeyPath

_ROUTER: KeyPath = ("routing", "router")
_SCHEDULER: KeyPath = ("routing", "scheduler")
_COMFYUI = "comfyui_auto"
_USUAL_ROWS = Config().metrics_max_in_memory


def ignored_routing(facts: Facts) -> Iterator[Lint]:
    """Groups or a matrix under ``serial``."""
    if not facts.is_serial:
        return
    settings = (*_ROUTER, "settings")
    for path in (("groups",), ("matrix",), (*settings, "groups"), (*settings, "matrix")):
        if facts.written.keys(path) and _holds(facts, path):
            what = "ignored: the scheduler serial runs one model at a time"
            remedy = "write routing: {scheduler: {use: fifo}} to let models run together, or remove it"
            yield Lint("ignored-block", path, what, remedy)


def ignored_router(facts: Facts) -> Iterator[Lint]:
    """Groups beside a matrix that holds, or the other way round."""
    if facts.is_serial or not facts.written.given((*_ROUTER, "use")):
        return
    other = "groups" if facts.routing.router == "matrix" else "matrix"
    path = (*_ROUTER, "settings", other)
    if facts.written.keys(path):
        what = f"ignored: the router is {facts.routing.router}"
        yield Lint("ignored-block", path, what, "remove it, or change routing.router.use")


def ignored_scheduler(facts: Facts) -> Iterator[Lint]:
    """Settings of a scheduler that is not in use, other than the defaults: those only tell what there is."""
    scheduler = facts.routing.scheduler
    used, usual = scheduler.use, SchedulerConfig()
    for name in ("serial", "fifo", "batch"):
        path = (*_SCHEDULER, "settings", name)
        if name != used and getattr(scheduler, name) != getattr(usual, name) and facts.written.given(path):
            remedy = f"write routing.scheduler.use: {name} if it is meant, or remove this"
            yield Lint("ignored-block", path, f"ignored: the scheduler is {used}", remedy)


def ignored_parallel(facts: Facts) -> Iterator[Lint]:
    """``parallel`` of a model, which only ``batch`` reads."""
    used = facts.routing.scheduler.use
    for model in facts.config.models.values():
        if used != "batch" and model.parallel > 1:
            what = f"ignored: only the scheduler batch reads it, and the scheduler is {used}"
            serial = "write routing.scheduler.settings.serial.parallel"
            remedy = f"{serial}, or use: batch" if used == "serial" else "remove it, or use: batch"
            yield Lint("ignored-key", ("models", model.id, "parallel"), what, remedy)


def ignored_keys(facts: Facts) -> Iterator[Lint]:
    """Single keys that another one makes pointless."""
    if facts.config.store_path is not None and facts.config.metrics_max_in_memory != _USUAL_ROWS:
        what = "ignored: with store.path rows are kept in the database"
        yield Lint("ignored-key", ("metricsMaxInMemory",), what, "remove it")
    for selector in facts.config.selectors.values():
        path: KeyPath = ("selectors", selector.id, "settings", "spillover")
        if selector.strategy != "spillover" and selector.spillover != 1 and facts.written.given(path):
            what = f"ignored: the strategy is {selector.strategy}"
            yield Lint("ignored-key", path, what, "remove it, or write strategy: spillover")


def limit_under_serial(facts: Facts) -> Iterator[Lint]:
    """A limit that only makes waiting requests fail."""
    if not facts.is_serial:
        return
    models = [each for each in facts.config.models.values() if each.concurrency_limit > 0 and each.id != _COMFYUI]
    for model in models[:1]:  # the others have the same trouble
        what = f"requests run one at a time anyway; beyond {model.concurrency_limit} waiting ones fail with HTTP 429"
        several = f"; {len(models)} models have such a limit" if len(models) > 1 else ""
        remedy = "remove it to let them wait, or keep it if clients should be told to come back"
        yield Lint("limit-under-serial", ("models", model.id, "concurrencyLimit"), what + several, remedy)


def limit_below_parallel(facts: Facts) -> Iterator[Lint]:
    """``parallel`` that the limit makes unreachable."""
    if facts.routing.scheduler.use != "batch":
        return
    for model in facts.config.models.values():
        if 0 < model.concurrency_limit < model.parallel:
            what = f"never reached: concurrencyLimit refuses more than {model.concurrency_limit} requests"
            remedy = "raise concurrencyLimit, which counts waiting requests too, or lower this"
            yield Lint("limit-below-parallel", ("models", model.id, "parallel"), what, remedy)


def _holds(facts: Facts, path: KeyPath) -> bool:
    """Whether the block at *path* is the one of the router in use; of the other the loader tells, or nobody minds."""
    return facts.routing.router == ("matrix" if path[-1] == "matrix" else "group")


RULES = (
    ignored_routing,
    ignored_router,
    ignored_scheduler,
    ignored_parallel,
    ignored_keys,
    limit_under_serial,
    limit_below_parallel,
)
