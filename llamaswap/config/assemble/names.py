"""Who is called what: models and their aliases, peers and their models, and what a name stands for."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from llamaswap.config.assemble.models import BuiltModel
from llamaswap.config.commands.argv import BLANKS
from llamaswap.config.parts import PeerConfig, PeerModel
from llamaswap.config.reading.fields import Fields, Item
from llamaswap.config.schema import ModelConfig, ModelId
from llamaswap.config.text.place import Mark
from llamaswap.config.text.problems import KeyPath, Problems
from llamaswap.config.text.suggest import closest


@dataclass(slots=True)
class Names:
    """The names there are.

    Attributes:
        local: Every model ID and alias -> model ID.
        ids: The model IDs alone.
        peers: Every usable name of a peer's model.
        ambiguous: Bare names that several peers have -> those peers.
    """

    local: dict[str, ModelId] = field(default_factory=dict)
    ids: dict[str, ModelId] = field(default_factory=dict)
    peers: Mapping[str, PeerModel] = field(default_factory=dict)
    ambiguous: dict[str, list[str]] = field(default_factory=dict)

    def target(self, name: str) -> ModelId | PeerModel | None:
        """What *name* stands for, by the rules of a request; None if there is nothing of that name."""
        return self.local[name] if name in self.local else self.peers.get(name)

    def suggestion(self, name: str, remedy: str) -> str:
        """What to write instead of *name*; *remedy* if nothing is near."""
        if name in self.ambiguous:
            return f"several peers have it: write {' or '.join(f'{peer}/{name}' for peer in self.ambiguous[name])}"
        near = closest(name, [*self.local, *self.peers])
        return f"did you mean {near}?" if near else remedy


def build_names(
    models: list[BuiltModel], peers: Mapping[str, PeerConfig], peer_fields: Mapping[str, Fields], problems: Problems
) -> tuple[Names, list[ModelConfig]]:
    """The names, and the models with the aliases that ``setParamsByID`` gives them."""
    names = Names(ids={str(b.model.id): b.model.id for b in models})
    names.local = dict(names.ids)
    taken = _Aliases(names, problems)
    for built in models:
        for alias in built.aliases:
            taken.written(built, alias)
    done = [replace(built.model, aliases=(*built.model.aliases, *taken.made(built))) for built in models]
    _peer_names(names, peers, peer_fields, problems)
    _reserved(names, models, taken, problems)
    return names, done


class _Aliases:
    """Every alias occurs once; one that equals an ID is dead, because IDs win."""

    def __init__(self, names: Names, problems: Problems) -> None:
        self.places: dict[str, tuple[KeyPath, Mark]] = {}
        self._names = names
        self._problems = problems

    def written(self, built: BuiltModel, alias: Item) -> None:
        if alias.text in self.places:
            path, mark = self.places[alias.text]
            what = f"this alias is given twice, first to the model {path[1]} at {mark}"
            remedy = "keep one of them: an alias belongs to one model"
            self._problems.error("alias", alias.path, alias.mark, what, value=repr(alias.text), remedy=remedy)
            return
        self.places[alias.text] = alias.path, alias.mark
        if alias.text in self._names.ids:
            what = "this alias has no effect: a model has this very ID"
            self._problems.warn("dead-alias", alias.path, alias.mark, what, value=repr(alias.text), remedy="remove it")
        elif not alias.text:
            self._problems.warn("dead-alias", alias.path, alias.mark, "an empty alias", remedy="remove it")
        self._names.local.setdefault(alias.text, built.model.id)

    def made(self, built: BuiltModel) -> list[str]:
        """The aliases that the keys of ``setParamsByID`` make, in document order."""
        section = built.fields.section("filters")
        made = []
        for key, entry in section.named_anything("setParamsByID").entries.items():
            path = (*section.path_of("setParamsByID"), key)
            if key == built.model.id:
                continue
            owner = self._names.ids.get(key, self._names.local.get(key))
            if owner is None:
                self.places[key] = path, entry.key
                self._names.local[key] = built.model.id
                made.append(key)
            elif owner != built.model.id:
                kind = "another model's ID" if key in self._names.ids else f"an alias of the model {owner}"
                what, remedy = f"this name is {kind}", "use a name of its own; it becomes an alias of this model"
                self._problems.error("alias", path, entry.key, what, value=repr(key), remedy=remedy)
        return made


def _peer_names(
    names: Names, peers: Mapping[str, PeerConfig], fields: Mapping[str, Fields], problems: Problems
) -> None:
    full: dict[str, PeerModel] = {}
    offered: dict[str, list[str]] = {}
    for peer in peers.values():
        for model in dict.fromkeys(peer.models):
            name = f"{peer.id}/{model}"
            if name in full:
                what = f"two peers' models would both be called {name}, here and in the peer {full[name].peer}"
                fields[peer.id].error("", what, "rename one of the peers", code="peer-name")
                continue
            full[name] = PeerModel(peer.id, model)
            offered.setdefault(model, []).append(peer.id)
    bare = {model: PeerModel(owners[0], model) for model, owners in offered.items() if len(owners) == 1}
    names.ambiguous = {model: owners for model, owners in offered.items() if len(owners) > 1 and model not in full}
    names.peers = bare | full


def _reserved(names: Names, models: list[BuiltModel], aliases: _Aliases, problems: Problems) -> None:
    """``peer/model`` always means the peer's model."""
    what, remedy = "this name is taken by a model of a peer", "choose another name"
    for built in models:
        if is_full(names, built.model.id):
            problems.error("peer-name", built.fields.path, built.fields.mark, what, remedy=remedy)
    for alias, (path, mark) in aliases.places.items():
        if is_full(names, alias):
            problems.error("peer-name", path, mark, what, value=repr(alias), remedy=remedy)


def is_full(names: Names, name: str) -> bool:
    """Whether *name* is the full name (``peer/model``) of a peer's model."""
    found = names.peers.get(name)
    return found is not None and name == f"{found.peer}/{found.model}"


def preload(items: list[Item], names: Names, problems: Problems) -> tuple[ModelId, ...]:
    """The models to load at the start; unknown names are left out, with a warning."""
    found = []
    for item in items:
        name = item.text.strip(BLANKS)
        if name in names.local:
            found.append(names.local[name])
        elif name:
            near = closest(name, names.local)
            remedy = f"did you mean {near}?" if near else "use the ID or an alias of a model"
            problems.warn("preload", item.path, item.mark, "no such model, left out", value=repr(name), remedy=remedy)
    return tuple(found)
