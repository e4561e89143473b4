"""``peers``, ``selectors`` and ``profiles``: other servers, and names that choose."""

from collections.abc import Mapping
from types import MappingProxyType

from llamaswap.config.assemble import parts
from llamaswap.config.assemble.names import Names, is_full
from llamaswap.config.commands.argv import BLANKS
from llamaswap.config.parts import PeerConfig, PeerModel, ProfileConfig, SelectorConfig
from llamaswap.config.reading.fields import Fields, Item
from llamaswap.config.routing import RoutingConfig
from llamaswap.config.schema import ModelId
from llamaswap.config.text.problems import Problems
from llamaswap.config.text.suggest import closest


def build_peers(root: Fields) -> tuple[dict[str, PeerConfig], dict[str, Fields]]:
    """Each peer, and where it stands."""
    peers, places = {}, {}
    for name, fields in root.entries("peers"):
        if fields.zero:
            fields.warn(
                "", "an empty peer: it has no models", "give it proxy and models, or remove it", code="null-entry"
            )
        peers[name] = PeerConfig(
            id=name,
            proxy="" if fields.zero else parts.address(fields),
            models=tuple(item.text for item in fields.texts("models")),
            api_key=fields.text("apiKey"),
            filters=parts.filters(fields.section("filters")),
            timeouts=parts.timeouts(fields.section("timeouts")),
        )
        places[name] = fields
    return peers, places


class Selectors:
    """Reads ``selectors``, whose targets are models and peers' models, never selectors."""

    def __init__(self, root: Fields, names: Names, routing: RoutingConfig) -> None:
        self._entries = list(root.entries("selectors"))
        self._ids = {name for name, _ in self._entries}
        self._names = names
        self._routing = routing

    def build(self) -> dict[str, SelectorConfig]:
        """Each selector."""
        return {name: self._selector(name, fields) for name, fields in self._entries}

    def _selector(self, name: str, fields: Fields) -> SelectorConfig:
        self._check_name(name, fields)
        strategy = fields.text("strategy")
        targets = fields.texts("targets")
        spillover = fields.section("settings").whole("spillover")
        meant = [self._target(item, fields.problems) for item in targets]
        if strategy == "warm":
            self._check_warm(targets, meant, fields.problems)
        elif strategy == "spillover":
            if spillover < 1:
                fields.section("settings").error("spillover", "this must be 1 or more", "write 1 or more", code="range")
            self._check_spillover(targets, meant, fields)
        return SelectorConfig(
            id=name,
            strategy=strategy,
            targets=tuple(item.text for item in targets),
            spillover=spillover,
            name=fields.text("name"),
            description=fields.text("description"),
            unlisted=fields.switch("unlisted"),
            metadata=parts.anything(fields, "metadata"),
        )

    def _check_name(self, name: str, fields: Fields) -> None:
        if not name.strip(BLANKS):
            fields.error("", "a selector needs a name", "give it one", code="selector")
        elif name in self._names.local:
            kind = "a model's ID" if name in self._names.ids else f"an alias of the model {self._names.local[name]}"
            what = f"this name is {kind}, which would never be asked for again"
            fields.error("", what, "choose another name", code="selector")
        elif is_full(self._names, name):
            fields.error("", "this name is taken by a model of a peer", "choose another name", code="peer-name")

    def _target(self, item: Item, problems: Problems) -> ModelId | PeerModel | None:
        value = f'"{item.text}"'
        found = self._names.target(item.text)
        if item.text in self._ids and item.text not in self._names.local:  # else the selector's own name is told of
            what, remedy = "a selector cannot choose a selector", "name the models themselves"
            problems.error("selector", item.path, item.mark, what, value=value, remedy=remedy)
            return None
        if found is None:
            ambiguous = item.text in self._names.ambiguous
            what = "this name is not unique" if ambiguous else "there is no model of this name"
            remedy = self._names.suggestion(item.text, "use a model's ID or alias, or peer/model")
            problems.error("selector", item.path, item.mark, what, value=value, remedy=remedy)
        return found

    def _check_warm(self, targets: list[Item], meant: list[ModelId | PeerModel | None], problems: Problems) -> None:
        for item, found in zip(targets, meant, strict=True):
            if isinstance(found, PeerModel):
                what, remedy = "warm chooses among local models, this is one of a peer", "remove it"
                problems.error("selector", item.path, item.mark, what, value=f'"{item.text}"', remedy=remedy)

    def _check_spillover(self, targets: list[Item], meant: list[ModelId | PeerModel | None], fields: Fields) -> None:
        first: dict[ModelId | PeerModel, Item] = {}
        for item, found in zip(targets, meant, strict=True):
            if found is not None and found in first:
                what, value = f"the target {first[found].text} is this very model", f'"{item.text}"'
                fields.problems.error("selector", item.path, item.mark, what, value=value, remedy="remove one of them")
            elif found is not None:
                first[found] = item
        local = [found for found in first if not isinstance(found, PeerModel)]
        if len(local) > 1 and not can_coexist(self._routing, local):
            what = "these models cannot run together, so there is nothing to spill over to"
            remedy = "put them into one group with swap: false, or into one set of the matrix"
            fields.error("targets", what, remedy, code="selector")


def can_coexist(routing: RoutingConfig, models: list[ModelId]) -> bool:
    """Whether all of *models* may run at once."""
    if routing.matrix is not None:
        return routing.matrix.coexist(models)
    home = next((group for group in routing.groups if models[0] in group.members), None)
    return home is not None and not home.swap and set(models) <= set(home.members)


def build_profiles(root: Fields, names: Names, selectors: Mapping[str, object]) -> dict[str, ProfileConfig]:
    """Each profile. What a pin points to is a model or a selector, not another pin."""
    profiles = {}
    for name, fields in root.entries("profiles"):
        pins = fields.named_texts("pins")
        if not name.strip(BLANKS):
            fields.error("", "a profile needs a name", "give it one", code="profile")
        if not pins:
            what, remedy = "a profile needs at least one pin", "write pins: {requested-name: name-to-use}"
            fields.error("pins", what, remedy, code="missing")
        for pin in pins:
            _check_pin(pin, names, selectors, fields.problems)
        targets = MappingProxyType({pin.name: pin.text for pin in pins})
        profiles[name] = ProfileConfig(name, fields.text("description"), targets)
    return profiles


def _check_pin(pin: Item, names: Names, selectors: Mapping[str, object], problems: Problems) -> None:
    if not pin.name.strip(BLANKS):
        problems.error("profile", pin.path, pin.mark, "a pin needs a name", remedy="write the name that clients use")
    elif is_full(names, pin.name):
        what, remedy = "the full name of a peer's model cannot be pinned", "pin another name"
        problems.error("profile", pin.path, pin.mark, what, remedy=remedy)
    if pin.text and names.target(pin.text) is None and pin.text not in selectors:
        remedy = names.suggestion(pin.text, closest(pin.text, selectors) or "use a model, an alias or a selector")
        what = "there is no model or selector of this name"
        problems.error("profile", pin.path, pin.mark, what, value=f'"{pin.text}"', remedy=remedy)
