"""The management application: its limits, its answers to what it does not know, and its routes."""

from quart import Response
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed, NotFound
from werkzeug.routing import BaseConverter

from llamaswap.control.answers import error_answer, router_answer
from llamaswap.control.api import add_management_routes
from llamaswap.control.config_api import add_config_routes
from llamaswap.control.context import ControlContext
from llamaswap.control.logs import add_log_routes
from llamaswap.errors import LlamaSwapError

#: Management bodies are a line or two; whatever is beyond this is not kept.
_MAX_BODY_BYTES = 1024 * 1024


class _Rest(BaseConverter):
    """The rest of the path, with whichever slashes."""

    regex = ".*?"
    part_isolating = False


def make_app(context: ControlContext) -> QuartTrio:
    """Build the application over *context*."""
    app = QuartTrio(__name__, static_folder=None)
    app.config.update(
        RESPONSE_TIMEOUT=None,  # cuts log streams after 60 s otherwise
        BODY_TIMEOUT=None,
        MAX_CONTENT_LENGTH=_MAX_BODY_BYTES,
        PROVIDE_AUTOMATIC_OPTIONS=False,  # the data plane answers OPTIONS
    )
    app.url_map.merge_slashes = False  # a redirect to another spelling of a model's name helps nobody
    app.url_map.converters["rest"] = _Rest
    _add_error_answers(app)
    add_management_routes(app, context)
    add_config_routes(app, context)
    add_log_routes(app, context)
    return app


def _add_error_answers(app: QuartTrio) -> None:
    @app.errorhandler(NotFound)
    async def not_found(_: NotFound) -> Response:
        return router_answer("404 page not found", 404)

    @app.errorhandler(MethodNotAllowed)
    async def wrong_method(error: MethodNotAllowed) -> Response:
        answer = router_answer("Method Not Allowed", 405)
        answer.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
        return answer

    @app.errorhandler(LlamaSwapError)
    async def expected(error: LlamaSwapError) -> Response:
        return error_answer(error)

    @app.errorhandler(InternalServerError)
    async def bug(_: InternalServerError) -> Response:
        return error_answer(LlamaSwapError("internal error; see the log"))

    @app.errorhandler(HTTPException)
    async def other(error: HTTPException) -> Response:
        return router_answer(error.name, error.code or 500)
