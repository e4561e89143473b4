"""Invented days, for those who have no recording.

``poisson:rate=0.2,models=a:3+b:1,service=~8,load=20,stop=2,hours=8,seed=1``: one request in five seconds on average,
three for a to one for b. Amounts are seconds: ``8`` always, ``4..12`` evenly, ``~8`` exponentially with this mean; or
different ones by model: ``load=a:20+b:4..6``.
"""

import math
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from llamaswap.config.routing import RoutingConfig
from llamaswap.config.schema import ModelId
from llamaswap.config.text.suggest import closest
from llamaswap.schedule.events import Arrived, Event, ModelRules, Ticket
from llamaswap.schedule.simulation.day import Day
from llamaswap.schedule.simulation.durations import Load

Amount = Callable[[random.Random], float]

#: How the gaps between requests are drawn: from the generator and the mean.
_KINDS: dict[str, Callable[[random.Random, float], float]] = {
    "poisson": lambda luck, mean: luck.expovariate(1 / mean),
    "steady": lambda luck, mean: mean,
    "bursts": lambda luck, mean: 0.0 if luck.random() < 0.8 else luck.expovariate(1 / (5 * mean)),  # five at once
}
_DEFAULTS = {
    "rate": "0.1",
    "models": "",
    "service": "~8",
    "load": "20",
    "stop": "2",
    "patience": "",
    "hours": "1",
    "seed": "1",
}
#: So many requests can be simulated in about a minute.
_MOST_REQUESTS = 1_000_000


class ArrivalsError(ValueError):
    """The description makes no sense; the message says what."""


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Durations drawn by ticket and model, so that no scheduler's order changes what a request takes."""

    seed: int
    amounts: Mapping[str, Callable[[ModelId], Amount]]
    models: Mapping[Ticket, ModelId]
    lives: random.Random

    def service(self, ticket: Ticket, model: ModelId, elapsed: float) -> float:
        """See `Durations`."""
        return max(0.0, self.amounts["service"](model)(self._luck("service", ticket)) - elapsed)

    def patience(self, ticket: Ticket, elapsed: float) -> float:
        """See `Durations`."""
        return max(0.0, self.amounts["patience"](self.models[ticket])(self._luck("patience", ticket)) - elapsed)

    def load(self, model: ModelId, elapsed: float) -> Load:
        """See `Durations`: no start fails."""
        return Load(max(0.0, self.amounts["load"](model)(self.lives) - elapsed))

    def stop(self, model: ModelId, elapsed: float) -> float:
        """See `Durations`."""
        return max(0.0, self.amounts["stop"](model)(self.lives) - elapsed)

    def _luck(self, what: str, ticket: Ticket) -> random.Random:
        return random.Random(f"{self.seed} {what} {ticket}")


def synthetic_day(
    text: str, routing: RoutingConfig | None = None, rules: Mapping[ModelId, ModelRules] | None = None
) -> Day:
    """The day that *text* describes, for the models of a configuration, or for those it names itself.

    Raises:
        ArrivalsError: it describes none.
    """
    kind, values = _read(text)
    seed = int(_number("seed", values["seed"]))
    weights = _weights(values["models"], rules)
    amounts = {name: _by_model(name, values[name]) for name in ("service", "load", "stop")}
    amounts["patience"] = _by_model("patience", values["patience"]) if values["patience"] else _for_ever
    end = 3600 * _number("hours", values["hours"], positive=True)
    rate = _number("rate", values["rate"], positive=True)
    if rate * end > _MOST_REQUESTS:
        raise ArrivalsError(f"--arrivals: {rate * end:.0f} requests are too many; at most {_MOST_REQUESTS}")
    times = _times(partial(_KINDS[kind], random.Random(seed), 1 / rate), end)
    picked = random.Random(f"{seed} models")
    chosen = [(at, picked.choices(list(weights), list(weights.values()))[0]) for at in times]
    facts: list[tuple[float, Event]] = [
        (at, Arrived(Ticket(number), model)) for number, (at, model) in enumerate(chosen, 1)
    ]
    models = {Ticket(number): model for number, (_, model) in enumerate(chosen, 1)}
    known = dict(rules) if rules is not None else {model: ModelRules() for model in weights}
    return Day(
        routing or RoutingConfig(),
        known,
        0.0,
        end,
        0.0,
        tuple(facts),
        lambda: _Drawn(seed, amounts, models, random.Random(f"{seed} lives")),
    )


def _read(text: str) -> tuple[str, dict[str, str]]:
    kind, _, rest = text.partition(":")
    if kind not in _KINDS:
        raise ArrivalsError(f"--arrivals {text}: {kind!r} is none of {', '.join(_KINDS)}{_hint(kind, _KINDS)}")
    values = dict(_DEFAULTS)
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        if key not in values or not equals:
            raise ArrivalsError(f"--arrivals: there is no {part!r}{_hint(key, values)}")
        values[key] = value
    return kind, values


def _times(gap: Callable[[], float], end: float) -> Iterator[float]:
    at = gap()
    while at < end:
        yield at
        at += gap()


def _weights(text: str, rules: Mapping[ModelId, ModelRules] | None) -> dict[ModelId, float]:
    if not text:
        if not rules:
            raise ArrivalsError("--arrivals: for which models? Write models=a:3+b:1, or give -config FILE")
        return dict.fromkeys(rules, 1.0)
    weights: dict[ModelId, float] = {}
    for part in text.split("+"):
        name, colon, weight = part.rpartition(":")
        if not colon or not _is_number(weight):  # a name may have a colon itself
            name, weight = part, "1"
        weights[ModelId(name)] = _number("models", weight, positive=True)
        if rules is not None and name not in rules:
            raise ArrivalsError(f"--arrivals: no model {name!r} in the configuration{_hint(name, list(rules))}")
    return weights


def _by_model(name: str, text: str) -> Callable[[ModelId], Amount]:
    if ":" not in text:
        same = _amount(name, text)
        return lambda model: same
    amounts = {model: _amount(name, amount) for model, _, amount in (part.rpartition(":") for part in text.split("+"))}
    others = _amount(name, _DEFAULTS[name] or "1e9")
    return lambda model: amounts.get(model, others)


def _for_ever(model: ModelId) -> Amount:
    return lambda luck: math.inf


def _amount(name: str, text: str) -> Amount:
    if text.startswith("~"):
        mean = _number(name, text[1:], positive=True)
        return lambda luck: luck.expovariate(1 / mean)
    low, dots, high = text.partition("..")
    if dots:
        least, most = _number(name, low), _number(name, high)
        return lambda luck: luck.uniform(least, most)
    always = _number(name, text)
    return lambda luck: always


def _number(name: str, text: str, *, positive: bool = False) -> float:
    if not _is_number(text) or (positive and float(text) == 0):
        what = "a number above 0" if positive else "a number, A..B or ~MEAN"
        raise ArrivalsError(f"--arrivals: {name}={text} is not {what}")
    return float(text)


def _is_number(text: str) -> bool:
    try:
        return 0 <= float(text) < math.inf
    except ValueError:
        return False


def _hint(word: str, known: Iterable[str]) -> str:
    names: Sequence[str] = list(known)
    near = closest(word, names)
    return f"; did you mean {near}?" if near else f"; there are: {', '.join(names)}"
