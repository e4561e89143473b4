"""Which settings of two configurations differ, by the names people write. Values are not told: they may be secrets."""

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any

from llamaswap.config.routing import IMPLICIT_GROUP, RoutingConfig
from llamaswap.config.schema import Config, ModelConfig

#: What a process has been started with, after expansion; a change of anything else leaves it alone.
_LAUNCH = {"argv": "cmd", "cmd_stop": "cmdStop", "env": "env", "proxy": "proxy", "check_endpoint": "checkEndpoint"}
#: Names of fields that are not simply written another way. None: it follows from others, or is only shown.
_NAMES: dict[str, str | None] = {
    "id": None,
    "cmd": None,  # `argv` counts: comments and line breaks make no other command
    "stop_text": None,
    "owns_port": None,
    "port": None,
    "ignore_websockets": "compat.ignoreWebsockets",
    "models": None,
    "names": None,
    "peer_names": None,
    "routing": None,  # told in parts, see `_changed_routing`
    "preload": "hooks.on_startup.preload",
    "global_ttl": "globalTTL",
    "ignore_paths": "upstream.ignorePaths",
    "session_headers": "ui.activity.session_id",
    "store_path": "store.path",
    "keep_models": "reload.keepModels",
    "cors_origins": "cors.origins",
}


def changed_launch(old: ModelConfig, new: ModelConfig) -> tuple[str, ...]:
    """The settings because of which a process of *old* cannot go on as one of *new*."""
    return tuple(name for field, name in _LAUNCH.items() if getattr(old, field) != getattr(new, field))


def changed_settings(old: ModelConfig, new: ModelConfig) -> tuple[str, ...]:
    """The other settings of the model that differ; a running process does not mind."""
    return tuple(_changed(old, new, ignoring=_LAUNCH))


def changed_globals(old: Config, new: Config) -> tuple[str, ...]:
    """The settings that differ outside ``models``."""
    return (*_changed(old, new), *_changed_routing(old.routing, new.routing))


def name_of(field: str) -> str | None:
    """How the configuration calls *field* of `Config` or `ModelConfig`; None if it has no name of its own there."""
    first, *others = field.split("_")
    return (_LAUNCH | _NAMES).get(field, first + "".join(map(str.title, others)))


def _changed(old: Any, new: Any, ignoring: Iterable[str] = ()) -> list[str]:
    names = {each.name: name_of(each.name) for each in fields(old) if each.name not in ignoring}
    return [name for field, name in names.items() if name and getattr(old, field) != getattr(new, field)]


def _changed_routing(old: RoutingConfig, new: RoutingConfig) -> list[str]:
    parts = {
        "routing.scheduler.use": lambda routing: routing.scheduler.use,
        "routing.scheduler.settings.serial": lambda routing: routing.scheduler.serial,
        "routing.scheduler.settings.fifo": lambda routing: routing.scheduler.fifo,
        "routing.scheduler.settings.batch": lambda routing: routing.scheduler.batch,
        "routing.router": _written_router,
    }
    return [name for name, part in parts.items() if part(old) != part(new)]


def _written_router(routing: RoutingConfig) -> Any:
    """What the file says of it. Which models are in no other group is not said there."""
    groups = [replace(group, members=()) if group.name == IMPLICIT_GROUP else group for group in routing.groups]
    return routing.router, groups, routing.matrix
