"""Which scheduler a configuration asks for, and what it tells it of its models."""

from typing import assert_never

from llamaswap.config.schema import Config, ModelConfig
from llamaswap.schedule.events import ModelRules
from llamaswap.schedule.scheduler import Scheduler
from llamaswap.schedule.serial import SerialScheduler


def scheduler_for(config: Config) -> Scheduler:
    """A new scheduler with the settings and models of *config*."""
    models = {model: rules_for(spec) for model, spec in config.models.items()}
    settings = config.routing.scheduler
    match settings.use:
        case "fifo":
            from llamaswap.schedule.eviction import eviction_for  # noqa: PLC0415 - the default does without
            from llamaswap.schedule.fifo import FifoScheduler  # noqa: PLC0415 - as above

            return FifoScheduler(models, eviction_for(config.routing), settings.fifo)
        case "batch":
            from llamaswap.schedule.batch import BatchScheduler  # noqa: PLC0415 - as above
            from llamaswap.schedule.eviction import eviction_for  # noqa: PLC0415 - as above

            return BatchScheduler(models, eviction_for(config.routing), settings.batch)
        case "serial":
            serial = settings.serial
            return SerialScheduler(models, parallel=serial.parallel, abort_orphan_loads=serial.abort_orphan_loads)
        case _:
            assert_never(settings.use)


def rules_for(spec: ModelConfig) -> ModelRules:
    """What the scheduler must know of *spec*."""
    return ModelRules(spec.ttl, spec.unload_timeout, spec.concurrency_limit, spec.parallel)
