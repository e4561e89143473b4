"""Models and peers as they hold, under the configuration's own key names. Pure."""

from dataclasses import fields
from typing import Any

from llamaswap.config.effective import masks
from llamaswap.config.parts import Capabilities, Filters, PeerConfig, Timeouts
from llamaswap.config.schema import ModelConfig

Json = dict[str, Any]


def model_values(model: ModelConfig, *, masked: bool) -> Json:
    """One entry of ``models``."""
    command = masks.command if masked else str
    return {
        "cmd": command(model.cmd),
        "cmdStop": command(model.stop_text),
        "proxy": _url(model.proxy, masked=masked),
        "checkEndpoint": model.check_endpoint,
        "aliases": list(model.aliases),
        "env": [masks.environment(item) for item in model.env] if masked else list(model.env),
        "ttl": int(model.ttl),
        "unloadTimeout": int(model.unload_timeout),
        "name": model.name,
        "description": model.description,
        "unlisted": model.unlisted,
        "useModelName": model.use_model_name,
        "concurrencyLimit": model.concurrency_limit,
        "parallel": model.parallel,
        "deadline": int(model.deadline),
        "sendLoadingState": model.send_loading_state,
        "filters": _filters(model.filters, masked=masked),
        "timeouts": _timeouts(model.timeouts),
        "capabilities": _capabilities(model.capabilities),
        "compat": {"ignoreWebsockets": model.ignore_websockets},
        "metadata": _anything(dict(model.metadata), masked=masked),
        "macros": {},
    }


def peer_values(peer: PeerConfig, *, masked: bool) -> Json | None:
    """One entry of ``peers``; None for one that was left empty, because the keys that it needs have no empty form."""
    if not peer.models:
        return None
    return {
        "proxy": _url(peer.proxy, masked=masked),
        "models": list(peer.models),
        "apiKey": masks.MASK if masked and peer.api_key else peer.api_key,
        "filters": _filters(peer.filters, masked=masked),
        "timeouts": _timeouts(peer.timeouts),
    }


def _filters(filters: Filters, *, masked: bool) -> Json:
    by_id = {name: dict(values) for name, values in filters.set_params_by_id.items()}
    return {
        "stripParams": ", ".join(filters.strip_params),
        "setParams": _anything(dict(filters.set_params), masked=masked),
        "setParamsByID": {name: _anything(values, masked=masked) for name, values in by_id.items()},
    }


def _timeouts(timeouts: Timeouts) -> Json:
    return {_camel(field.name): getattr(timeouts, field.name) for field in fields(timeouts)}


def _capabilities(capabilities: Capabilities) -> Json:
    return {
        "in": list(capabilities.inputs),
        "out": list(capabilities.outputs),
        "tools": capabilities.tools,
        "reranker": capabilities.reranker,
        "context": capabilities.context,
    }


def _anything(value: Json, *, masked: bool) -> Any:
    return masks.anything(value) if masked else value


def _url(text: str, *, masked: bool) -> str:
    return masks.url(text) if masked else text


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))
