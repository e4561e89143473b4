"""Decisions in words. Whatever tells people why something waits, goes or starts takes its words from here.

A sentence has no subject: "waits for ...", to be put after the name of a request or a model, or to stand alone.
"""

from collections.abc import Iterable

from llamaswap.config.names import ModelId
from llamaswap.schedule.commands import Refusal, Reject
from llamaswap.schedule.matrix import Choice


def evicts(target: ModelId, victim: ModelId, rule: str) -> str:
    """That *victim* goes for *target*."""
    return f"{target} evicts {victim}: {rule}"


def matrix_choice(choice: Choice) -> str:
    """What a matrix has decided, as ``key=value``."""
    victims, state = ",".join(choice.victims), ",".join(choice.state)
    chosen = "none" if choice.set_name is None else choice.set_name
    return f'set={chosen} expression="{choice.expression}" victims={victims} target={state} cost={choice.cost}'


def loads(model: ModelId, seconds: float | None) -> str:
    """That the model starts, since *seconds* if anybody knows."""
    since = "" if seconds is None else f", since {_seconds(seconds)}"
    return f"{model} is loading{since}"


def serves(model: ModelId, requests: int, rule: str) -> str:
    """That a model has to go, by *rule*, and serves still."""
    return f"waits for {model}, which serves {count(requests)} and is evicted then: {rule}"


def loads_for_others(model: ModelId, rule: str) -> str:
    """That a model has to go, by *rule*, and is still loading for others."""
    return f"waits for {model}, which is loading for others and would be evicted: {rule}"


def renews(model: ModelId, requests: int) -> str:
    """That the model is to be started anew, and its old process serves still, or a broken answer is not closed."""
    return f"waits for {count(requests)} of {model} to end, before it is started anew"


def is_full(model: ModelId, requests: int, places: int) -> str:
    """That the model is ready, and serves as many as it may."""
    return f"waits for a place: {model} serves {count(requests)}, and {places} at a time"


def stops(models: Iterable[ModelId], target: ModelId, seconds: float | None) -> str:
    """That processes are ending, in *seconds* at the latest by force, if that was ordered."""
    named = [f"an earlier process of {model}" if model == target else model for model in models]
    force = "" if seconds is None else f"; SIGKILL in {_seconds(seconds)}" if seconds > 0 else "; SIGKILL was sent"
    return f"waits until {listed(named)} {'has' if len(named) == 1 else 'have'} stopped{force}"


def is_stuck(model: ModelId, trouble: str) -> str:
    """That a process cannot be ended."""
    return f"cannot be served: {model} cannot be stopped: {trouble}"


def keeps_order(model: ModelId, bound: str) -> str:
    """That somebody else must not be passed."""
    return f"waits behind a request for {model}, which nobody may pass any more: {bound}"


def is_swapped(other: ModelId, both: Iterable[ModelId]) -> str:
    """That another swap has what this one needs."""
    needed = list(both)
    what = f"needs the place of {listed(needed)} too" if needed else "may not be disturbed"
    return f"waits for {other}, which is being loaded and {what}"


def yields(other: ModelId) -> str:
    """That somebody who came first needs something of it."""
    return f"waits behind a request for {other}, which came first and would have to wait longer"


def waits_behind(ahead: int, first: ModelId, sentence: str) -> str:
    """That others come first, and what the first of them waits for."""
    return f"waits behind {count(ahead)}; the first is for {first}: {sentence}"


def has_others_before(sentence: str, ahead: int, model: ModelId) -> str:
    """The same as for those who came before, for the same model."""
    return f"{sentence}; {count(ahead)} for {model} {'goes' if ahead == 1 else 'go'} first"


def is_next() -> str:
    """That nothing is in the way that could be named."""
    return "comes next"


def refusal(refused: Reject) -> str:
    """What a request would be told at once, or when its turn comes."""
    match refused.why:
        case Refusal.LIMIT:
            return "is refused: the model's concurrencyLimit is reached"
        case Refusal.UNKNOWN_MODEL:
            return "is refused: there is no such model any more"
        case Refusal.SHUTTING_DOWN:
            return "is refused: the daemon is stopping"
        case _:
            return f"is refused: {refused.detail or refused.why.value}"


# Steps of a plan


def step_requests(model: ModelId, requests: int, queued: int) -> str:
    """Requests must be over; *queued* of them wait themselves at present."""
    waiting = f", {'which is' if requests == 1 else f'{queued} of them'} waiting now" if queued else ""
    return f"{count(requests)} of {model} must end{waiting}"


def step_stops(model: ModelId, target: ModelId | None, rule: str, *, begun: bool) -> str:
    """A process is told to stop, or, if that has *begun*, was told before."""
    reason = f": {rule}" if rule else ""
    if begun:
        return f"{model}, which is stopping, must be gone{reason}"
    return f"{model} is stopped{reason}" if target is None else evicts(target, model, rule)


def step_starts(model: ModelId, *, begun: bool) -> str:
    """A model is started, or, if that has *begun*, ready soon."""
    return f"{model}, which is loading, must be ready" if begun else f"{model} is started"


def outcome(model: ModelId, seconds: float | None, *, steps: int) -> str:
    """That the request is served."""
    if not steps:
        return f"is served at once: {model} is ready"
    return "is served then" if seconds is None else f"is served then, in about {_seconds(seconds)}"


def is_far_back() -> str:
    """That there are too many before it."""
    return "is too far back in the queue to be told step by step"


def count(requests: int) -> str:
    """So many requests."""
    return "1 request" if requests == 1 else f"{requests} requests"


def listed(names: Iterable[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
