"""Decides when content that somebody is writing holds still. Pure: time is an input, in seconds.

A file does not say that it is finished. What tells is that it does not change any more:

- for `QUIET_S`: whoever saves a file pauses for less than that between its first byte and its last;
- for `EMPTY_S` if a file has become empty: `generate > config.yaml` empties it first, and may then think for long;
- while a file is missing, nothing is still: editors rename, directories are exchanged. Its return counts.

Content that differs from one look to the next for `MOST_LOOKS` looks, ten seconds or so, is taken as it is: no save
takes as long as that, and who rewrites a file without end must not keep all its changes from us for ever.
"""

from collections.abc import Mapping
from pathlib import Path

#: How long content must hold still, as a rule. No two looks are closer together.
QUIET_S = 0.25
#: The same where a file has become empty.
EMPTY_S = 2.0
#: Seconds between looks while nothing is going on.
POLL_S = 2.0
#: So many looks of which each saw something else end the patience.
MOST_LOOKS = 40

#: What a look sees: for each file what stands for its content, "" if it is empty; None while a file is missing.
Seen = Mapping[Path, str] | None


class Stillness:
    """Takes in looks, and tells when to act. *acted_on* is the content in force."""

    def __init__(self, acted_on: Seen) -> None:
        self._acted_on = self._seen = acted_on
        self._since = 0.0
        self._unlike = 0

    def saw(self, seen: Seen, began: float, ended: float) -> bool:
        """Take in a look, made between *began* and *ended*. True: act on it now; it counts as acted on."""
        changed = seen != self._seen
        self._seen = seen
        if seen == self._acted_on:
            self._unlike = 0
        if self._is_idle():
            return False
        if changed:
            self._since = ended
            self._unlike += 1
        if began - self._since < self._quiet() and self._unlike < MOST_LOOKS:
            return False
        self._acted_on, self._unlike = seen, 0
        return True

    def earliest(self, looked: float) -> float:
        """When to look again at the earliest: hints come in crowds, and for any file in a directory."""
        return looked + QUIET_S

    def latest(self, looked: float) -> float:
        """When to look again without a hint, if the last look was at *looked*."""
        return looked + POLL_S if self._is_idle() else self._since + self._quiet()

    def _is_idle(self) -> bool:
        return self._seen is None or self._seen == self._acted_on

    def _quiet(self) -> float:
        before = self._acted_on or {}
        emptied = any(not content and before.get(path) != "" for path, content in (self._seen or {}).items())
        return EMPTY_S if emptied else QUIET_S
