"""Values that models, peers and the daemon have in common."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

#: What JSON can hold; the mappings of a configuration are never changed after it was loaded.
JsonObject = Mapping[str, Any]

_EMPTY: JsonObject = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Filters:
    """Changes to a request's body, made in this order; the key ``model`` is never touched.

    Attributes:
        strip_params: Paths of keys to delete, sorted.
        set_params: Paths of keys to set, and their values.
        set_params_by_id: The name that the client used -> as `set_params`.
    """

    strip_params: tuple[str, ...] = ()
    set_params: JsonObject = field(default_factory=lambda: _EMPTY, repr=False)
    set_params_by_id: Mapping[str, JsonObject] = field(default_factory=lambda: MappingProxyType({}), repr=False)

    @property
    def change_something(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.strip_params or self.set_params or self.set_params_by_id)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits of connections, in seconds; 0 means none.

    Attributes:
        keepalive: Seconds between TCP keep-alive probes; 0 is the platform's default, below 0 is off.
    """

    connect: int = 30
    keepalive: int = 30
    response_header: int = 0
    tls_handshake: int = 10
    expect_continue: int = 1
    idle_conn: int = 90


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What listings say a model can do. `context` in tokens; 0 means that nothing is said."""

    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    tools: bool = False
    reranker: bool = False
    context: int = 0


@dataclass(frozen=True, slots=True)
class PerformanceConfig:
    """Whether the machine is watched, and every how many seconds."""

    disabled: bool = False
    every: float = 5.0


@dataclass(frozen=True, slots=True)
class PeerConfig:
    """Another server whose models are offered too: as ``peer/model``, and by their own name where that is unique."""

    id: str
    proxy: str = ""
    models: tuple[str, ...] = ()
    api_key: str = field(default="", repr=False)
    filters: Filters = field(default_factory=Filters)
    timeouts: Timeouts = field(default_factory=lambda: Timeouts(response_header=60))


@dataclass(frozen=True, slots=True)
class PeerModel:
    """One model of a peer: what a name of `Config.peer_names` stands for."""

    peer: str
    model: str


@dataclass(frozen=True, slots=True)
class SelectorConfig:
    """A name that stands for one of several targets, chosen for each request."""

    id: str
    strategy: str = "pin"
    targets: tuple[str, ...] = ()
    spillover: int = 1
    name: str = ""
    description: str = ""
    unlisted: bool = False
    metadata: JsonObject = field(default_factory=lambda: _EMPTY, repr=False)


@dataclass(frozen=True, slots=True)
class ProfileConfig:
    """Names that mean others while the profile is active; one that is pinned to nothing is switched off."""

    name: str
    description: str = ""
    pins: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
