"""The logs over HTTP: history at once, or history and then live until the client or the daemon goes."""

import math
import random
from contextlib import ExitStack
from types import TracebackType

import trio
from quart import Quart, Response, request
from quart.wrappers.response import ResponseBody

from llamaswap.config.schema import Config, ModelId
from llamaswap.control.answers import redirect_answer
from llamaswap.control.context import ControlContext
from llamaswap.errors import BadRequestError
from llamaswap.telemetry.monitor import Monitor, Subscription

#: After each piece a reader gets nothing for so long, from a range so that readers do not march in step. A hundred
#: readers of a flood must not cost the tokens their event loop: a piece takes the framework 0.3 ms, however small.
_REST_S = 0.1, 0.2


def add_log_routes(app: Quart, context: ControlContext) -> None:
    """Add the routes to *app*."""

    @app.get("/logs")
    async def logs() -> Response:
        if "text/html" in request.headers.get("Accept", ""):
            return redirect_answer("/ui/")
        return _plain(Response(context.logs.combined.history()))

    @app.get("/logs/stream")
    @app.get("/logs/stream/")
    @app.get("/logs/stream/<rest:name>")
    async def stream(name: str = "") -> Response:
        monitor = _monitor(context, name)
        if request.method == "HEAD":  # the reference runs the same endless handler; nobody can want that
            body: ResponseBody | bytes = b""
        elif "no-follow" in request.args:  # ours: a model's history by itself
            body = monitor.history()
        else:
            body = LiveLog(monitor, history="no-history" not in request.args)
        answer = _plain(Response(body))
        answer.headers["X-Accel-Buffering"] = "no"
        answer.headers.pop("Content-Length", None)
        return answer


class LiveLog(ResponseBody):
    """A monitor as a response body. Follows from the moment the answer begins until it ends."""

    def __init__(self, monitor: Monitor, *, history: bool) -> None:
        self._monitor = monitor
        self._history = history
        self._following = ExitStack()
        self._subscription: Subscription | None = None
        self._rested_at = -math.inf

    async def __aenter__(self) -> "LiveLog":
        self._subscription = self._following.enter_context(self._monitor.subscribe(history=self._history))
        return self

    async def __aexit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._following.close()

    def __aiter__(self) -> "LiveLog":
        return self

    async def __anext__(self) -> bytes:
        assert self._subscription is not None
        with trio.move_on_at(self._rested_at):
            await self._subscription.ended.wait()
        try:
            piece = await self._subscription.receive()
        except trio.EndOfChannel:
            raise StopAsyncIteration from None
        self._rested_at = trio.current_time() + random.uniform(*_REST_S)
        return piece


def _plain(answer: Response) -> Response:
    answer.headers["Content-Type"] = "text/plain"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer


def _monitor(context: ControlContext, name: str) -> Monitor:
    logs = context.logs
    sources = {"": logs.combined, "proxy": logs.proxy, "upstream": logs.upstream}
    if name in sources:
        return sources[name]
    model = find_model(context.config(), name)
    if model is None:
        raise BadRequestError("invalid logger. Use 'proxy', 'upstream' or a model's ID")
    return logs.model(model).monitor


def find_model(config: Config, path: str) -> ModelId | None:
    """The model whose ID or alias is the longest beginning of *path*, by whole segments; empty ones do not count."""
    found, walked = None, ""
    for segment in filter(None, path.split("/")):
        walked = f"{walked}/{segment}" if walked else segment
        found = config.names.get(walked, found)
    return found
