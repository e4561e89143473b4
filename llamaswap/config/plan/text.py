"""A plan as people and as programs read it."""

from typing import Any

from llamaswap.config.plan.plan import ModelPlan, Plan
from llamaswap.config.text.place import shortened

#: More lines about models than this are not read by anybody.
MOST_LINES = 60

_SIGNS = {"added": "+", "removed": "-", "restarted": "~", "kept": "="}


def plan_lines(plan: Plan) -> list[str]:
    """The plan as a few lines: a sum, what changes for which model, the queue, other settings."""
    if plan.nothing_changes:
        return ["nothing changes"]
    lines = [_sum(plan)]
    told = [_model_line(each) for each in plan.models if each.fate != "kept" or each.settings]
    lines += told[:MOST_LINES]
    if len(told) > MOST_LINES:
        lines.append(f"and {len(told) - MOST_LINES} more models")
    lines += _queue_lines(plan)
    lines += _listed("preloads", map(shortened, plan.preload))
    lines += _listed("changes at once", plan.settings)
    return lines + _listed("changes only when the daemon is restarted", plan.need_restart)


def plan_json(plan: Plan) -> dict[str, Any]:
    """The plan as JSON. `text` is what `plan_lines` says."""
    return {
        "nothing_changes": plan.nothing_changes,
        "models": [
            {
                "model": each.model,
                "fate": each.fate,
                "because": list(each.because),
                "settings": list(each.settings),
                "alive": each.alive,
                "requests": each.requests,
            }
            for each in plan.models
        ],
        "queue": {"keep_their_place": plan.waiting, "model_gone": plan.lost},
        "preload": list(plan.preload),
        "settings": list(plan.settings),
        "need_restart": list(plan.need_restart),
        "text": plan_lines(plan),
    }


def _sum(plan: Plan) -> str:
    parts = []
    for fate in ("kept", "restarted", "added", "removed"):
        count = len(plan.of(fate))
        if count:
            parts.append(f"{count} {fate}")
    return f"models: {', '.join(parts) or 'none'}"


def _model_line(each: ModelPlan) -> str:
    name = f"{_SIGNS[each.fate]} {shortened(each.model)}"
    when = f"after {_counted(each.requests)}" if each.requests else "now"
    match each.fate:
        case "added":
            return f"{name}: starts anew once its former process has gone" if each.alive else name
        case "removed":
            return f"{name}: stops {when}" if each.alive else name
        case "kept":
            return f"{name}: {', '.join(each.settings)} at once"
    changed = ", ".join((*each.because, *each.settings)) or "changed before"
    return (
        f"{name}: stops {when}, and starts anew when it is wanted ({changed})" if each.alive else f"{name}: {changed}"
    )


def _queue_lines(plan: Plan) -> list[str]:
    if not plan.waiting and not plan.lost:
        return []
    lost = f"; {_counted(plan.lost)} for models that are gone: 404" if plan.lost else ""
    return [f"queue: {_counted(plan.waiting)} in the same order{lost}"]


def _counted(requests: int) -> str:
    return "1 request" if requests == 1 else f"{requests} requests"


def _listed(title: str, names: Any) -> list[str]:
    text = ", ".join(names)
    return [f"{title}: {text}"] if text else []
