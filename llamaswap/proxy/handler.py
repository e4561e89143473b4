"""One request for a model, from its body to its account: resolve, lease, exchange."""

from collections.abc import Callable
from urllib.parse import quote

import trio

from llamaswap.config.schema import Config, ModelId
from llamaswap.dispatcher import Dispatcher, Lease
from llamaswap.errors import BadRequestError, ConflictError, ModelNotFoundError
from llamaswap.forecaster import Forecaster
from llamaswap.proxy import resolve
from llamaswap.proxy.aside import Aside
from llamaswap.proxy.deadline import deadline_of
from llamaswap.proxy.exchange import exchange
from llamaswap.proxy.reply import send_reply
from llamaswap.proxy.request import Client, Request
from llamaswap.proxy.resolve import Body
from llamaswap.proxy.selectors import Selectors
from llamaswap.proxy.waiting import AT_ONCE, WaitingRoom

#: Asked for by browser tabs that are left open; they use a model that is loaded, and do not load one.
IGNORED_SUFFIXES = (b".js", b".json", b".css", b".png", b".gif", b".jpg", b".jpeg", b".ico", b".txt")
#: Only a chat's stream may begin before there is an answer.
_CHAT = b"/v1/chat/completions"
#: Bodies of pass-through requests up to this size are read before the request takes its place in the queue.
SMALL_BODY_BYTES = 1 << 20


class ModelHandler:
    """Answers the requests that need a model.

    Attributes:
        selectors: What the selectors have given out.
    """

    def __init__(
        self, config: Callable[[], Config], dispatcher: Dispatcher, forecaster: Forecaster | None = None
    ) -> None:
        self._config = config
        self._dispatcher = dispatcher
        self._forecaster = forecaster or Forecaster(dispatcher)
        self._waiting = WaitingRoom(self._forecaster)
        self._aside = Aside()
        self.selectors = Selectors()

    async def infer(self, request: Request, client: Client, forward_path: bytes) -> None:
        """Answer an inference request: its body, or its query, names the model.

        Args:
            forward_path: The path to ask the model for.

        Raises:
            LlamaSwapError: nothing has been sent to the client.
            BrokenAnswerError, ClientGoneError: the answer is cut.
        """
        if request.upgrade:
            raise BadRequestError("no websocket is served at this path; /upstream/MODEL/ passes them on")
        body = await client.read_body(self._config().max_request_body)
        name, streams = await self._aside.work(len(body), resolve.named, request, body)
        config = self._config()  # a reload may have come while the body did
        request.streams = streams and request.path.startswith(_CHAT)
        if not name:
            raise ModelNotFoundError("no model id could be identified")
        target = request.target
        if forward_path != request.path:
            target = forward_path + target[len(request.path) :]
        selector = config.selectors.get(name)
        if selector is None:
            await self._infer_as(name, request, client, body, target)
            return
        states = {running.model: running.state for running in self._dispatcher.running()}
        with self.selectors.chosen(selector, config.names, states) as chosen:
            meant, query = await self._aside.work(len(body), resolve.replaced, request, body, chosen)
            if query != request.query:
                target = forward_path + b"?" + query
            await self._infer_as(chosen, request, client, meant, target)

    async def _infer_as(self, name: str, request: Request, client: Client, body: Body, target: bytes) -> None:
        """Ask the model that is called *name*, which no selector is."""
        config = self._config()
        model = config.names.get(name)
        if model is None:
            raise ModelNotFoundError("no router for requested model")
        spec = config.models[model]
        if spec.use_model_name:
            body = await self._aside.work(len(body), resolve.renamed, request, body, spec.use_model_name)
        if spec.filters.change_something and resolve.carries_json(request, body):
            from llamaswap.proxy.filters import filtered  # noqa: PLC0415 - the daemon listens without it

            body = await self._aside.work(len(body), filtered, body, spec.filters, name)
        await self._serve(model, request, client, body, target)

    async def pass_through(self, request: Request, client: Client) -> None:
        """Answer ``/upstream/{model}/...``: any method, any body, websockets too. Raises as `infer`."""
        config = self._config()
        found = resolve.split_upstream(request.path, config.names)
        if found is None:
            raise ModelNotFoundError("model not found")
        query = request.target[len(request.path) :]
        if not found.path:
            await _redirect(request, client, found.name, query)
            return
        model = config.names[found.name]
        if found.path.endswith(IGNORED_SUFFIXES) and self._dispatcher.state(model) != "ready":
            raise ConflictError(f"model {model} is not loaded; path matches upstream.ignorePaths")
        if request.upgrade and config.models[model].ignore_websockets:
            await self._bypass(model, request, client, found.path + query)
            return
        body = None
        if not request.upgrade and (
            request.complete or (request.content_length or SMALL_BODY_BYTES) < SMALL_BODY_BYTES
        ):
            body = await client.read_body(SMALL_BODY_BYTES)
        await self._serve(model, request, client, body, found.path + query)

    async def _bypass(self, model: ModelId, request: Request, client: Client, target: bytes) -> None:
        """Pass on a websocket that nobody waits for: it neither starts the model nor keeps it."""
        upstream = self._dispatcher.ready_upstream(model)
        if upstream is None:
            raise ConflictError(f"model {model} is not loaded; ignored websocket requests cannot start it")
        await exchange(request, client, upstream, None, target=target)

    async def _serve(self, model: ModelId, request: Request, client: Client, body: Body | None, target: bytes) -> None:
        lease = self._arrive(model, request)
        try:
            upstream = lease.upstream
            if upstream is None:
                await self._serve_later(lease, request, client, body, target)
            else:
                request.told = AT_ONCE
                await exchange(request, client, upstream, body, target=target)
        finally:
            self._dispatcher.leave(lease)

    def _arrive(self, model: ModelId, request: Request) -> Lease:
        spec = self._config().models.get(model)
        seconds = deadline_of(request, spec.deadline if spec else 0.0)
        if seconds is None:
            return self._dispatcher.arrive(model)
        return self._dispatcher.arrive(model, trio.current_time() + seconds, self._forecaster.earliest(model))

    async def _serve_later(
        self, lease: Lease, request: Request, client: Client, body: Body | None, target: bytes
    ) -> None:
        spec = self._config().models.get(lease.model)
        if request.streams and spec is not None and spec.send_loading_state:
            await self._waiting.stream(
                lease, request, client, lambda upstream: exchange(request, client, upstream, body, target=target)
            )
        else:
            upstream = await self._waiting.upstream_for(lease, request)
            await exchange(request, client, upstream, body, target=target)


async def _redirect(request: Request, client: Client, name: str, query: bytes) -> None:
    location = b"/upstream/%b/%b" % (quote(name, safe="/:@").encode(), query)
    status = 301 if request.method in (b"GET", b"HEAD") else 308
    await send_reply(request, client, status, [(b"Location", location)], b"")
