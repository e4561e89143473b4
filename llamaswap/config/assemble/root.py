"""The whole configuration, from the top."""

from types import MappingProxyType
from typing import cast

from llamaswap.config.assemble import access
from llamaswap.config.assemble.models import Defaults, build_model
from llamaswap.config.assemble.names import build_names, preload
from llamaswap.config.assemble.others import Selectors, build_peers, build_profiles
from llamaswap.config.assemble.ports import check_ports
from llamaswap.config.assemble.routing import build_routing
from llamaswap.config.commands.argv import BLANKS
from llamaswap.config.journal import JournalSettings
from llamaswap.config.parts import PerformanceConfig
from llamaswap.config.reading.fields import Fields
from llamaswap.config.reading.session_headers import session_headers
from llamaswap.config.schema import Config, LogLevel, LogSink
from llamaswap.config.table.root import ROOT
from llamaswap.config.text.expand import Expanded
from llamaswap.config.text.problems import Problems

_SHORTEST_START_S = 15
_DEFAULT_GRACE_S = 10


def build(expanded: Expanded, problems: Problems) -> Config:
    """The configuration of *expanded*; of use only if *problems* holds no error afterwards."""
    root = Fields(expanded.root, ROOT, (), expanded.root.mark, problems)
    defaults = _defaults(root)
    built = [build_model(name, fields, defaults, expanded) for name, fields in root.entries("models")]
    check_ports(built)
    peers, peer_fields = build_peers(root)
    names, models = build_names(built, peers, peer_fields, problems)
    routing = build_routing(root, names)
    selectors = Selectors(root, names, routing).build()
    root.switch("logRequests")
    performance = root.section("performance")
    return Config(
        models=MappingProxyType({model.id: model for model in models}),
        names=MappingProxyType(names.local),
        routing=routing,
        peers=MappingProxyType(peers),
        peer_names=MappingProxyType(dict(names.peers)),
        selectors=MappingProxyType(selectors),
        profiles=MappingProxyType(build_profiles(root, names, selectors)),
        preload=preload(root.section("hooks").section("on_startup").texts("preload"), names, problems),
        api_keys=access.api_keys(root),
        health_check_timeout=defaults.health_check_timeout,
        global_ttl=defaults.ttl,
        unload_timeout=defaults.unload_timeout,
        start_port=root.whole("startPort"),
        include_aliases_in_list=root.switch("includeAliasesInList"),
        send_loading_state=defaults.send_loading_state,
        log_level=cast(LogLevel, root.text("logLevel")),
        log_time_format=root.text("logTimeFormat"),
        log_to_stdout=cast(LogSink, root.text("logToStdout")),
        metrics_max_in_memory=_positive_or(root.whole("metricsMaxInMemory"), 1000),
        capture_buffer=max(0, root.whole("captureBuffer")),
        ignore_paths=access.ignore_paths(root.section("upstream")),
        session_headers=session_headers(
            item.text for item in root.section("ui").section("activity").texts("session_id")
        ),
        store_path=access.store_path(root),
        performance=PerformanceConfig(performance.switch("disabled"), performance.seconds("every")),
        journal=_journal(root.section("journal")),
        keep_models=root.section("reload").switch("keepModels"),
        cors_origins=tuple(item.text for item in root.section("cors").texts("origins")),
        allowed_hosts=tuple(item.text for item in root.texts("allowedHosts")),
        stall_timeout=float(root.whole("stallTimeout")),
        max_request_body=root.whole("maxRequestBody") << 20,
    )


def _journal(fields: Fields) -> JournalSettings:
    """``journal``; a path switches it on."""
    path = fields.text("path").strip(BLANKS)
    return JournalSettings(path, fields.whole("maxMiB") << 20, fields.whole("files"))


def _defaults(root: Fields) -> Defaults:
    start = root.whole("healthCheckTimeout")
    if start < _SHORTEST_START_S:
        what, remedy = f"raised to {_SHORTEST_START_S} seconds", f"write {_SHORTEST_START_S} or more"
        root.warn("healthCheckTimeout", what, remedy, code="raised")
    scheduler = root.section("routing").section("scheduler").text("use")
    return Defaults(
        health_check_timeout=float(max(_SHORTEST_START_S, start)),
        ttl=float(root.whole("globalTTL")),
        unload_timeout=float(root.whole("unloadTimeout") or _DEFAULT_GRACE_S),
        send_loading_state=root.switch("sendLoadingState"),
        queues_everything=scheduler in ("", "serial"),
    )


def _positive_or(value: int, default: int) -> int:
    return value if value > 0 else default
