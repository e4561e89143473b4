"""Names that hide others."""

from collections.abc import Iterator

from llamaswap.config.lints.facts import Facts, Lint
from llamaswap.config.names import ModelId
from llamaswap.config.parts import PeerModel, ProfileConfig
from llamaswap.config.schema import Config


def shadowed_peer(facts: Facts) -> Iterator[Lint]:
    """An alias or a selector that has the name of a peer's model, and does not lead there."""
    bare = {name: found for name, found in facts.config.peer_names.items() if name == found.model}
    for model in facts.config.models.values():
        for path, alias in facts.written.items(("models", model.id, "aliases")):
            if alias in bare:
                yield Lint("shadowed-peer", path, *_instead(bare[alias]), f'"{alias}"')
    for selector in facts.config.selectors.values():
        hidden = bare.get(selector.id)
        if hidden is not None and f"{hidden.peer}/{hidden.model}" not in selector.targets:
            yield Lint("shadowed-peer", ("selectors", selector.id), *_instead(hidden))


def pinned_away(facts: Facts) -> Iterator[Lint]:
    """A model that nobody can ask for while a profile is active, though it was not switched off."""
    for profile in facts.config.profiles.values():
        for model in facts.config.models:
            if profile.pins.get(model) and not _is_reachable(model, profile, facts.config):
                what = f"while this profile is active no name leads to the model {model}"
                remedy = "give the model an alias, or remove the pin, if that is not meant"
                yield Lint("pinned-away", ("profiles", profile.name, "pins", model), what, remedy)


def _instead(hidden: PeerModel) -> tuple[str, str]:
    full = f"{hidden.peer}/{hidden.model}"
    what = f"this hides the model of that name of the peer {hidden.peer}, which is now called {full} only"
    return what, f"choose another name, if {full} should be meant"


def _is_reachable(model: ModelId, profile: ProfileConfig, config: Config) -> bool:
    leads = {name for name, target in config.names.items() if target == model}
    leads |= {selector.id for selector in config.selectors.values() if not leads.isdisjoint(selector.targets)}
    return any(profile.pins.get(name, name) in leads for name in {*leads, *profile.pins})


RULES = (shadowed_peer, pinned_away)
