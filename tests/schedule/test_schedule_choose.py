"""The configuration's word decides which scheduler there is, with which settings."""

from llamaswap.config.routing import RoutingConfig, SchedulerConfig, SerialSettings
from llamaswap.config.schema import Config, ModelConfig, ModelId
from llamaswap.schedule.choose import rules_for, scheduler_for
from llamaswap.schedule.events import ModelRules
from llamaswap.schedule.serial import SerialScheduler

A = ModelId("a")


def config(**settings: object) -> Config:
    return Config(models={A: ModelConfig(A)}, routing=RoutingConfig(scheduler=SchedulerConfig(**settings)))  # type: ignore[arg-type] # settings of all kinds


def test_serial_is_the_default() -> None:
    assert isinstance(scheduler_for(config()), SerialScheduler)


def test_the_scheduler_gets_its_settings() -> None:
    scheduler = scheduler_for(config(serial=SerialSettings(parallel=3, abort_orphan_loads=True)))
    assert isinstance(scheduler, SerialScheduler)
    assert (scheduler._parallel, scheduler._abort_orphan_loads) == (3, True)


def test_a_model_brings_its_rules() -> None:
    spec = ModelConfig(A, ttl=7.0, unload_timeout=3.0, concurrency_limit=2, parallel=4)
    assert rules_for(spec) == ModelRules(ttl=7.0, grace=3.0, limit=2, parallel=4)
