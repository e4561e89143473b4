"""One entry of ``models``."""

from dataclasses import dataclass

from llamaswap.config.assemble import parts
from llamaswap.config.commands import argv
from llamaswap.config.parts import Capabilities
from llamaswap.config.reading.fields import Fields, Item
from llamaswap.config.reading.urls import why_no_url
from llamaswap.config.schema import ModelConfig, ModelId
from llamaswap.config.text.expand import Expanded

_COMFYUI, _COMFYUI_LEAST = "comfyui_auto", 50


@dataclass(frozen=True, slots=True)
class Defaults:
    """Top-level settings that models take over."""

    health_check_timeout: float
    ttl: float
    unload_timeout: float
    send_loading_state: bool
    queues_everything: bool


@dataclass(frozen=True, slots=True)
class BuiltModel:
    """A model, and the places that later checks may have to name."""

    model: ModelConfig
    fields: Fields
    aliases: list[Item]


def build_model(name: str, fields: Fields, defaults: Defaults, expanded: Expanded) -> BuiltModel:
    """The model *name*."""
    if fields.zero:
        what, remedy = "an empty model: it has no command and cannot be used", "give it a cmd, or remove it"
        fields.warn("", what, remedy, code="null-entry")
    cmd, stop = fields.text("cmd"), fields.text("cmdStop")
    aliases = fields.texts("aliases")
    timeout = fields.whole("unloadTimeout")
    ttl = fields.whole("ttl")
    loading = fields.optional_switch("sendLoadingState")
    words, stop_words = _words(fields, "cmd", cmd), _words(fields, "cmdStop", stop)
    port = expanded.ports.get(name)
    model = ModelConfig(
        id=ModelId(name),
        cmd=cmd,
        argv=words,
        cmd_stop=stop_words,
        stop_text=stop,
        proxy="" if fields.zero else parts.address(fields),
        check_endpoint=_check_endpoint(fields),
        health_check_timeout=defaults.health_check_timeout,
        ttl=float(defaults.ttl if ttl == -1 else ttl),
        unload_timeout=float(timeout) or defaults.unload_timeout,
        env=tuple(item.text for item in fields.texts("env")),
        aliases=tuple(item.text for item in aliases),
        use_model_name=fields.text("useModelName"),
        concurrency_limit=_limit(name, fields, defaults),
        parallel=max(1, fields.whole("parallel")),
        deadline=float(max(0, fields.whole("deadline"))),
        unlisted=fields.switch("unlisted"),
        name=fields.text("name"),
        description=fields.text("description"),
        send_loading_state=defaults.send_loading_state if loading is None else loading,
        ignore_websockets=fields.section("compat").switch("ignoreWebsockets") or name == _COMFYUI,
        filters=parts.filters(fields.section("filters")),
        timeouts=parts.timeouts(fields.section("timeouts")),
        capabilities=_capabilities(fields.section("capabilities")),
        metadata=parts.anything(fields, "metadata"),
        owns_port=name in expanded.owners,
        port=port,
    )
    fields.whole("healthCheckTimeout")
    return BuiltModel(model, fields, aliases)


def _words(fields: Fields, key: str, text: str) -> tuple[str, ...]:
    command = argv.split(text)
    if command.unclosed:
        what = "a quotation mark is never closed; it reaches to the end of the command"
        fields.warn(key, what, "close it", code="unclosed-quote")
    if command.lone_blank:
        what = "a line ends in two backslashes, which makes an argument of one blank"
        fields.warn(key, what, "use one backslash", code="lone-blank")
    if key == "cmd" and not command.words and not fields.problems.broken(fields.path_of("cmd")) and not fields.zero:
        fields.warn(key, "there is no command, so the model cannot be started", "give it a cmd", code="no-command")
    return command.words


def _check_endpoint(fields: Fields) -> str:
    text = fields.text("checkEndpoint")
    if text.strip(argv.BLANKS) == "none":
        return "none"
    reason = why_no_url(text)
    if reason:
        fields.error("checkEndpoint", f"this is no path: {reason}", "write a path such as /health, or none", code="url")
    return text


def _limit(name: str, fields: Fields, defaults: Defaults) -> int:
    limit = max(0, fields.whole("concurrencyLimit"))
    # A ComfyUI page opens dozens of requests at once; the reference gives this one ID room for them.
    if name == _COMFYUI and (limit or not defaults.queues_everything):
        return max(limit, _COMFYUI_LEAST)
    return limit


def _capabilities(fields: Fields) -> Capabilities:
    return Capabilities(
        inputs=tuple(item.text for item in fields.texts("in")),
        outputs=tuple(item.text for item in fields.texts("out")),
        tools=fields.switch("tools"),
        reranker=fields.switch("reranker"),
        context=fields.whole("context"),
    )
