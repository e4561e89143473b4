"""A guard that is killed while its model serves: what is told of it, and when."""

import os
import signal
import threading

import pytest

from llamaswap.models.reclaim import sweep_life
from llamaswap.schedule.events import Dying, Exited
from tests.models.living import Lives


@pytest.mark.processes
async def test_its_loss_is_told_before_the_sweep(lives: Lives, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep may take seconds, and meanwhile nobody is to be sent to the model."""
    told = threading.Event()

    def sweep_once_told(mark: str, leader: int | None) -> list[int]:
        assert told.wait(20)
        return sweep_life(mark, leader)

    monkeypatch.setattr("llamaswap.models.process.sweep_life", sweep_once_told)
    run = lives.begin(lives.server())
    await run.next_fact()
    guard = run.life._process.guard_pid if run.life._process else None
    assert guard
    os.kill(guard, signal.SIGKILL)
    try:
        assert isinstance(await run.next_fact(5), Dying)
    finally:
        told.set()
    assert isinstance(await run.next_fact(), Exited)
    assert run.left_at_the_end == []
