"""The environment that a model is started with, and how long it stays."""

from collections.abc import Iterator

from llamaswap.config.lints.facts import Facts, Lint
from llamaswap.config.text.problems import KeyPath


def env_item(facts: Facts) -> Iterator[Lint]:
    """An item of ``env`` that sets nothing. What stands there may be a secret, so it is not told."""
    for path, item in _env(facts):
        if not item.partition("=")[1] or item.startswith("="):
            yield Lint("env-item", path, "this sets no variable", "write NAME=value")
        elif item.startswith("export "):
            yield Lint("env-item", path, "export becomes part of the name: no shell reads this", "leave out export")
        elif item.partition("=")[0] != item.partition("=")[0].strip():
            yield Lint("env-item", path, "a blank becomes part of the name", "write NAME=value, without blanks")


def repeated_env(facts: Facts) -> Iterator[Lint]:
    """A variable that is set twice."""
    for model in facts.config.models:
        first: dict[str, KeyPath] = {}
        for path, item in facts.written.items(("models", model, "env")):
            name = item.partition("=")[0]
            if "=" in item and name in first:
                what = f"the variable {name} is set twice; this value holds"
                yield Lint("repeated-env", path, what, "remove one of them")
            first.setdefault(name, path)


def ttl_below_load(facts: Facts) -> Iterator[Lint]:
    """A model that is unloaded after less time than it takes to load."""
    for model in facts.config.models.values():
        seconds = facts.load_times.get(model.id, 0)
        if 0 < model.ttl < seconds:
            what = f"unloaded after {model.ttl:g} seconds of idleness, though loading takes {seconds:.0f}"
            own = facts.written.given(("models", model.id, "ttl"))
            path: KeyPath = ("models", model.id, "ttl") if own else ("globalTTL",)
            yield Lint("ttl-below-load", path, what, f"write at least {seconds:.0f}, or 0 to keep it loaded", model.id)


def _env(facts: Facts) -> Iterator[tuple[KeyPath, str]]:
    for model in facts.config.models:
        yield from facts.written.items(("models", model, "env"))


RULES = (env_item, repeated_env, ttl_below_load)
