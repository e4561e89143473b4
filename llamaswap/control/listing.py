"""The records of ``GET /v1/models``."""

from collections.abc import Iterator
from typing import Any

from llamaswap.config.schema import Config, ModelConfig, ModelId


def list_models(config: Config, loaded: frozenset[ModelId], created: int) -> dict[str, Any]:
    """Return the whole answer: every listed model (and alias, if configured), by id.

    Args:
        loaded: Models with a process in whichever state.
        created: Seconds since 1970, for every record alike: the reference has no better answer either.
    """
    records = [r for m in config.models.values() if not m.unlisted for r in _records(m, config, loaded, created)]
    return {"object": "list", "data": sorted(records, key=lambda r: str(r["id"]))}


def _records(model: ModelConfig, config: Config, loaded: frozenset[ModelId], created: int) -> Iterator[dict[str, Any]]:
    status = "loaded" if model.id in loaded else "unloaded"
    own_meta: dict[str, Any] = {"aliases": list(model.aliases)} if model.aliases else {}
    yield _record(model.id, model, {**own_meta, "type": "model"}, status, created)
    if config.include_aliases_in_list:
        for alias in model.aliases:
            yield _record(alias, model, {"modelID": model.id, "type": "alias"}, status, created)


def _record(id_: str, model: ModelConfig, meta: dict[str, Any], status: str, created: int) -> dict[str, Any]:
    name, description = model.name.strip(), model.description.strip()
    return {
        "id": id_,
        "object": "model",
        "created": created,
        "owned_by": "llama-swap",
        **({"name": name} if name else {}),
        **({"description": description} if description else {}),
        "meta": {"llamaswap": meta},
        "status": {"value": status},
    }
