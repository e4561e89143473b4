"""Cyclic garbage, looked for when that holds nobody up.

Reference counts free nearly all that a request leaves behind. For the rest Python looks through objects, and nobody
runs meanwhile: a few milliseconds for the young ones, but a tenth of a second for all while thousands of clients are
connected. So all are looked through only while they are few, or have not been for long.
"""

import gc

import trio

#: Seconds between two considerations, and the longest time without a look while there is garbage to be expected.
EVERY_S, AT_LEAST_EVERY_S = 30.0, 3600.0
#: So many objects are few: some 20 ms on a slow machine. What is frozen (see `startup`) does not count.
FEW = 50_000
#: Looks through the middle generation, after which there may be something in the oldest: Python's own number.
WORTH = 10
_NEVER = 1_000_000_000


async def keep_tidy() -> None:
    """Look for garbage until cancelled; from then on Python does it as it did before."""
    before = gc.get_threshold()
    last = trio.current_time()
    gc.set_threshold(before[0], before[1], _NEVER)
    try:
        while True:
            await trio.sleep(EVERY_S)
            now = trio.current_time()
            _, _, looks = gc.get_count()
            if looks > WORTH and (now - last >= AT_LEAST_EVERY_S or len(gc.get_objects(generation=2)) < FEW):
                gc.collect()
                last = now
    finally:
        gc.set_threshold(*before)
