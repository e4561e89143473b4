"""Who runs and who waits, and what is to be expected: the answer of ``/api/queue``."""

import math
from typing import Any

from llamaswap.config.schema import ModelId
from llamaswap.control.context import ControlContext
from llamaswap.dispatcher import RunningModel, WaitingRequest
from llamaswap.forecaster import Forecaster, Serving
from llamaswap.schedule.forecast import Forecast
from llamaswap.schedule.forecast_samples import Range

#: Nobody reads more rows, and telling of a hundred thousand would keep the loop for a third of a second.
MOST_WAITING = 1000


async def queue_view(context: ControlContext) -> dict[str, Any]:
    """What the reference's ``/running`` does not tell: processes, their load, who waits for what, and for how long."""
    expected = await context.forecaster.fresh()
    running, serving = context.dispatcher.running(), context.forecaster.serving()
    reasons = context.forecaster.reasons(MOST_WAITING)
    loading = {each.model for each in running if each.state == "starting"}
    return {
        "running": [_running(context, each, serving.get(each.model, [])) for each in running],
        "waiting": [
            _waiting(context.forecaster, expected, each, loading) | {"why": reasons[each.ticket].as_json()}
            for each in context.dispatcher.waiting(MOST_WAITING)
        ],
        "waiting_total": context.dispatcher.queued,
    }


def seconds(value: float) -> int | float:
    """*value* as the reference writes it."""
    return int(value) if value.is_integer() else value


def _running(context: ControlContext, model: RunningModel, serving: list[Serving]) -> dict[str, Any]:
    spec = context.config().models.get(model.model)
    told: dict[str, Any] = {
        "model": model.model,
        "state": model.state,
        "pid": model.pid,
        "since_s": round(model.since_s, 3),
        "requests": model.requests,
        "ttl_s": 0 if spec is None else seconds(spec.ttl),
        "idle_s": None if model.idle_s is None else round(model.idle_s, 3),
    }
    if model.state == "starting":
        told |= _range("ready_in_s", context.forecaster.rest_of_load(model.model, model.since_s))
    elif model.state == "stopping":
        told |= _range("gone_in_s", context.forecaster.rest_of_stop(model.model, model.since_s))
    told["serving"] = [
        {"ticket": each.ticket, "served_s": round(each.elapsed_s, 3), **_range("ends_in_s", each.rest)}
        for each in serving
    ]
    return told


def _waiting(
    forecaster: Forecaster, expected: Forecast, waiting: WaitingRequest, loading: set[ModelId]
) -> dict[str, Any]:
    told: dict[str, Any] = {
        "ticket": waiting.ticket,
        "model": waiting.model,
        "position": waiting.position,
        "phase": "loading" if waiting.model in loading else "queued",
        "waited_s": round(waiting.waited_s, 3),
    }
    seen = expected.starts.get(waiting.ticket)
    told |= _range("starts_in_s", forecaster.seen_now(expected, seen or expected.behind(waiting.position)))
    if seen is None and "starts_in_s" in told:
        told["extrapolated"] = True
    return told


def _range(name: str, told: Range | None) -> dict[str, Any]:
    """Left out if nobody knows; without an upper end if it cannot be foreseen."""
    if told is None:
        return {}
    ends = {key: None if value == math.inf else round(value, 2) for key, value in told._asdict().items()}
    return {name: ends}
