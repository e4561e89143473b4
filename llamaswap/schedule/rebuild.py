"""A machine out of its settings, or out of the header of a journal's segment."""

from collections.abc import Mapping

import msgspec

from llamaswap.config.routing import RoutingConfig
from llamaswap.config.schema import Config, ModelConfig, ModelId
from llamaswap.schedule.choose import scheduler_for
from llamaswap.schedule.events import ConfigReplaced, ModelRules
from llamaswap.schedule.journal import Header, JournalError, whose
from llamaswap.schedule.scheduler import Scheduler
from llamaswap.schedule.snapshot import SnapshotError, restore


def build(routing: RoutingConfig, models: Mapping[ModelId, ModelRules], now: float = 0.0) -> Scheduler:
    """A new machine with these settings and models."""
    machine = scheduler_for(Config(models={model: ModelConfig(model) for model in models}, routing=routing))
    machine.handle(ConfigReplaced(models), now)
    return machine


def machine_of(header: Header) -> Scheduler:
    """The machine as it was when the segment began. Raises `JournalError`."""
    machine = build(header.settings(), header.models, header.now)
    try:
        restore(machine, msgspec.json.decode(header.state))
    except (SnapshotError, msgspec.DecodeError) as error:
        raise JournalError(
            f"the state in this segment's header cannot be restored ({error}); {whose(header)}"
        ) from error
    return machine
