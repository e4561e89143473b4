"""Several files -> one tree. What two files say about the same thing must agree, or be parts of one whole."""

from functools import reduce

from llamaswap.config.text.nodes import Entry, List, Map, Node, Scalar, is_null, kind_of
from llamaswap.config.text.problems import KeyPath, Problems

#: Each child of these is one thing, defined in one file: two halves of a model would be a mistake.
_ONE_FILE_EACH: frozenset[KeyPath] = frozenset(
    [(name,) for name in ("models", "groups", "profiles", "selectors", "peers", "matrix")]
    + [("routing", "router", "settings", name) for name in ("groups", "matrix")]
)


def merge(trees: list[Map], problems: Problems) -> Map:
    """Merge *trees* from left to right; at least one is needed."""
    return reduce(lambda left, right: _merge_maps(left, right, (), problems), trees)


def _merge_maps(left: Map, right: Map, path: KeyPath, problems: Problems) -> Map:
    entries = dict(left.entries)
    for key, entry in right.entries.items():
        ours = entries.get(key)
        entries[key] = entry if ours is None else _merge_entries(ours, entry, (*path, key), problems)
    return Map(left.mark, entries, left.anchored | right.anchored)


def _merge_entries(left: Entry, right: Entry, path: KeyPath, problems: Problems) -> Entry:
    if is_null(right.value):
        return left
    if is_null(left.value):
        return right
    if path[:-1] in _ONE_FILE_EACH:
        _refuse(left, right, path, ("this is defined in two files", "keep it in one of them"), problems)
        return left
    return Entry(left.key, _merge_values(left, right, path, problems))


def _merge_values(left: Entry, right: Entry, path: KeyPath, problems: Problems) -> Node:
    match left.value, right.value:
        case Map() as a, Map() as b:
            return _merge_maps(a, b, path, problems)
        case List() as a, List() as b:
            return List(a.mark, a.items + b.items)
        case Scalar() as a, Scalar() as b:
            if a.text != b.text or type(a.value) is not type(b.value):
                _refuse(left, right, path, ("two files give different values", "keep one of them"), problems)
        case a, b:
            what = f"{kind_of(a)} in one file and {kind_of(b)} in another"
            _refuse(left, right, path, (what, "write both in the same form, or keep one"), problems)
    return left.value


def _refuse(left: Entry, right: Entry, path: KeyPath, says: tuple[str, str], problems: Problems) -> None:
    what, remedy = says
    problems.error("merge", path, right.key, f"{what}, here and at {left.key}", remedy=remedy)
