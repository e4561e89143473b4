"""From the words of the command line to llama.cpp's parameters, and the help.

Reading needs no xllamacpp, so a wrong flag is answered in milliseconds.
"""

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

from llamaswap.embedded.flags import BY_NAME, FLAGS
from llamaswap.embedded.values import FlagError, Member, Setting


def parse(argv: Sequence[str]) -> list[Setting]:
    """Read a command line into settings, in its order, so that a later flag wins. Raises FlagError."""
    settings: list[Setting] = []
    words = iter(argv)
    for word in words:
        name, equals, attached = word.partition("=") if word.startswith("--") else (word, "", "")
        flag = BY_NAME.get(name)
        if flag is None:
            raise FlagError(_unknown(name))
        if equals and not flag.value:
            raise FlagError(f"{name} takes no value")
        value = attached if equals or not flag.value else next(words, None)
        if value is None:
            raise FlagError(f"{name} needs a value: {name} {flag.value}")
        try:
            settings += flag.settings(value)
        except FlagError as problem:
            raise FlagError(f"{name}: {problem}") from None
    return settings


def apply(settings: Iterable[Setting], params: Any, xllamacpp: Any) -> None:
    """Write settings into a `CommonParams`; both are untyped, as the wheel carries no types."""
    for path, value in settings:
        *parents, attribute = path.split(".")
        owner = params
        for parent in parents:
            owner = getattr(owner, parent)
        real: Any = getattr(getattr(xllamacpp, value.enumeration), value.name) if isinstance(value, Member) else value
        if attribute == "user_sampling_config":
            real = owner.user_sampling_config | int(real)  # a set of bits, one per sampler
        setattr(owner, attribute, real)


def usage() -> str:
    """The text of ``--help``."""
    rows = [(", ".join(flag.names) + (f" {flag.value}" if flag.value else ""), flag.help) for flag in FLAGS]
    width = max(len(left) for left, _ in rows if len(left) < 36)
    lines = [
        f"  {left:<{width}}  {right}" if len(left) <= width else f"  {left}\n  {'':<{width}}  {right}"
        for left, right in rows
    ]
    return "\n".join(
        [
            "usage: python -m llamaswap.embedded -m MODEL [flags]",
            "",
            "llama.cpp's HTTP server, from a wheel. The flags are llama-server's own:",
            "",
            *lines,
            f"  {'-h, --help':<{width}}  this text",
        ]
    )


def _unknown(name: str) -> str:
    if not name.startswith("-"):
        return f"unexpected argument {name!r}: every argument belongs to a flag"
    near = difflib.get_close_matches(name, BY_NAME, n=1, cutoff=0.6)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"unknown flag {name}{hint} (--help lists what the embedded server takes; llama-server itself takes more)"
