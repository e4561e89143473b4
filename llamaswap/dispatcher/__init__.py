"""The scheduler's task: facts in through one inbox, orders carried out; hands out leases.

Two ways lead through here. A fact goes `turns` -> `core` -> the scheduler, and its orders back to who waits for them:
leases (`lease`), unloads, and the models' lives (`lives`). And people look in from outside (`overview`), which never
changes anything. `dispatcher` is the door: what the other rooms may ask for.
"""

from llamaswap.dispatcher.dispatcher import Dispatcher
from llamaswap.dispatcher.lease import Lease
from llamaswap.dispatcher.overview import RunningModel, WaitingRequest

__all__ = ["Dispatcher", "Lease", "RunningModel", "WaitingRequest"]
