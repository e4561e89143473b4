"""``llamaswap reload``: have the daemon read its configuration again, and print what that changes."""

import argparse
import json

from llamaswap.verbs.client import Client, VerbError
from llamaswap.verbs.terminal import harmless

#: The daemon gives up on a disk after half of this.
_PATIENCE_S = 60.0


def run_reload(client: Client, arguments: argparse.Namespace) -> None:
    """Reload, or with ``--dry-run`` only say what a reload would do. A bad configuration changes nothing.

    Raises:
        VerbError: the configuration cannot be used.
    """
    target = "/api/config/reload" + ("?dry_run=1" if arguments.dry_run else "")
    status, answer = client.ask("POST", target, _PATIENCE_S)
    if arguments.json:
        print(json.dumps(answer, ensure_ascii=False, indent=2))
    if not answer.get("ok"):
        message = str(answer.get("error", {}).get("message", f"the daemon answered {status}"))
        raise VerbError(f"nothing has changed: {message}")
    if arguments.json:
        return
    for problem in answer["problems"]:
        where = f"{problem['file']}:{problem['line']}: " if problem["file"] else ""
        print(harmless(f"warning: {where}{problem['path']}: {problem['what']}"))
    for line in answer["plan"]["text"]:
        print(harmless(line))
    if arguments.dry_run:
        print("dry run: nothing was changed")
