"""What is put off until the daemon listens, so that it listens sooner.

Reading and running modules is nearly all that a start consists of. Those that only some requests need are imported
where they are used, and, once the daemon listens, beforehand in a thread: whoever comes first waits for the rest of
that at most, which is what a start without all this takes longer. No two modules of ours need each other
(`tests/test_rooms.py` holds it), so that two threads that import never wait for each other.
"""

import gc
import importlib
import logging

import trio

log = logging.getLogger(__name__)

#: Imported where they are used; here in the order in which they are likely to be.
LATER = (
    "llamaswap.models.supervisor",
    "llamaswap.proxy.filters",
    "llamaswap.schedule.forecast",
    "llamaswap.schedule.earliest",
    "llamaswap.schedule.explain",
    "llamaswap.schedule.planning",
    "llamaswap.schedule.batch",
    "llamaswap.schedule.fifo",
    "llamaswap.config.plan.sticky",
    "llamaswap.config.plan.text",
)


async def catch_up() -> None:
    """Import what was put off. Afterwards garbage is looked for (again), but never among what is there by then.

    Cancelling gives up waiting; the thread works to its end.
    """
    try:
        await trio.to_thread.run_sync(_import_later, abandon_on_cancel=True)
    finally:
        gc.enable()


def _import_later() -> None:
    for name in LATER:
        try:
            importlib.import_module(name)
        except Exception:  # a damaged installation; whoever needs the module will fail by himself
            log.exception("startup: cannot import %s", name)
    gc.collect()
    gc.freeze()  # some hundred thousand objects for good: looking at them would stop everybody for milliseconds
