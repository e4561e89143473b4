"""The scheduler's refusals as errors a client can read."""

from typing import assert_never

from llamaswap.errors import (
    DeadlineError,
    LlamaSwapError,
    ModelNotFoundError,
    ShuttingDownError,
    StartFailedError,
    TooManyRequestsError,
    UnloadedError,
)
from llamaswap.schedule.commands import Refusal, Reject


def error_for(refused: Reject) -> LlamaSwapError:
    """The error for *refused*; statuses and wording follow the reference (``group`` is its name for the router)."""
    error = _error(refused)
    if refused.retry_after is not None:
        error.retry_after_s = refused.retry_after
    return error


def _error(refused: Reject) -> LlamaSwapError:
    match refused.why:
        case Refusal.UNKNOWN_MODEL:
            return ModelNotFoundError("no local server found for requested model")
        case Refusal.LIMIT:
            return TooManyRequestsError()
        case Refusal.UNLOADED:
            return UnloadedError("unspecific error: group: model unloaded")
        case Refusal.START_FAILED | Refusal.CANNOT_STOP:
            return StartFailedError(f"unspecific error: {refused.detail}")
        case Refusal.SHUTTING_DOWN:
            return ShuttingDownError("group is shutting down")
        case Refusal.DEADLINE:
            return DeadlineError(refused.detail)
        case _:
            assert_never(refused.why)
