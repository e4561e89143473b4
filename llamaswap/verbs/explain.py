"""``llamaswap explain``: what would happen if a request for a model came now, or why each waiting request waits."""

import argparse
import json
from typing import Any
from urllib.parse import urlencode

from llamaswap.verbs.client import Client, UnknownModelError, VerbError
from llamaswap.verbs.ps import duration
from llamaswap.verbs.terminal import harmless


def run_explain(client: Client, arguments: argparse.Namespace) -> None:
    """Print the plan for a model, or the reasons of all who wait, in sentences or as the daemon's own JSON."""
    if arguments.model is None:
        _print_reasons(client.get("/api/queue")["waiting"], as_json=arguments.json)
        return
    try:
        plan = client.get("/api/plan?" + urlencode({"model": arguments.model}))
    except UnknownModelError as error:
        raise VerbError(client.unknown(arguments.model)) from error
    if arguments.json:
        print(json.dumps(plan, ensure_ascii=False, indent=2))
    else:
        _print_plan(plan)


def _print_plan(plan: dict[str, Any]) -> None:
    for number, step in enumerate(plan["steps"], 1):
        at = f"  (in about {duration(step['ends_s'])})" if "ends_s" in step else ""
        print(harmless(f"{number}. {step['sentence']}{at}"))
    print(harmless(f"A request for {plan['model']} {plan['sentence']}."))


def _print_reasons(waiting: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        told = [{key: each[key] for key in ("ticket", "model", "position", "waited_s", "why")} for each in waiting]
        print(json.dumps(told, ensure_ascii=False, indent=2))
    elif not waiting:
        print("nobody waits")
    else:
        for each in waiting:
            place = f"#{each['position']} for {each['model']}, since {duration(each['waited_s'])}"
            print(harmless(f"{place}: {each['why']['sentence']}"))
