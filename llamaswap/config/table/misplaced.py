"""Keys of the top level that stand below ``models``, because they are indented one level too far."""

from dataclasses import replace

from llamaswap.config.table.models import MODEL
from llamaswap.config.table.root import ROOT
from llamaswap.config.table.shapes import Each, Macros, Section, Shape
from llamaswap.config.text.nodes import Entry, Map, Node, Scalar, is_null
from llamaswap.config.text.problems import Problems


def lifted(root: Map, problems: Problems) -> Map:
    """*root* with each such key where it belongs, so that what else is wrong can be seen; it is an error all the same.

    A model may well have the name of a key: what has the keys of a model is one.
    """
    models = root.get("models")
    if not isinstance(models, Map):
        return root
    strayed = {name: entry for name, entry in models.entries.items() if _is_misplaced(name, entry.value)}
    if not strayed:
        return root
    for name, entry in strayed.items():
        _report(name, entry, problems)
    rest = {name: entry for name, entry in models.entries.items() if name not in strayed}
    entries = root.entries | {"models": Entry(root.entries["models"].key, replace(models, entries=rest))}
    return replace(root, entries=entries | {name: e for name, e in strayed.items() if is_null(root.get(name))})


def _is_misplaced(name: str, value: Node) -> bool:
    if name not in ROOT.keys or is_null(value):
        return False
    if not isinstance(value, Map):
        return True
    return value.entries.keys().isdisjoint(MODEL.keys) and _fits(value, ROOT.keys[name].shape)


def _fits(value: Map, shape: Shape) -> bool:
    """Whether the keys of *value* look like those of *shape*."""
    match shape:
        case Section(keys=known):
            return not value.entries.keys().isdisjoint(known)
        case Each(of=section):
            inner = (entry.value for entry in value.entries.values())
            return any(isinstance(each, Map) and not each.entries.keys().isdisjoint(section.keys) for each in inner)
        case Macros():
            return bool(value.entries) and all(isinstance(entry.value, Scalar) for entry in value.entries.values())
    return False


def _report(name: str, entry: Entry, problems: Problems) -> None:
    remedy = "indent it as far as models:"
    if name in MODEL.keys:
        remedy += ", or deeper than the name of a model that it is meant for"
    what = "this is no model, but a key of the top level"
    problems.error("misplaced-key", ("models", name), entry.key, what, remedy=remedy)
