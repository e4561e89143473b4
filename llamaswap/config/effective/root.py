"""The configuration as it holds, under its own key names: defaults, macros, ports and variables filled in. Pure.

Loaded again, it means the same. What is written at an older place stands at the newer one here.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from llamaswap.config.effective import masks
from llamaswap.config.effective.models import model_values, peer_values
from llamaswap.config.effective.routing import routing_values
from llamaswap.config.parts import ProfileConfig, SelectorConfig
from llamaswap.config.schema import Config

Json = dict[str, Any]


def effective(config: Config, *, masked: bool = True) -> Json:
    """Every key and its value, as JSON has them. Unless *masked*, secrets are in it, for those who load it again."""
    hide = masks.MASK if masked else None
    return {
        **_settings(config),
        "apiKeys": [hide or key for key in config.api_keys],
        "macros": {},  # filled in everywhere
        "models": {str(name): model_values(model, masked=masked) for name, model in config.models.items()},
        "profiles": {name: _profile(profile) for name, profile in config.profiles.items()},
        "selectors": {name: _selector(selector, masked=masked) for name, selector in config.selectors.items()},
        "peers": {name: peer_values(peer, masked=masked) for name, peer in config.peers.items()},
        "routing": routing_values(config.routing),
        "hooks": {"on_startup": {"preload": list(config.preload)}},
        "upstream": {"ignorePaths": list(config.ignore_paths.texts)},
        "store": None if config.store_path is None else {"path": config.store_path},
        "journal": {
            "path": config.journal.path,
            "maxMiB": config.journal.max_bytes >> 20,
            "files": config.journal.files,
        },
        "performance": {"disabled": config.performance.disabled, "every": _duration(config.performance.every)},
        "ui": {"activity": {"session_id": list(config.session_headers)}},
        "cors": {"origins": list(config.cors_origins)},
        "allowedHosts": list(config.allowed_hosts),
        "stallTimeout": int(config.stall_timeout),
        "maxRequestBody": config.max_request_body >> 20,
        "reload": {"keepModels": config.keep_models},
    }


def as_text(values: Mapping[str, Any]) -> str:
    """*values* as JSON that is YAML too, and that a terminal only shows."""
    text = json.dumps(values, indent=2, ensure_ascii=False)
    return "".join(c if c.isprintable() or c == "\n" or c > "\uffff" else f"\\u{ord(c):04x}" for c in text)


def _settings(config: Config) -> Json:
    return {
        "healthCheckTimeout": int(config.health_check_timeout),
        "globalTTL": int(config.global_ttl),
        "unloadTimeout": int(config.unload_timeout),
        "startPort": config.start_port,
        "logLevel": config.log_level,
        "logTimeFormat": config.log_time_format,
        "logToStdout": config.log_to_stdout,
        "metricsMaxInMemory": config.metrics_max_in_memory,
        "captureBuffer": config.capture_buffer,
        "sendLoadingState": config.send_loading_state,
        "includeAliasesInList": config.include_aliases_in_list,
    }


def _selector(selector: SelectorConfig, *, masked: bool) -> Json | None:
    if not selector.targets:  # only one that was left empty: the keys that it needs have no empty form
        return None
    metadata = dict(selector.metadata)
    return {
        "strategy": selector.strategy,
        "targets": list(selector.targets),
        "settings": {"spillover": selector.spillover},
        "name": selector.name,
        "description": selector.description,
        "unlisted": selector.unlisted,
        "metadata": masks.anything(metadata) if masked else metadata,
    }


def _profile(profile: ProfileConfig) -> Json:
    return {"description": profile.description, "pins": dict(profile.pins)}


def _duration(seconds: float) -> str:
    return re.sub(r"\.0$", "", f"{seconds:.9f}".rstrip("0").rstrip(".")) + "s"
