"""What happens to a request whose head is here: rules, route, answer, one line in the log.

Requests for models are answered on this side; everything else belongs to the control plane, which is one more upstream.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import trio

from llamaswap.errors import BadRequestError, LlamaSwapError, ServiceUnavailableError
from llamaswap.gateway.requestlog import request_line
from llamaswap.gateway.rules import Rules, preflight_headers
from llamaswap.models.upstream import Upstream
from llamaswap.proxy.exchange import BrokenAnswerError, exchange
from llamaswap.proxy.handler import ModelHandler
from llamaswap.proxy.reply import send_error, send_reply
from llamaswap.proxy.request import Client, Request

_V1 = (b"chat/completions", b"responses", b"completions", b"messages", b"messages/count_tokens", b"embeddings")
_RERANK = (b"rerank", b"reranking")
_OTHER = (
    b"/v1/audio/speech",
    b"/v1/audio/voices",
    b"/v1/images/generations",
    b"/v1/audio/transcriptions",
    b"/v1/images/edits",
    b"/sdapi/v1/txt2img",
    b"/sdapi/v1/img2img",
    b"/infill",
    b"/completion",
    b"/rerank",
    b"/reranking",
)
#: Paths of POST requests whose body names a model -> the path to ask the model for.
POSTS: dict[bytes, bytes] = {
    **{b"/v1/" + name: b"/v1/" + name for name in _V1 + _RERANK},
    **{path: path for path in _OTHER},
    **{b"/v/" + name: b"/" + name for name in _V1 + _RERANK},
    b"/audioapi/v1/tasks/run": b"/v1/tasks/run",
}
#: Paths of GET requests whose query names a model.
GETS = frozenset((b"/v1/audio/voices", b"/sdapi/v1/loras", b"/props"))
_HEALTH = frozenset((b"/health", b"/wol-health"))
_PASS_THROUGH = (b"/upstream/", b"/comfyui/")
_UNCLEAN = re.compile(rb"//|/\.\.?(/|$)")
_TEXT = (b"Content-Type", b"text/plain; charset=utf-8")
_NOT_LOGGED = (b"/wol-health", b"/api/performance", b"/metrics")


@dataclass(slots=True)
class Plane:
    """What the data plane needs from the rest of the daemon. `rules` is replaced when the configuration is.

    Attributes:
        alive: Whether the core works; health is not OK without it.
        control: The control plane's socket, and an event that is set while it answers there.
        log_line: Takes one line about a finished request.
    """

    rules: Rules
    handler: ModelHandler
    alive: Callable[[], bool]
    control: Upstream
    control_ready: Callable[[], trio.Event]
    log_line: Callable[[str], None]

    async def answer(self, request: Request, client: Client) -> None:
        """Answer *request* whole, with an error, or by cutting the connection: one of the three, once."""
        started = trio.current_time()
        try:
            await self._answer(request, client)
        except LlamaSwapError as error:
            if client.head_sent:
                client.cut()
            else:
                await send_error(request, client, error)
        except BrokenAnswerError:
            client.cut()
        finally:
            if not request.path.startswith(_NOT_LOGGED):
                self.log_line(request_line(request, client, trio.current_time() - started))

    async def _answer(self, request: Request, client: Client) -> None:
        if request.refused:
            await send_error(request, client, BadRequestError(request.refused[1]), request.refused[0])
            return
        self.rules.check(request)
        path, method = request.path, request.method
        forward = POSTS.get(path)
        if forward is not None and method == b"POST":
            await self.handler.infer(request, client, forward)
        elif method == b"OPTIONS":
            await send_reply(request, client, 204, preflight_headers(request), b"")
        elif path.startswith(b"/upstream/") and len(path) > len(b"/upstream/"):
            await self.handler.pass_through(request, client)
        elif path in GETS and method in (b"GET", b"HEAD"):
            await self.handler.infer(request, client, path)
        elif path in _HEALTH and method in (b"GET", b"HEAD"):
            await self._health(request, client)
        elif forward is not None or path in GETS or path in _HEALTH:
            await _method_not_allowed(request, client)
        else:
            await self._manage(request, client)

    async def _health(self, request: Request, client: Client) -> None:
        if not self.alive():
            raise ServiceUnavailableError("the scheduler has failed; the daemon is ending")
        await send_reply(request, client, 200, [_TEXT], b"OK")

    async def _manage(self, request: Request, client: Client) -> None:
        if _UNCLEAN.search(request.path) and not request.path.startswith(_PASS_THROUGH):
            clean = _clean(request.path) + request.target[len(request.path) :]
            await send_reply(request, client, 307, [(b"Location", clean)], b"")
            return
        if any(byte >= 0x80 for _, _, value in request.headers for byte in value):
            raise BadRequestError("header values must be ASCII here")
        with trio.move_on_after(10):
            await self.control_ready().wait()
        if not self.control_ready().is_set():
            raise ServiceUnavailableError(
                "the control plane is not running at the moment; models are served all the same"
            )
        await exchange(request, client, self.control, None)


async def _method_not_allowed(request: Request, client: Client) -> None:
    allowed = [b"GET", b"HEAD"] if request.path in GETS or request.path in _HEALTH else []
    allowed += [b"POST"] if request.path in POSTS else []
    await send_reply(request, client, 405, [(b"Allow", b", ".join(allowed)), _TEXT], b"Method Not Allowed\n")


def _clean(path: bytes) -> bytes:
    kept: list[bytes] = []
    for segment in path.split(b"/"):
        if segment == b"..":
            kept[-1:] = []
        elif segment not in (b"", b"."):
            kept.append(segment)
    slash = b"/" if kept and path.endswith((b"/", b"/.", b"/..")) else b""
    return b"/" + b"/".join(kept) + slash
