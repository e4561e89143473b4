"""What the control plane is given. Imports neither quart nor hypercorn, so the daemon can build it before it serves."""

from collections.abc import Callable
from dataclasses import dataclass

from llamaswap.config.schema import Config
from llamaswap.dispatcher import Dispatcher
from llamaswap.forecaster import Forecaster
from llamaswap.reload import Reloader
from llamaswap.telemetry.logs import LogHub


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """What this build is. Unknown parts are ``unknown``, as in the reference."""

    version: str
    commit: str = "unknown"
    build_date: str = "unknown"


@dataclass(frozen=True, slots=True)
class ControlContext:
    """What the management routes read and call.

    Attributes:
        config: Gives the configuration that holds at this moment.
    """

    config: Callable[[], Config]
    dispatcher: Dispatcher
    logs: LogHub
    version: VersionInfo
    reloader: Reloader
    forecaster: Forecaster
