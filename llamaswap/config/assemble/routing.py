"""``routing``, wherever it was written: which router holds, its groups or its matrix, and the scheduler."""

from types import MappingProxyType
from typing import cast

from llamaswap.config.assemble.groups import build_groups
from llamaswap.config.assemble.matrix import build_matrix
from llamaswap.config.assemble.names import Names
from llamaswap.config.reading.fields import Fields, NamedWhole
from llamaswap.config.routing import (
    BatchSettings,
    FifoSettings,
    RouterName,
    RoutingConfig,
    SchedulerConfig,
    SchedulerName,
    SerialSettings,
)
from llamaswap.config.schema import ModelId


def build_routing(root: Fields, names: Names) -> RoutingConfig:
    """``routing``, or the older ``groups`` and ``matrix``."""
    router = root.section("routing").section("router")
    settings = router.section("settings")
    use = router.text("use")
    legacy = root.given("matrix") or _has_entries(root, "groups")
    modern = bool(use) or settings.given("matrix") or _has_entries(settings, "groups")
    if legacy and modern:
        key = "matrix" if root.given("matrix") else "groups"
        what = f"{key} at the top level and routing.router are both used"
        root.error(key, what, f"move {key} to routing.router.settings", code="two-routers")
    scheduler = _scheduler(root.section("routing").section("scheduler"), names)
    place = root if legacy else settings
    if legacy and root.given("matrix") and _has_entries(root, "groups"):
        what = "groups and matrix are both used, but only one can hold"
        root.error("matrix", what, "keep one of them", code="two-routers")
    name = "matrix" if (root.given("matrix") if legacy else use == "matrix") else "group"
    if name == "matrix" and not place.given("matrix"):
        what = "the router is matrix, but routing.router.settings.matrix is missing"
        router.error("use", what, "add it with its sets", code="missing")
    _read_the_other(root, settings, name)
    if not legacy and not use and settings.given("matrix"):
        what = "this matrix is ignored, because routing.router.use is not set"
        settings.warn("matrix", what, "add use: matrix", code="ignored-block")
    if name == "matrix" and place.given("matrix"):
        return RoutingConfig("matrix", (), build_matrix(place.section("matrix"), names), scheduler)
    return RoutingConfig(cast(RouterName, name), build_groups(place, names), None, scheduler)


def _has_entries(fields: Fields, key: str) -> bool:
    return any(True for _ in fields.entries(key))


def _read_the_other(root: Fields, settings: Fields, name: str) -> None:
    """The block that does not hold must have the right types all the same."""
    for place in (root, settings):
        if name == "matrix":
            for _, group in place.entries("groups"):
                for key in ("swap", "exclusive", "persistent"):
                    group.switch(key)
                group.texts("members")
        elif place.given("matrix"):
            matrix = place.section("matrix")
            matrix.named_texts("vars")
            matrix.named_wholes("evict_costs")
            matrix.named_texts("sets")


def _scheduler(fields: Fields, names: Names) -> SchedulerConfig:
    settings = fields.section("settings")
    serial, fifo, batch = (settings.section(name) for name in ("serial", "fifo", "batch"))
    return SchedulerConfig(
        use=cast(SchedulerName, fields.text("use") or "serial"),
        serial=SerialSettings(serial.whole("parallel"), serial.switch("abortOrphanLoads")),
        fifo=FifoSettings(_priorities(fifo, names), float(fifo.whole("maxWait"))),
        batch=BatchSettings(batch.whole("maxOvertakes"), float(batch.whole("maxWait"))),
    )


def _priorities(fifo: Fields, names: Names) -> MappingProxyType[ModelId, int]:
    found: dict[ModelId, NamedWhole] = {}
    for entry in fifo.named_wholes("priority"):
        if entry.name not in names.local:
            remedy = names.suggestion(entry.name, "use a model's ID or alias")
            what = "there is no model of this name"
            fifo.problems.error("priority", entry.path, entry.mark, what, value=repr(entry.name), remedy=remedy)
            continue
        model = names.local[entry.name]
        other = found.get(model)
        if other is not None:
            what = f"the model {model} has two priorities, as {other.name} and as {entry.name}"
            remedy = f"keep one of them; the one of {model} counts"
            fifo.problems.warn("two-priorities", entry.path, entry.mark, what, remedy=remedy)
        if other is None or entry.name == model:
            found[model] = entry
    return MappingProxyType({model: entry.value for model, entry in found.items()})
