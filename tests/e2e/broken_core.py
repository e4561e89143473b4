"""The daemon with a scheduler that fails at the second request: ``broken_core.py`` takes the daemon's own flags."""

import sys

from llamaswap import cli
from llamaswap.schedule import choose
from llamaswap.schedule.commands import Command
from llamaswap.schedule.events import Arrived, Event
from llamaswap.schedule.serial import SerialScheduler


class FailingScheduler(SerialScheduler):
    def handle(self, event: Event, now: float) -> list[Command]:
        if isinstance(event, Arrived) and event.ticket > 1:
            raise RuntimeError("planted")
        return super().handle(event, now)


vars(choose)["SerialScheduler"] = FailingScheduler
sys.exit(cli.main())
