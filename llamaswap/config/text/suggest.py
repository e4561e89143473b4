"""Did you mean …? The nearest of some known names."""

import re
from collections.abc import Iterable

#: Longer words are no typing errors, and comparing them takes time.
_LONGEST = 64
_SHORT = range(3, 5)


def closest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that *word* was probably meant to be; None if none is near."""
    import difflib  # noqa: PLC0415 - for mistakes alone

    if len(word) > _LONGEST:
        return None
    names = list(dict.fromkeys(c for c in candidates if len(c) <= _LONGEST))
    folded = {_fold(name): name for name in reversed(names)}
    # In a short word one wrong letter is a third of it: tll for ttl.
    near = difflib.get_close_matches(_fold(word), folded, n=1, cutoff=0.65 if len(word) in _SHORT else 0.7)
    return folded[near[0]] if near else None


def _fold(name: str) -> str:
    """Case, dashes and underscores are what people get wrong most."""
    return re.sub(r"[-_\s]", "", name).lower()
