"""The story of the swaps, in the log: who goes for whom, and by which rule, as it is decided."""

import logging
from collections.abc import Sequence

from llamaswap.schedule.commands import Command
from llamaswap.schedule.evicting import evictions
from llamaswap.schedule.scheduler import Scheduler
from llamaswap.schedule.sentences import evicts, matrix_choice

log = logging.getLogger(__name__)


def tell_story(scheduler: Scheduler, orders: Sequence[Command], now: float) -> None:
    """Tell why *orders* stop what they stop; *scheduler* has just given them."""
    choices = {}
    for stop, target, rule, decision in evictions(scheduler, orders, now):
        if target is None:
            log.info("model=%s stops: %s", stop.model, rule)
        else:
            log.info("model=%s", evicts(target, stop.model, rule))
        if decision is not None and decision.choice is not None:
            choices[decision.target] = decision.choice
    for model, choice in choices.items():
        log.info("model=%s %s", model, matrix_choice(choice))
