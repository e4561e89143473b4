"""Configurations, drawn: the first one of a world, and those that reloads bring."""

import random
from collections.abc import Mapping
from dataclasses import replace

from llamaswap.config.matrix.compile import compile_matrix
from llamaswap.config.matrix.sets import Matrix
from llamaswap.config.routing import (
    IMPLICIT_GROUP,
    BatchSettings,
    FifoSettings,
    GroupConfig,
    RoutingConfig,
    SchedulerConfig,
    SerialSettings,
)
from llamaswap.config.schema import Config, ModelConfig, ModelId
from tests.sim.plan import FIRST_PORT, NAMES


def first_config(rng: random.Random, names: list[ModelId]) -> tuple[Config, dict[str, str]]:
    models = {name: _model(rng, name) for name in names}
    routing, sets = _routing(rng, names)
    return _config(models, routing), sets


def _config(models: Mapping[ModelId, ModelConfig], routing: RoutingConfig) -> Config:
    return Config(
        models=models,
        names={name: name for name in models},
        routing=replace(routing, groups=_kept(routing.groups, frozenset(models))),
        log_level="error",
        log_to_stdout="none",
    )


def _kept(groups: tuple[GroupConfig, ...], models: frozenset[ModelId]) -> tuple[GroupConfig, ...]:
    return tuple(replace(group, members=tuple(m for m in group.members if m in models)) for group in groups)


def _model(rng: random.Random, name: ModelId, version: int = 1) -> ModelConfig:
    port = FIRST_PORT + NAMES.index(name)
    return ModelConfig(
        id=name,
        cmd="/bin/true",
        argv=("/bin/true", name, str(version)),
        proxy=f"http://localhost:{port}",
        check_endpoint="none" if rng.random() < 0.05 else "/health",
        health_check_timeout=rng.choice((3.0, 20.0, 30.0)),
        ttl=rng.choice((0.0, 5.0, 40.0, 300.0)),
        unload_timeout=rng.choice((0.5, 2.0, 10.0)),
        concurrency_limit=rng.choice((0, 0, 0, 2, 10)),
        parallel=rng.choice((1, 1, 2, 4)),
        owns_port=True,
        port=port,
    )


def _routing(rng: random.Random, names: list[ModelId]) -> tuple[RoutingConfig, dict[str, str]]:
    scheduler = SchedulerConfig(
        use=rng.choice(("serial", "serial", "fifo", "batch")),
        serial=SerialSettings(rng.choice((1, 1, 1, 3)), rng.random() < 0.3),
        fifo=FifoSettings({name: rng.randint(0, 2) for name in names if rng.random() < 0.3}, rng.choice((0.0, 30.0))),
        batch=BatchSettings(rng.choice((0, 1, 3, 8)), rng.choice((10.0, 60.0))),
    )
    if rng.random() < 0.4:
        sets = {f"s{n}": " & ".join(rng.sample(names, rng.randint(1, len(names)))) for n in range(rng.randint(1, 3))}
        matrix: Matrix = compile_matrix({}, {}, sets, names, _no_finding)
        return RoutingConfig("matrix", (), matrix, scheduler), sets
    parts: dict[str, list[ModelId]] = {}
    for name in names:
        parts.setdefault(rng.choice((IMPLICIT_GROUP, "g1", "g2")), []).append(name)
    groups = [_group(rng, each, tuple(members)) for each, members in parts.items()]
    return RoutingConfig("group", tuple(groups), None, scheduler), {}


def _group(rng: random.Random, name: str, members: tuple[ModelId, ...]) -> GroupConfig:
    if name == IMPLICIT_GROUP:
        return GroupConfig(name, members=members)
    return GroupConfig(name, rng.random() < 0.5, rng.random() < 0.6, rng.random() < 0.3, members)


def _no_finding(finding: object) -> None:
    """Nothing that is drawn here is wrong in a way that matters."""


def next_config(rng: random.Random, first: Config, last: Config) -> Config:
    """The same house with a model changed, removed, or back again; now and then nothing new at all."""
    models = dict(last.models)
    name = rng.choice(list(first.models))
    kind = rng.choice(("same", "restart", "settings", "remove"))
    if name not in models:
        models[name] = first.models[name]
    elif kind == "restart":
        models[name] = replace(models[name], argv=("/bin/true", name, str(int(models[name].argv[2]) + 1)))
    elif kind == "settings":
        models[name] = replace(models[name], ttl=rng.choice((0.0, 5.0, 40.0)), unload_timeout=rng.choice((0.5, 5.0)))
    elif kind == "remove" and len(models) > 1:
        del models[name]
    return _config(models, first.routing)
