"""Arguments of the verbs, and the way from a failure to an exit code: 0, 1 failed, 2 usage, 3 no daemon."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from llamaswap.verbs.client import Client, UsageError, VerbError, find_socket
from llamaswap.verbs.explain import run_explain
from llamaswap.verbs.logs import run_logs
from llamaswap.verbs.orders import run_load, run_unload
from llamaswap.verbs.ps import run_ps
from llamaswap.verbs.reload import run_reload
from llamaswap.verbs.terminal import harmless

Verb = Callable[[Client, argparse.Namespace], None]

_VERBS: dict[str, Verb] = {
    "ps": run_ps,
    "explain": run_explain,
    "load": run_load,
    "unload": run_unload,
    "logs": run_logs,
    "reload": run_reload,
}


def main(argv: list[str]) -> int:  # noqa: PLR0911 - one return for each way to end
    """Run the verb in *argv* (without the program's name) and return the exit code."""
    if argv[:1] == ["import"]:
        from llamaswap.verbs import importing  # noqa: PLC0415 - the others start without it

        return importing.main(argv[1:])
    if argv[:1] in (["replay"], ["simulate"]):
        from llamaswap.verbs import offline  # noqa: PLC0415 - as above

        return offline.main(argv)
    if argv[:1] == ["check"]:
        from llamaswap.verbs import check  # noqa: PLC0415 - as above

        return check.main(argv[1:])
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as done:  # argparse has said what is wrong, or printed the help
        return done.code if isinstance(done.code, int) else UsageError.code
    try:
        client = Client(find_socket(arguments.socket, arguments.listen))
        _VERBS[arguments.verb](client, arguments)
        sys.stdout.flush()
    except VerbError as error:
        print(harmless(f"llamaswap {arguments.verb}: {error}"), file=sys.stderr)
        return error.code
    except BrokenPipeError:  # `llamaswap logs | head`: whoever read has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        return _interrupted(arguments)
    return 0


def _interrupted(arguments: argparse.Namespace) -> int:
    if arguments.verb == "logs":
        return 0
    print(f"\nllamaswap {arguments.verb}: interrupted", file=sys.stderr)
    return VerbError.code


def _parser() -> argparse.ArgumentParser:
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("--socket", "-socket", type=Path, metavar="PATH", help="the daemon's private socket")
    where.add_argument(
        "--listen", "-listen", type=_port, metavar="ADDR", help="the daemon's address or port, when several run"
    )
    parser = argparse.ArgumentParser(prog="llamaswap", description="Look at and steer a running daemon.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    ps = verbs.add_parser("ps", parents=[where], help="which models run, and who waits for which")
    ps.add_argument("--json", action="store_true", help="for programs")
    explain = verbs.add_parser(
        "explain", parents=[where], help="what a request for a model waits for, or who waits why"
    )
    explain.add_argument("model", metavar="MODEL", nargs="?", help="by default all requests that wait")
    load = verbs.add_parser("load", parents=[where], help="load a model and wait until it is ready")
    load.add_argument("model", metavar="MODEL")
    unload = verbs.add_parser("unload", parents=[where], help="stop a model, or all")
    unload.add_argument("model", metavar="MODEL", nargs="?")
    logs = verbs.add_parser("logs", parents=[where], help="print a log's last 100 KiB")
    logs.add_argument("-f", "--follow", action="store_true", help="go on printing what comes")
    logs.add_argument(
        "model",
        metavar="MODEL",
        nargs="?",
        default="",
        help="a model, or `proxy` or `upstream`; by default what the daemon prints",
    )
    reload = verbs.add_parser("reload", parents=[where], help="read the configuration again; say what that changes")
    reload.add_argument("--dry-run", "-dry-run", action="store_true", help="only say it")
    for parser_of_order in (explain, load, unload, logs, reload):
        parser_of_order.add_argument("--json", action="store_true", help="for programs")
    return parser


def _port(text: str) -> int:
    """Read a port out of ``:8080``, ``127.0.0.1:8080``, ``[::1]:8080`` or ``8080``."""
    port = text.rpartition(":")[2]
    if not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise argparse.ArgumentTypeError(f"no port in {text!r}; write for example :8080")
    return int(port)
