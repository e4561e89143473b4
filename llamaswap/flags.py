"""The daemon's flags, parsed as Go's flag package does: one dash or two, ``-name value`` or ``-name=value``."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

#: Words in front of which no flag stands.
VERBS = ("ps", "explain", "load", "unload", "logs", "reload", "import", "check", "replay", "simulate")

_TRUE, _FALSE = (
    frozenset(("1", "t", "T", "true", "TRUE", "True")),
    frozenset(("0", "f", "F", "false", "FALSE", "False")),
)


class UsageError(Exception):
    """The flags make no sense; the message says which and why."""


@dataclass(slots=True)
class Flags:
    """What the flags say. A field's name, with dashes, is the flag's; `ignored` is what follows them."""

    config: str = ""
    config_dir: str = ""
    listen: str = ""
    tls_cert_file: str = ""
    tls_key_file: str = ""
    watch_config: bool = False
    strict: bool = False
    check: bool = False
    version: bool = False
    help: bool = False
    ignored: tuple[str, ...] = ()


def parse_flags(words: Sequence[str]) -> Flags:
    """Parse *words* up to the first that is no flag; what follows is ignored. Of repeated flags the last wins.

    Raises:
        UsageError: an unknown flag, a missing or bad value, or no flag where the first should stand.
    """
    flags = Flags()
    values = {field.name: getattr(flags, field.name) for field in fields(flags)}
    kinds = {name.replace("_", "-"): type(value) for name, value in values.items() if name != "ignored"}
    if words and not words[0].startswith("-"):
        raise UsageError(f"unexpected argument {words[0]!r}{_near(words[0].lower(), VERBS)}")
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.lstrip("-").partition("=")
        if word == "--" or not word.startswith("-"):
            flags.ignored = tuple(rest if word == "--" else [word, *rest])
            break
        if word.startswith("---") or not name:
            raise UsageError(f"unexpected argument {word!r}")
        name = "help" if name == "h" else name
        if name not in kinds:
            raise UsageError(f"unknown flag -{name}{_near(name, kinds, '-')}")
        attribute = name.replace("-", "_")
        if kinds[name] is bool:
            setattr(flags, attribute, _switch(name, value) if equals else True)
        elif equals:
            setattr(flags, attribute, value)
        elif rest:
            setattr(flags, attribute, rest.pop(0))
        else:
            raise UsageError(f"flag -{name} needs a value")
    return flags


def _near(word: str, known: Iterable[str], dash: str = "") -> str:
    import difflib  # noqa: PLC0415 - for mistakes alone

    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {dash}{near[0]}?" if near else ""


def _switch(name: str, value: str) -> bool:
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise UsageError(f"flag -{name}: {value!r} is neither true nor false")
