"""Other settings for a day, as people write them: ``scheduler=batch``, ``batch.maxOvertakes=4``, ``model.a.ttl=60``."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, get_args, get_type_hints

from llamaswap.config.routing import RoutingConfig, SchedulerConfig, SchedulerName
from llamaswap.config.schema import ModelId
from llamaswap.config.text.suggest import closest
from llamaswap.schedule.events import ModelRules

#: What the configuration calls the rules that have another name here.
_AS_CONFIGURED = {"unloadTimeout": "grace", "concurrencyLimit": "limit"}


class SettingError(ValueError):
    """An assignment makes no sense; the message says which, and what would."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the assignments say. `everywhere` and `of` hold fields of `ModelRules`."""

    routing: RoutingConfig
    everywhere: Mapping[str, Any]
    of: Mapping[ModelId, Mapping[str, Any]]

    def change(self, models: Mapping[ModelId, ModelRules]) -> dict[ModelId, ModelRules]:
        """*models* with these rules."""
        return {
            model: replace(rules, **{**self.everywhere, **self.of.get(model, {})}) for model, rules in models.items()
        }


def settings_from(assignments: Sequence[str], routing: RoutingConfig, models: Iterable[ModelId]) -> Settings:
    """*routing* with the changes of *assignments*, for a day with *models*. Raises `SettingError`."""
    scheduler, everywhere, of = routing.scheduler, dict[str, Any](), dict[ModelId, dict[str, Any]]()
    known = list(models)
    for text in assignments:
        key, equals, value = text.partition("=")
        if not equals:
            raise SettingError(f"--set {text}: write KEY=VALUE, for example scheduler=batch")
        section, _, name = key.strip().partition(".")
        value = value.strip()
        if section == "scheduler" and not name:
            scheduler = replace(scheduler, use=_one_of(text, value, get_args(SchedulerName)))
        elif section == "model" and name:
            model, rule, wanted = _rule(text, name, value, known)
            target = everywhere if model is None else of.setdefault(model, {})
            target[rule] = wanted
        elif section in _sections():
            scheduler = replace(scheduler, **{section: _with(text, getattr(scheduler, section), name, value, known)})
        else:
            raise SettingError(f"--set {text}: there is no {key.strip()}{_hint(key.strip(), _keys())}")
    return Settings(replace(routing, scheduler=scheduler), everywhere, of)


def _sections() -> list[str]:
    return [each.name for each in fields(SchedulerConfig) if each.name != "use"]


def _keys() -> list[str]:
    hints = get_type_hints(SchedulerConfig)
    of_schedulers = [f"{name}.{_camel(each.name)}" for name in _sections() for each in fields(hints[name])]
    return ["scheduler", *of_schedulers, *(f"model.{name}" for name in _rule_names())]


def _rule_names() -> list[str]:
    as_configured = {name: configured for configured, name in _AS_CONFIGURED.items()}
    return [as_configured.get(each.name, each.name) for each in fields(ModelRules)]


def _rule(text: str, name: str, value: str, models: list[ModelId]) -> tuple[ModelId | None, str, Any]:
    """``NAME.rule`` or ``rule``; a model's name may have dots."""
    model, dot, rule = name.rpartition(".")
    field = _AS_CONFIGURED.get(rule, _snake(rule))
    hints = get_type_hints(ModelRules)
    if field not in hints:
        raise SettingError(f"--set {text}: a model has no {rule}{_hint(rule, _rule_names())}")
    if dot and model not in models:
        raise SettingError(f"--set {text}: no model {model!r} in this day{_hint(model, models)}")
    return (ModelId(model) if dot else None), field, _parsed(text, value, hints[field])


def _with(text: str, section: Any, name: str, value: str, models: list[ModelId]) -> Any:
    hints = get_type_hints(type(section))
    first, _, model = name.partition(".")
    field = _snake(first)
    if field not in hints:
        raise SettingError(f"--set {text}: there is no {name or 'such key'}{_hint(text.partition('=')[0], _keys())}")
    if get_args(hints[field])[:1] == (ModelId,):
        if model not in models:
            raise SettingError(f"--set {text}: no model {model!r} in this day{_hint(model, models)}")
        return replace(section, **{field: {**getattr(section, field), model: _parsed(text, value, int)}})
    return replace(section, **{field: _parsed(text, value, hints[field])})


def _parsed(text: str, value: str, kind: Any) -> Any:
    if kind is bool:
        return _one_of(text, value.lower(), ("true", "false")) == "true"
    try:
        number = kind(value)
    except ValueError as error:
        what = "a whole number" if kind is int else "a number"
        raise SettingError(f"--set {text}: {value!r} is not {what}") from error
    if not 0 <= number < float("inf"):
        raise SettingError(f"--set {text}: {value} must be 0 or more")
    return number


def _one_of(text: str, value: str, known: Sequence[str]) -> Any:
    if value not in known:
        raise SettingError(f"--set {text}: {value!r} is none of {', '.join(known)}{_hint(value, known)}")
    return value


def _hint(word: str, known: Sequence[str]) -> str:
    near = closest(word, known)
    return f"; did you mean {near}?" if near else f"; there are: {', '.join(known)}"


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])([A-Z])", lambda match: f"_{match[1].lower()}", name)


def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)
