"""The daemon with one planted defect: ``broken_swaps.py DEFECT``, then the daemon's own flags."""

import sys
from collections.abc import Callable
from typing import Any

from llamaswap import cli
from llamaswap.schedule.batch import BatchScheduler
from llamaswap.schedule.sharing import SharingScheduler
from llamaswap.schedule.unloads import Unloads

#: What is replaced, and by what.
DEFECTS: dict[str, tuple[type, str, Callable[..., Any]]] = {
    "starts beside who is stopping": (
        SharingScheduler,
        "_has_room",
        lambda self, claim: self._residents.of(claim.target) is None,
    ),
    "forgets who was passed": (BatchScheduler, "_may_be_passed", lambda self, oldest, now: True),
    "unloads in name only": (Unloads, "add", lambda self, ask, going: self._pending.setdefault(ask, ())),
}

if __name__ == "__main__":
    owner, name, wrong = DEFECTS[sys.argv.pop(1)]
    setattr(owner, name, wrong)
    sys.exit(cli.main())
