"""The expanded tree -> typed values, with defaults. What one value tells is checked here, the rest in `checks`."""

from dataclasses import dataclass
from typing import cast, get_args

from llamaswap.config import argv
from llamaswap.config.expand import DEFAULT_START_PORT, Expanded
from llamaswap.config.fields import Fields, Item
from llamaswap.config.nodes import Entry, is_null
from llamaswap.config.place import Mark
from llamaswap.config.problems import Problems
from llamaswap.config.routing import RoutingConfig, SchedulerConfig, SerialSettings
from llamaswap.config.schema import LogLevel, LogSink, ModelConfig, ModelId
from llamaswap.config.suggest import closest
from llamaswap.config.urls import why_no_url

_RFC_FORMATS = frozenset(["rfc822", "rfc822z", "rfc850", "rfc1123", "rfc1123z", "rfc3339", "rfc3339nano"])
_STAMP_FORMATS = frozenset(["stamp", "stampmilli", "stampmicro", "stampnano"])
LOG_TIME_FORMATS = _RFC_FORMATS | _STAMP_FORMATS | {"ansic", "unixdate", "rubydate", "kitchen"}

_SHORTEST_START_S = 15
_DEFAULT_GRACE_S = 10
_COMFYUI, _COMFYUI_LEAST = "comfyui_auto", 50


@dataclass(frozen=True, slots=True)
class Decoded:
    """Typed values that have not been compared with each other yet."""

    models: list["DecodedModel"]
    routing: RoutingConfig
    preload: list[Item]
    api_keys: list[Item]
    include_aliases_in_list: bool
    log_level: LogLevel
    log_time_format: str
    log_to_stdout: LogSink
    cors_origins: list[Item]
    allowed_hosts: list[Item]
    stall_timeout: float
    max_request_body: int


@dataclass(frozen=True, slots=True)
class DecodedModel:
    """A model, and the places that later checks may have to name."""

    model: ModelConfig
    mark: Mark
    proxy_mark: Mark
    aliases: list[Item]


@dataclass(frozen=True, slots=True)
class _Defaults:
    """Top-level settings that models take over."""

    health_check_timeout: float
    ttl: int
    unload_timeout: int


def decode(expanded: Expanded, problems: Problems) -> Decoded:
    """Read every key that we act on; wrong values are in *problems* and have their defaults here."""
    root = Fields(expanded.root, (), expanded.root.mark, problems)
    scheduler = root.section("routing").section("scheduler")
    start = root.integer("healthCheckTimeout", 120)
    root.integer("startPort", DEFAULT_START_PORT, least=1)
    defaults = _Defaults(
        health_check_timeout=float(max(_SHORTEST_START_S, start)),
        ttl=root.integer("globalTTL", 0, least=0),
        unload_timeout=root.integer("unloadTimeout", 0, least=0) or _DEFAULT_GRACE_S,
    )
    if start < _SHORTEST_START_S:
        _warn(problems, root, "healthCheckTimeout", f"raised to {_SHORTEST_START_S} seconds", "write 15 or more")
    return Decoded(
        models=[
            _Model(name, fields, problems).decode(entry, defaults, expanded)
            for name, fields, entry in root.entries("models")
        ],
        routing=RoutingConfig(scheduler=_scheduler(scheduler, problems)),
        preload=root.section("hooks").section("on_startup").strings("preload"),
        api_keys=_api_keys(root, problems),
        include_aliases_in_list=root.boolean("includeAliasesInList", False),
        log_level=_log_level(root, problems),
        log_time_format=_log_time_format(root, problems),
        log_to_stdout=_log_sink(root, problems),
        cors_origins=root.section("cors").strings("origins"),
        allowed_hosts=root.strings("allowedHosts"),
        stall_timeout=float(root.integer("stallTimeout", 60, least=1)),
        max_request_body=root.integer("maxRequestBody", 1024, least=1) << 20,
    )


class _Model:
    """Reads one entry of ``models``."""

    def __init__(self, name: str, fields: Fields, problems: Problems) -> None:
        self._id = ModelId(name)
        self._fields = fields
        self._problems = problems

    def decode(self, entry: Entry, defaults: _Defaults, expanded: Expanded) -> DecodedModel:
        fields = self._fields
        if is_null(entry.value):
            self._warn("", "an empty model: it has no command and cannot be used", "give it a cmd, or remove it")
            empty = ModelConfig(self._id, check_endpoint="", unload_timeout=float(defaults.unload_timeout))
            return DecodedModel(empty, entry.key, entry.key, [])
        cmd, stop = fields.string("cmd"), fields.string("cmdStop")
        aliases = fields.strings("aliases")
        model = ModelConfig(
            id=self._id,
            cmd=cmd,
            argv=self._words("cmd", cmd),
            cmd_stop=self._words("cmdStop", stop),
            proxy=self._proxy(),
            check_endpoint=self._check_endpoint(),
            health_check_timeout=defaults.health_check_timeout,
            ttl=self._ttl(defaults),
            unload_timeout=float(fields.integer("unloadTimeout", 0, least=0) or defaults.unload_timeout),
            env=tuple(item.text for item in fields.strings("env")),
            aliases=tuple(item.text for item in aliases),
            use_model_name=fields.string("useModelName"),
            concurrency_limit=self._concurrency_limit(),
            unlisted=fields.boolean("unlisted", False),
            name=fields.string("name"),
            description=fields.string("description"),
            owns_port=self._id in expanded.owners,
        )
        fields.integer("healthCheckTimeout", 0)
        return DecodedModel(model, entry.key, fields.mark_of("proxy"), aliases)

    def _words(self, key: str, text: str) -> tuple[str, ...]:
        command = argv.split(text)
        if command.unclosed:
            self._warn(key, "a quotation mark is never closed; it reaches to the end of the command", "close it")
        if command.lone_blank:
            self._warn(key, "a line ends in two backslashes, which makes an argument of one blank", "use one backslash")
        if key == "cmd" and not command.words and not self._problems.broken((*self._fields.path, key)):
            self._warn(key, "there is no command, so the model cannot be started", "give it a cmd")
        return command.words

    def _proxy(self) -> str:
        text = self._fields.string("proxy")
        path = (*self._fields.path, "proxy")
        if self._problems.broken(path):
            return text
        reason = why_no_url(text)
        if reason:
            meant = f"http://{text}"
            usable = why_no_url(meant) is None and self._fields.value_of("proxy")
            remedy = f"write {meant if usable else 'http://127.0.0.1:PORT'}"
            value, mark = self._fields.value_of("proxy"), self._fields.mark_of("proxy")
            self._problems.error("url", path, mark, f"this is no URL: {reason}", value=value, remedy=remedy)
        elif not text.startswith(("http://", "https://")) or not text.partition("://")[2].lstrip("/"):
            self._warn("proxy", "requests cannot be sent to this address", "write http://127.0.0.1:PORT")
        return text

    def _check_endpoint(self) -> str:
        text = self._fields.string("checkEndpoint", "/health")
        path = (*self._fields.path, "checkEndpoint")
        if text.strip(argv.BLANKS) == "none":
            return "none"
        reason = why_no_url(text)
        if reason and not self._problems.broken(path):
            value, mark = self._fields.value_of("checkEndpoint"), self._fields.mark_of("checkEndpoint")
            remedy = "write a path such as /health, or none"
            self._problems.error("url", path, mark, f"this is no path: {reason}", value=value, remedy=remedy)
        return text

    def _ttl(self, defaults: _Defaults) -> float:
        ttl = self._fields.integer("ttl", -1, least=-1)
        return float(defaults.ttl if ttl == -1 else ttl)

    def _concurrency_limit(self) -> int:
        limit = max(0, self._fields.integer("concurrencyLimit", 0))
        # A ComfyUI page opens dozens of requests at once; the reference gives this one ID room for them.
        return max(limit, _COMFYUI_LEAST) if limit and self._id == _COMFYUI else limit

    def _warn(self, key: str, what: str, remedy: str) -> None:
        _warn(self._problems, self._fields, key, what, remedy)


def _scheduler(fields: Fields, problems: Problems) -> SchedulerConfig:
    use = fields.string("use")
    if use == "fifo":
        _warn(problems, fields, "use", "fifo is not available yet, serial is used", "write serial to say so")
    elif use not in ("", "serial"):
        remedy = "write serial" if closest(use, ["serial"]) else "use serial: one model at a time, in order of arrival"
        path = (*fields.path, "use")
        value = fields.value_of("use")
        problems.error("value", path, fields.mark_of("use"), "there is no such scheduler", value=value, remedy=remedy)
    serial = fields.section("settings").section("serial")
    parallel = serial.integer("parallel", 1, least=1)
    return SchedulerConfig(serial=SerialSettings(parallel, serial.boolean("abortOrphanLoads", False)))


def _api_keys(root: Fields, problems: Problems) -> list[Item]:
    for path, mark in root.nulls("apiKeys"):
        what = "an empty API key: without it the server would be open to all"
        problems.error("api-key", path, mark, what, remedy="give the variable a value, or remove the item")
    keys = root.strings("apiKeys")
    for key in keys:
        if not key.text or " " in key.text:
            what = "an API key must not hold a blank" if key.text else "an API key must not be empty"
            problems.error("api-key", key.path, key.mark, what, remedy="choose another key")
    return keys


def _log_level(root: Fields, problems: Problems) -> LogLevel:
    text = root.string("logLevel", "info").strip(argv.BLANKS).lower()
    if text in get_args(LogLevel):
        return cast(LogLevel, text)
    _warn(problems, root, "logLevel", "there is no such level, info is used", "use debug, info, warn or error")
    return "info"


def _log_time_format(root: Fields, problems: Problems) -> str:
    text = root.string("logTimeFormat").strip(argv.BLANKS).lower()
    if text in LOG_TIME_FORMATS or not text:
        return text
    near = closest(text, LOG_TIME_FORMATS)
    remedy = f"did you mean {near}?" if near else f"use one of {', '.join(sorted(LOG_TIME_FORMATS))}"
    _warn(problems, root, "logTimeFormat", "there is no such format, lines have no time", remedy)
    return ""


def _log_sink(root: Fields, problems: Problems) -> LogSink:
    text = root.string("logToStdout", "proxy")
    if text in get_args(LogSink):
        return cast(LogSink, text)
    if not problems.broken(("logToStdout",)):
        value, mark = root.value_of("logToStdout"), root.mark_of("logToStdout")
        remedy = "use proxy, upstream, both or none"
        problems.error("value", ("logToStdout",), mark, "there is no such choice", value=value, remedy=remedy)
    return "proxy"


def _warn(problems: Problems, fields: Fields, key: str, what: str, remedy: str) -> None:
    path = (*fields.path, key) if key else fields.path
    value, mark = (fields.value_of(key), fields.mark_of(key)) if key else ("", fields.mark)
    problems.warn("value", path, mark, what, value=value, remedy=remedy)
