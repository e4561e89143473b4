"""What is loaded at the start."""

from collections.abc import Iterator

from llamaswap.config.lints.facts import Facts, Lint
from llamaswap.config.lints.together import Together
from llamaswap.config.names import ModelId
from llamaswap.config.text.problems import KeyPath

_PRELOAD: KeyPath = ("hooks", "on_startup", "preload")


def preload_thrash(facts: Facts) -> Iterator[Lint]:
    """Models that are loaded one after the other, and stop each other."""
    models = list(dict.fromkeys(facts.config.preload))
    together = Together(facts.routing)
    for n, loaded in enumerate(models):
        stopped = [running for running in models[:n] if together.evicts(loaded, running)]
        if stopped:
            yield Lint("preload-thrash", _PRELOAD, f"loading {loaded} stops {stopped[-1]}", _remedy(facts, loaded))
            return


def _remedy(facts: Facts, model: ModelId) -> str:
    if facts.is_serial:
        return "the scheduler serial keeps one model: write the one that should be there first"
    return f"leave {model} out, or let them run together"


RULES = (preload_thrash,)
