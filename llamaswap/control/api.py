"""The management routes: what runs, what waits, load and unload."""

import time
from typing import Any

from quart import Quart, Response, request

from llamaswap.config.schema import Config, ModelId
from llamaswap.control.answers import json_answer, redirect_answer, text_answer
from llamaswap.control.context import ControlContext
from llamaswap.control.listing import list_models
from llamaswap.control.queue import queue_view, seconds
from llamaswap.errors import BadRequestError, LlamaSwapError, ModelNotFoundError


def add_management_routes(app: Quart, context: ControlContext) -> None:
    """Add the routes to *app*."""
    _add_views(app, context)
    _add_orders(app, context)
    app.add_url_rule("/", "root", lambda: redirect_answer("/ui"))
    app.add_url_rule("/upstream", "upstream", lambda: redirect_answer("/ui/models"))
    for number, path in enumerate(("/ui", "/ui/", "/ui/models")):
        app.add_url_rule(path, f"page{number}", lambda: text_answer(_page(context)))


def _add_views(app: Quart, context: ControlContext) -> None:
    @app.get("/v1/models")
    @app.get("/models")
    async def models() -> Response:
        states = {running.model: running.state for running in context.dispatcher.running()}
        answer = json_answer(list_models(context.config(), states, int(time.time())))
        if origin := request.headers.get("Origin"):
            answer.headers["Access-Control-Allow-Origin"] = origin
        return answer

    @app.get("/running")
    async def running() -> Response:
        return json_answer({"running": _running(context)})

    @app.get("/api/queue")
    async def queue() -> Response:
        return json_answer(await queue_view(context))

    @app.get("/api/plan")
    async def plan() -> Response:
        name = request.args.get("model", "")
        if not name:
            raise BadRequestError("no model is named; ask for /api/plan?model=NAME")
        return json_answer(context.forecaster.plan(_resolve(context.config(), name)).as_json())

    @app.get("/api/version")
    async def version() -> Response:
        this = context.version
        return json_answer({"build_date": this.build_date, "commit": this.commit, "version": this.version})


def _add_orders(app: Quart, context: ControlContext) -> None:
    @app.get("/unload")
    async def unload_all_by_get() -> Response:
        await _unload(context, None)
        return text_answer("OK")

    @app.post("/api/models/unload")
    async def unload_all() -> Response:
        await _unload(context, None)
        return json_answer({"msg": "ok"})

    @app.post("/api/models/unload/<rest:name>")
    async def unload_one(name: str) -> Response:
        await _unload(context, frozenset((_resolve(context.config(), name),)))
        return text_answer("OK")

    @app.post("/api/models/load/<rest:name>")
    async def load(name: str) -> Response:
        await context.dispatcher.load(_resolve(context.config(), name))
        return json_answer({"msg": "ok"})


def _resolve(config: Config, name: str) -> ModelId:
    model = config.names.get(name) or config.names.get(name.removeprefix("/"))
    if model is None:
        raise ModelNotFoundError("model not found")
    return model


async def _unload(context: ControlContext, models: frozenset[ModelId] | None) -> None:
    stuck = await context.dispatcher.unload(models)
    if stuck:
        raise LlamaSwapError(f"could not be stopped, and still running: {', '.join(stuck)}; see the log for why")


def _running(context: ControlContext) -> list[dict[str, Any]]:
    models = context.config().models
    return [
        {
            "model": running.model,
            "state": running.state,
            "cmd": model.cmd,
            "proxy": model.proxy,
            "ttl": seconds(model.ttl),
            "name": model.name,
            "description": model.description,
        }
        for running in context.dispatcher.running()
        if (model := models.get(running.model)) is not None
    ]


def _page(context: ControlContext) -> str:
    """What a browser is told until there are pages."""
    return (
        f"llamaswap {context.version.version} is running. It has no pages yet; look at\n\n"
        "  /v1/models   the models that can be asked for\n"
        "  /running     the one in memory\n"
        "  /api/queue   who waits for what\n"
        "  /logs        what happened\n\n"
        "or, in a terminal: llamaswap ps\n"
    )
