"""The verbs that need no daemon, only what one has written: ``replay`` and ``simulate``."""

import argparse
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

from llamaswap.schedule.plain import PlainError
from llamaswap.verbs.client import UsageError, VerbError
from llamaswap.verbs.replay import run_replay
from llamaswap.verbs.simulate import run_simulate
from llamaswap.verbs.terminal import harmless

_ARRIVALS = """\
an invented day (--arrivals): poisson, steady or bursts, then any of
  rate=0.2            requests a second
  models=a:3+b:1      which, and how much more of one than of another
  service=~8          seconds for a request; load=20, stop=2 for a model; patience= until a client gives up
                      8 is always 8, 4..12 is evenly between, ~8 is exponential with this mean; by model: load=a:20+b:5
  hours=8  seed=1
  for example: llamaswap simulate --arrivals poisson:rate=0.05,models=a:3+b:1,hours=8 --set scheduler=batch
"""


def main(argv: list[str]) -> int:
    """Run the verb in *argv* and return the exit code: 0, 1 failed, 2 usage."""
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as done:  # argparse has said what is wrong, or printed the help
        return done.code if isinstance(done.code, int) else UsageError.code
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without block characters
    verbs: dict[str, Callable[[argparse.Namespace], None]] = {"replay": run_replay, "simulate": run_simulate}
    try:
        verbs[arguments.verb](arguments)
        sys.stdout.flush()
    except (VerbError, PlainError) as error:
        sys.stdout.flush()
        print(harmless(f"llamaswap {arguments.verb}: {error}"), file=sys.stderr)
        return error.code if isinstance(error, VerbError) else VerbError.code
    except (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError) as error:
        # What a machine does with a state that no machine was ever in cannot be foreseen, only told.
        sys.stdout.flush()
        what = f"this cannot be played again: it is damaged, or llamaswap is ({type(error).__name__}: {error})"
        print(harmless(f"llamaswap {arguments.verb}: {what}"), file=sys.stderr)
        return VerbError.code
    except BrokenPipeError:  # `llamaswap replay DIR | head`: whoever read has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        print(f"\nllamaswap {arguments.verb}: interrupted", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="llamaswap", description="Look at what a daemon has recorded.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    replay = verbs.add_parser("replay", help="play a journal again: how things stood, and whether it comes out")
    replay.add_argument("file", type=Path, metavar="FILE|DIR", help="a journal's file, or all in a directory")
    replay.add_argument(
        "--at", "-at", metavar="TIME", help="14:03:22, 2026-11-24T14:03:22, or +90s after its beginning"
    )
    simulate = verbs.add_parser(
        "simulate",
        help="run a recorded or an invented day under other settings",
        epilog=_ARRIVALS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    simulate.add_argument("file", type=Path, metavar="FILE|DIR", nargs="?", help="a journal's file, or a directory")
    simulate.add_argument("--arrivals", "-arrivals", metavar="DAY", help="an invented day instead, see below")
    simulate.add_argument("--config", "-config", type=Path, metavar="FILE", help="its models and scheduler")
    simulate.add_argument(
        "--set",
        "-set",
        dest="assignments",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="scheduler=batch, batch.maxOvertakes=4, model.parallel=2, model.NAME.ttl=60, ...; may be repeated",
    )
    for each in (replay, simulate):
        each.add_argument("--json", action="store_true", help="for programs")
    return parser
