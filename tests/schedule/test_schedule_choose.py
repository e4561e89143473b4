"""The configuration's word decides which scheduler there is, with which settings."""

from llamaswap.config.load import load_text
from llamaswap.config.routing import (
    BatchSettings,
    FifoSettings,
    GroupConfig,
    RoutingConfig,
    SchedulerConfig,
    SerialSettings,
)
from llamaswap.config.schema import Config, ModelConfig, ModelId
from llamaswap.schedule.batch import BatchScheduler
from llamaswap.schedule.choose import rules_for, scheduler_for
from llamaswap.schedule.commands import Grant, Reject, Start, Stop
from llamaswap.schedule.events import Arrived, Left, Life, ModelRules, Started, Ticket
from llamaswap.schedule.fifo import FifoScheduler
from llamaswap.schedule.serial import SerialScheduler

A, B = ModelId("a"), ModelId("b")


def config(**settings: object) -> Config:
    scheduler = SchedulerConfig(**settings)  # type: ignore[arg-type] # settings of all kinds
    models = {model: ModelConfig(model) for model in (A, B)}
    return Config(
        models, routing=RoutingConfig(groups=(GroupConfig("(default)", members=(A, B)),), scheduler=scheduler)
    )


def test_serial_is_the_default() -> None:
    assert isinstance(scheduler_for(config()), SerialScheduler)


def test_fifo_gets_its_settings_and_the_groups() -> None:
    scheduler = scheduler_for(config(use="fifo", fifo=FifoSettings({A: 7}, 30.0)))
    assert isinstance(scheduler, FifoScheduler)
    assert (scheduler.priority(A), scheduler.priority(B)) == (7, 0)
    assert scheduler.handle(Arrived(Ticket(1), A), 0.0) == [Start(A, Life(1))]
    assert scheduler.handle(Arrived(Ticket(2), B), 0.0) == []  # both are in the implicit group


def test_batch_gets_its_settings_and_the_groups() -> None:
    scheduler = scheduler_for(config(use="batch", batch=BatchSettings(max_overtakes=1)))
    assert isinstance(scheduler, BatchScheduler)
    assert scheduler.handle(Arrived(Ticket(1), A), 0.0) == [Start(A, Life(1))]
    assert scheduler.handle(Started(A, Life(1)), 0.0) == [Grant(Ticket(1), A, Life(1))]
    for ticket, model in enumerate((B, A, A), 2):
        assert scheduler.handle(Arrived(Ticket(ticket), model), 0.0) == []
    assert scheduler.handle(Left(Ticket(1)), 0.0) == [Grant(Ticket(3), A, Life(1))]
    assert scheduler.handle(Left(Ticket(3)), 0.0) == [Stop(A, Life(1), 10.0)]


def test_the_scheduler_gets_its_settings() -> None:
    scheduler = scheduler_for(config(serial=SerialSettings(parallel=3, abort_orphan_loads=True)))
    assert isinstance(scheduler, SerialScheduler)
    assert (scheduler._parallel, scheduler._abort_orphan_loads) == (3, True)


def test_a_model_brings_its_rules() -> None:
    spec = ModelConfig(A, ttl=7.0, unload_timeout=3.0, concurrency_limit=2, parallel=4)
    assert rules_for(spec) == ModelRules(ttl=7.0, grace=3.0, limit=2, parallel=4)


def test_comfyui_has_room_for_a_whole_page_under_fifo() -> None:
    """It opens dozens of requests at once; the 51st outstanding one is refused, as in the reference."""
    comfyui = ModelId("comfyui_auto")
    text = "routing: {scheduler: {use: fifo}}\nmodels: {comfyui_auto: {cmd: x, proxy: 'http://127.0.0.1:1'}}\n"
    machine = scheduler_for(load_text(text, "c.yaml", {}).config)
    assert machine.handle(Arrived(Ticket(1), comfyui), 0.0) == [Start(comfyui, Life(1))]
    assert [machine.handle(Arrived(Ticket(ticket), comfyui), 0.0) for ticket in range(2, 51)] == [[]] * 49
    assert [type(order) for order in machine.handle(Arrived(Ticket(51), comfyui), 0.0)] == [Reject]
    granted = machine.handle(Started(comfyui, Life(1)), 0.0)
    assert granted == [Grant(Ticket(ticket), comfyui, Life(1)) for ticket in range(1, 51)]
