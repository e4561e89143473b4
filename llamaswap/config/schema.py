"""The configuration as frozen values: defaults filled in, macros expanded, aliases resolved, durations in seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from llamaswap.config.journal import JournalSettings
from llamaswap.config.names import ModelId
from llamaswap.config.parts import (
    Capabilities,
    Filters,
    JsonObject,
    PeerConfig,
    PeerModel,
    PerformanceConfig,
    ProfileConfig,
    SelectorConfig,
    Timeouts,
)
from llamaswap.config.regexes import PathPatterns
from llamaswap.config.routing import RoutingConfig

__all__ = ["Config", "LogLevel", "LogSink", "ModelConfig", "ModelId"]

LogLevel = Literal["debug", "info", "warn", "error"]
LogSink = Literal["proxy", "upstream", "both", "none"]


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """One entry of ``models:``.

    Attributes:
        cmd: The command as configured, after macro expansion (shown by ``/running``).
        argv: `cmd` split into words, without a shell; empty when there is no command (the start then fails).
        cmd_stop: Words of the stop command with ``${PID}`` still in them; empty means SIGTERM to the process group.
        stop_text: The stop command as configured.
        proxy: Base URL of the server.
        check_endpoint: Path that answers 200 when the model is ready; ``none`` means ready at once.
        health_check_timeout: Seconds a start may take.
        ttl: Seconds of idleness before the model is unloaded; 0 means never.
        unload_timeout: Seconds between the stop signal and SIGKILL.
        env: ``NAME=value`` entries, appended to the daemon's environment; later ones win.
        aliases: Further names, those that `filters.set_params_by_id` makes included.
        concurrency_limit: Most outstanding requests; 0 means no limit.
        parallel: How many requests the scheduler `batch` serves at once.
        deadline: Seconds within which a request must be granted that does not say so itself; 0 means for ever.
        ignore_websockets: Websockets neither start the model nor count for anything.
        owns_port: The port in `proxy` was given out by us for ``${PORT}``, so nobody else may listen there.
        port: The port that was given out for ``${PORT}``; None if the command does not use it.
    """

    id: ModelId
    cmd: str = ""
    argv: tuple[str, ...] = ()
    cmd_stop: tuple[str, ...] = ()
    stop_text: str = ""
    proxy: str = ""
    check_endpoint: str = "/health"
    health_check_timeout: float = 120.0
    ttl: float = 0.0
    unload_timeout: float = 10.0
    env: tuple[str, ...] = field(default=(), repr=False)  # may hold secrets, as may the keys below
    aliases: tuple[str, ...] = ()
    use_model_name: str = ""
    concurrency_limit: int = 0
    parallel: int = 1
    deadline: float = 0.0
    unlisted: bool = False
    name: str = ""
    description: str = ""
    send_loading_state: bool = False
    ignore_websockets: bool = False
    filters: Filters = field(default_factory=Filters)
    timeouts: Timeouts = field(default_factory=Timeouts)
    capabilities: Capabilities = field(default_factory=Capabilities)
    metadata: JsonObject = field(default_factory=lambda: MappingProxyType({}), repr=False)
    owns_port: bool = False
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """A whole configuration.

    Attributes:
        names: Every model ID and alias -> model ID.
        peer_names: Every name of a peer's model: ``peer/model``, and the bare name where only one peer has it.
        start_port: The first port given out for ``${PORT}``.
        global_ttl, unload_timeout: What models without their own have taken over.
        ignore_paths: Which paths below ``/upstream/<model>`` are not recorded.
        session_headers: Headers that may name the session a request belongs to.
        store_path: Where activity is kept; None means in memory.
        journal: Whether and where the scheduler's facts and orders are written down.
        keep_models: A reload leaves unchanged models running.
        stall_timeout: A client that takes no byte for so many seconds is dropped.
        max_request_body: Most bytes of a request body that is buffered.
        cors_origins: Origins accepted beyond the loopback ones; ``*`` accepts all.
        allowed_hosts: Host names accepted beyond the machine's own when listening on loopback.
    """

    models: Mapping[ModelId, ModelConfig] = field(default_factory=dict)
    names: Mapping[str, ModelId] = field(default_factory=dict)
    routing: RoutingConfig = field(default_factory=RoutingConfig)
    peers: Mapping[str, PeerConfig] = field(default_factory=dict)
    peer_names: Mapping[str, PeerModel] = field(default_factory=dict)
    selectors: Mapping[str, SelectorConfig] = field(default_factory=dict)
    profiles: Mapping[str, ProfileConfig] = field(default_factory=dict)
    preload: tuple[ModelId, ...] = ()
    api_keys: tuple[str, ...] = field(default=(), repr=False)
    health_check_timeout: float = 120.0
    global_ttl: float = 0.0
    unload_timeout: float = 10.0
    start_port: int = 5800
    include_aliases_in_list: bool = False
    send_loading_state: bool = False
    log_level: LogLevel = "info"
    log_time_format: str = ""
    log_to_stdout: LogSink = "proxy"
    metrics_max_in_memory: int = 1000
    capture_buffer: int = 5
    ignore_paths: PathPatterns = field(default_factory=PathPatterns)
    session_headers: tuple[str, ...] = ("X-Session-ID", "X-Litellm-Session-Id")
    store_path: str | None = None
    performance: PerformanceConfig = field(default_factory=PerformanceConfig)
    journal: JournalSettings = field(default_factory=JournalSettings)
    keep_models: bool = True
    cors_origins: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    stall_timeout: float = 60.0
    max_request_body: int = 1 << 30
