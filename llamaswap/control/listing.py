"""The records of ``GET /v1/models``. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from llamaswap.config.parts import SelectorConfig
from llamaswap.config.schema import Config, ModelConfig, ModelId
from llamaswap.control.abilities import ABILITY_KEYS, describe_abilities, n_ctx

_LOADED = ("ready", "starting")


def list_models(config: Config, states: Mapping[ModelId, str], created: int) -> dict[str, Any]:
    """Return the whole answer: every listed model, alias (if configured) and selector, by id.

    Args:
        states: Of the models that are not stopped.
        created: Seconds since 1970, for every record alike: the reference has no better answer either.
    """
    listed = [model for model in config.models.values() if not model.unlisted]
    records = [record for model in listed for record in _of_model(model, config, model.id in states, created)]
    records += [_of_selector(each, config, states, created) for each in config.selectors.values() if not each.unlisted]
    return {"object": "list", "data": sorted(records, key=lambda record: str(record["id"]))}


def _of_model(model: ModelConfig, config: Config, loaded: bool, created: int) -> Iterator[dict[str, Any]]:
    abilities = describe_abilities(model.capabilities)
    told = {key: value for key, value in model.metadata.items() if not (abilities and key in ABILITY_KEYS)}

    def record(name: str, own: dict[str, Any]) -> dict[str, Any]:
        meta = {"llamaswap": {**told, **own}, **n_ctx(model.capabilities)}
        return _record(name, model, meta, loaded=loaded, created=created, abilities=abilities)

    yield record(model.id, {**({"aliases": list(model.aliases)} if model.aliases else {}), "type": "model"})
    if config.include_aliases_in_list:
        for alias in model.aliases:
            yield record(alias, {"modelID": model.id, "type": "alias"})


def _of_selector(
    selector: SelectorConfig, config: Config, states: Mapping[ModelId, str], created: int
) -> dict[str, Any]:
    own: dict[str, Any] = {"strategy": selector.strategy, "targets": list(selector.targets), "type": "selector"}
    if selector.strategy == "spillover":
        own["spillover"] = selector.spillover
    looked_at = selector.targets[:1] if selector.strategy == "pin" else selector.targets
    models = (config.names[name] for name in looked_at if name in config.names)
    loaded = any(states.get(model) in _LOADED for model in models)
    meta = {"llamaswap": {**selector.metadata, **own}}
    return _record(selector.id, selector, meta, loaded=loaded, created=created)


def _record(
    id_: str,
    shown: ModelConfig | SelectorConfig,
    meta: dict[str, Any],
    *,
    loaded: bool,
    created: int,
    abilities: dict[str, Any] | None = None,
) -> dict[str, Any]:
    name, description = shown.name.strip(), shown.description.strip()
    return {
        "id": id_,
        "object": "model",
        "created": created,
        "owned_by": "llama-swap",
        **({"name": name} if name else {}),
        **({"description": description} if description else {}),
        **(abilities or {}),
        "meta": meta,
        "status": {"value": "loaded" if loaded else "unloaded"},
    }
