"""Every way in which a request can fail, each with its HTTP status.

One tree under `LlamaSwapError`. The front end reads `status`, `kind`, `code` and `retry_after_s` and turns the error
into the envelope ``{"src": "llama-swap", "error": {"message", "type", "param", "code"}}``; nothing else decides on a
status. Messages say what failed, with which value, and what to do about it.
"""

from typing import ClassVar


class LlamaSwapError(Exception):
    """Base of all expected failures. `str(error)` is the message a client may read."""

    status: ClassVar[int] = 500
    kind: ClassVar[str] = "server_error"
    code: ClassVar[str] = "internal_error"
    #: Seconds after which a client may try again, sent as `Retry-After`; None sends no such header.
    retry_after_s: float | None = None


class BadRequestError(LlamaSwapError):
    """The request cannot be understood."""

    status = 400
    kind = "invalid_request_error"
    code = "bad_request"


class UnauthorizedError(LlamaSwapError):
    """No API key, or a wrong one."""

    status = 401
    kind = "authentication_error"
    code = "unauthorized"


class ForbiddenError(LlamaSwapError):
    """A foreign origin or host."""

    status = 403
    kind = "authentication_error"
    code = "forbidden"


class NotFoundError(LlamaSwapError):
    """Something named in the request does not exist."""

    status = 404
    kind = "invalid_request_error"
    code = "not_found"


class ModelNotFoundError(NotFoundError):
    """No model was named, or no such model, alias or peer."""


class ConflictError(LlamaSwapError):
    """The model is not in a state in which this request may use it."""

    status = 409
    kind = "invalid_request_error"
    code = "conflict"


class BodyTooLargeError(LlamaSwapError):
    """The body exceeds the configured limit; it was not read to its end."""

    status = 413
    kind = "invalid_request_error"
    code = "invalid_request"


class TooManyRequestsError(LlamaSwapError):
    """The model's `concurrencyLimit` is reached."""

    status = 429
    kind = "rate_limit_error"
    code = "concurrency_limit"
    retry_after_s = 1.0

    def __init__(self) -> None:
        super().__init__("Too many requests")


class StartFailedError(LlamaSwapError):
    """The model could not be loaded. The message carries the exit code or signal and the tail of its log."""


class UnloadedError(LlamaSwapError):
    """The model was unloaded while the request waited."""


class UpstreamError(LlamaSwapError):
    """The upstream refused the connection, or broke before its response head was complete."""

    status = 502
    code = "bad_gateway"


class ServiceUnavailableError(LlamaSwapError):
    """Something needed is not there at this moment."""

    status = 503
    code = "service_unavailable"


class ShuttingDownError(ServiceUnavailableError):
    """The daemon is stopping."""

    retry_after_s = 5.0


class DeadlineError(ServiceUnavailableError):
    """The request cannot be answered, or was not, before its deadline."""

    code = "deadline"
    retry_after_s = 1.0


class NotReadyError(ServiceUnavailableError):
    """The process vanished between grant and use."""


class ConfigError(LlamaSwapError):
    """The configuration cannot be used; `str()` lists every problem with its place and remedy.

    `problems` holds them one by one (`llamaswap.config.text.problems.Problem`).
    """

    def __init__(self, message: str, problems: tuple[object, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems
