"""What a rule knows, and what it says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from llamaswap.config.effective.written import Written
from llamaswap.config.names import ModelId
from llamaswap.config.routing import RoutingConfig
from llamaswap.config.schema import Config
from llamaswap.config.text.problems import KeyPath

_SETTINGS: KeyPath = ("routing", "router", "settings")


class Lint(NamedTuple):
    """Something that is probably not as meant. *code* is the rule's name."""

    code: str
    path: KeyPath
    what: str
    remedy: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """A configuration that loads, and what is known beside it.

    Attributes:
        listen_port: Where the daemon will listen; None if nobody has said so.
        load_times: How many seconds models have taken to load, where that was measured.
    """

    config: Config
    written: Written = field(default_factory=Written)
    listen_port: int | None = None
    load_times: Mapping[ModelId, float] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def routing(self) -> RoutingConfig:
        """``routing`` as it holds."""
        return self.config.routing

    @property
    def is_serial(self) -> bool:
        """Whether one model runs at a time, whatever groups or matrix say."""
        return self.routing.scheduler.use == "serial"

    @property
    def groups_path(self) -> KeyPath:
        """Where the groups are written."""
        return ("groups",) if self.written.keys(("groups",)) else (*_SETTINGS, "groups")

    @property
    def matrix_path(self) -> KeyPath:
        """Where the matrix is written."""
        return ("matrix",) if self.written.given(("matrix",)) else (*_SETTINGS, "matrix")
