"""Decides when content that somebody is writing holds still. Pure: time is an input, in seconds.

A file does not say that it is finished. What tells is that it does not change any more:

- for `QUIET_S`: whoever saves a file pauses for less than that between its first byte and its last;
- for `EMPTY_S` if a file has become empty: `generate > config.yaml` empties it first, and may then think for long;
- for `MISSING_S` if a file is missing: editors rename, directories are exchanged. Whoever loads it then says why it
  cannot be used, once; and that it is back as it was is no change.

Content that differs from one look to the next for `MOST_LOOKS` looks, ten seconds or so, is taken as it is: no save
takes as long as that, and who rewrites a file without end must not keep all its changes from us for ever.
"""

from collections.abc import Mapping
from pathlib import Path

#: How long content must hold still, as a rule. No two looks are closer together.
QUIET_S = 0.25
#: The same where a file has become empty.
EMPTY_S = 2.0
#: The same where a file is newly missing, or all of them are.
MISSING_S = 5.0
#: Seconds between looks while nothing is going on.
POLL_S = 2.0
#: So many looks of which each saw something else end the patience.
MOST_LOOKS = 40

#: Stands for the content of a file that is not there; `UNREADABLE`, with a reason behind it, for one that is no use.
MISSING = "missing"
UNREADABLE = "error "

#: What a look sees: for each file what stands for its content, "" if it is empty; None while there are no files at all.
Seen = Mapping[Path, str] | None


class Stillness:
    """Takes in looks, and tells when to act. *acted_on* is the content in force."""

    def __init__(self, acted_on: Seen) -> None:
        self._acted_on = self._usable = self._seen = acted_on
        self._since = 0.0
        self._unlike = 0

    def saw(self, seen: Seen, began: float, ended: float) -> bool:
        """Take in a look, made between *began* and *ended*. True: act on it now; it counts as acted on."""
        changed = seen != self._seen
        self._seen = seen
        if seen == self._usable and not _is_usable(self._acted_on):
            self._acted_on = seen  # nothing was made of what could not be read
        if seen == self._acted_on:
            self._unlike = 0
        if self._is_idle():
            return False
        if changed:
            self._since = ended
            self._unlike += 1
        patient = self._unlike < MOST_LOOKS or self._is_newly_missing()
        if began - self._since < self._quiet() and patient:
            return False
        self._acted_on, self._unlike = seen, 0
        if _is_usable(seen):
            self._usable = seen
        return True

    def earliest(self, looked: float) -> float:
        """When to look again at the earliest: hints come in crowds, and for any file in a directory."""
        return looked + QUIET_S

    def latest(self, looked: float) -> float:
        """When to look again without a hint, if the last look was at *looked*."""
        poll = looked + POLL_S
        return poll if self._is_idle() else min(poll, self._since + self._quiet())

    def _is_idle(self) -> bool:
        return self._seen == self._acted_on

    def _quiet(self) -> float:
        if self._is_newly_missing():
            return MISSING_S
        return EMPTY_S if self._has_become("") else QUIET_S

    def _is_newly_missing(self) -> bool:
        return self._seen is None or self._has_become(MISSING)

    def _has_become(self, content: str) -> bool:
        before = self._acted_on or {}
        return any(now == content != before.get(path) for path, now in (self._seen or {}).items())


def _is_usable(seen: Seen) -> bool:
    return seen is not None and not any(each == MISSING or each.startswith(UNREADABLE) for each in seen.values())
