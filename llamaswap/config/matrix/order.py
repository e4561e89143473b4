"""The order in which the solver tries the sets of a matrix."""

from collections.abc import Iterator, Mapping, Sequence

#: There can be more than anybody wants to read.
_MOST_CIRCLES = 20


def base_order(names: Sequence[str]) -> list[str]:
    """The order before references are looked at: as written. (The reference program sorts by name.)"""
    return list(names)


def find_order(references: Mapping[str, Sequence[str]]) -> tuple[list[str], list[tuple[str, ...]]]:
    """The sets, each after those it refers to, else in base order; and the circles that prevent this.

    *references* has for each set those it refers to, in order of first reference. A circle is told once, as the sets
    in it, from the one that was met first; not more than twenty are.
    """
    done: dict[str, None] = {}
    circles: list[tuple[str, ...]] = []
    for first in base_order(list(references)):
        path: dict[str, Iterator[str]] = {} if first in done else {first: iter(references[first])}
        while path:  # depth first, without recursion: chains may be long
            name, rest = next(reversed(path.items()))
            other = next(rest, None)
            if other is None:
                del path[name]
                done[name] = None
            elif other in path:
                if len(circles) == _MOST_CIRCLES:
                    continue
                names = list(path)
                circles.append(tuple(names[names.index(other) :]))
            elif other not in done:
                path[other] = iter(references[other])
    return list(done), circles
