"""The configuration over HTTP: where it comes from, what became of the last reload, and having one carried out."""

from datetime import UTC, datetime
from typing import Any

from quart import Quart, Response, request

from llamaswap.config.plan.text import plan_json
from llamaswap.config.text.problems import Problem, dotted
from llamaswap.control.answers import json_answer
from llamaswap.control.context import ControlContext
from llamaswap.reload import Attempt, InForce

_TRUE = ("", "1", "true")


def add_config_routes(app: Quart, context: ControlContext) -> None:
    """Add the routes to *app*. Nothing of the configuration's own values is told: they may be secrets."""
    reloader = context.reloader

    @app.get("/api/config")
    async def config() -> Response:
        last = reloader.last
        return json_answer({**_in_force(reloader.in_force), "last_reload": None if last is None else _attempt(last)})

    @app.post("/api/config/reload")
    async def reload() -> Response:
        if request.args.get("dry_run", "0") in _TRUE:
            return _result(await reloader.rehearse("POST /api/config/reload"))
        return _result(await reloader.reload("POST /api/config/reload"))


def _result(attempt: Attempt) -> Response:
    """What came of it; if that is nothing, in the shape of all errors, and one by one beside it."""
    if attempt.plan is not None:
        return json_answer(_attempt(attempt))
    error = {"message": attempt.error, "type": "invalid_request_error", "param": None, "code": "invalid_request"}
    return json_answer({"src": "llama-swap", "error": error, **_attempt(attempt)}, 422)


def _in_force(now: InForce) -> dict[str, Any]:
    return {
        "sources": [str(path) for path in now.files],
        "loaded_at": _time(now.since),
        "generation": now.generation,
        "warnings": [_problem(each) for each in now.warnings],
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "time": _time(attempt.at),
        "took_s": round(attempt.took_s, 3),
        "trigger": attempt.trigger,
        "ok": attempt.plan is not None,
        "reason": attempt.error,
        "problems": [_problem(each) for each in attempt.problems],
        "plan": None if attempt.plan is None else plan_json(attempt.plan),
    }


def _problem(problem: Problem) -> dict[str, Any]:
    mark = problem.mark
    return {
        "severity": problem.severity,
        "code": problem.code,
        "file": None if mark is None else mark.source.name,
        "line": None if mark is None else mark.line,
        "column": None if mark is None else mark.column,
        "path": dotted(problem.path),
        "what": problem.what,
        "remedy": problem.remedy,
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
