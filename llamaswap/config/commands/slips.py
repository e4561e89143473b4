"""What in a command is probably not meant: references have one form, and there is no shell. Pure."""

import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from llamaswap.config.commands import argv
from llamaswap.config.text.place import shortened

_NAME = "[A-Za-z0-9_-]{1,63}"
#: What people write instead of ``${NAME}``, because another program has it so.
_ALMOST = re.compile(
    rf"\$\(({_NAME})\)|\$\{{[ \t]+({_NAME})[ \t]*\}}|\$\{{({_NAME})[ \t]+\}}|\$\{{({_NAME})(?![A-Za-z0-9_}}-])"
    rf"|(?<![${{])\{{\{{?[ ]?({_NAME})[ ]?\}}\}}?|\$([A-Za-z_][A-Za-z0-9_]*)|%([A-Za-z_][A-Za-z0-9_]*)%"
)
_ALMOST_ENV = re.compile(r"\$(?:\{[ \t]*env[.:]|env[.:])([A-Za-z_][A-Za-z0-9_]*)\}?", re.IGNORECASE)
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=.*", re.DOTALL)
_OPERATOR = re.compile(r"\|\|?|&&?|;|[0-9&]?>>?(?:&[0-9])?|[0-9&]?>>?(?:&[0-9]|[/.\w][^|>]*)")
_SHELL = re.compile(r"(?:.*[/\\])?(?:ba|da|z|k|a|fi)?sh(?:\.exe)?|(?:.*[/\\])?(?:cmd|powershell|pwsh)(?:\.exe)?")
#: A path as Windows has them, in no quotes: ``C:\\models\\x.gguf``, ``.\\x.gguf``.
_WINDOWS_PATH = re.compile(r"(?<![^\s=])(?:[A-Za-z]:|\.{1,2})\\(?=[^\s\\\"'])[^\s\"']*")
_DASHES = "\u2013\u2014\u2212"
_QUOTES = "\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb"
#: More of them in one command are more of the same.
_MOST = 5


@dataclass(frozen=True, slots=True)
class Slip:
    """One slip: the rule's name, the very text, what is wrong and what to do."""

    code: str
    part: str
    what: str
    remedy: str


def slips(
    text: str,
    names: Collection[str],
    environ: Mapping[str, str],
    given: Collection[str],
    *,
    windows: bool = os.name == "nt",
) -> list[Slip]:
    """What looks wrong in the command *text*, which may refer to macros called *names*.

    Args:
        text: The command, macros filled in.
        names: Every macro that could have been meant.
        environ: The daemon's environment.
        given: Names that the model's ``env`` sets: a shell in the command may use those.
    """
    words = argv.split(text, windows=windows).words
    has_shell = any(_SHELL.fullmatch(word) for word in words if len(word) < 100)
    found = [*islice(_references(text, set(names) - set(given)), _MOST)]
    if not has_shell:
        found += islice(_shell_only(text, words, environ), _MOST)
    if not windows:
        found += islice(_lost_backslashes(text, words), _MOST)
    return [*found, *islice(_characters(words), _MOST)]


def _references(text: str, names: Collection[str]) -> Iterator[Slip]:
    for found in _ALMOST.finditer(text):
        name = found[found.lastindex or 0]
        if name in names:
            yield Slip("reference-form", found[0], f"{found[0]} is not filled in", f"write ${{{name}}}")
    for found in _ALMOST_ENV.finditer(text):
        what = f"{found[0]} is no reference to an environment variable, and stays as it is"
        yield Slip("reference-form", found[0], what, f"write ${{env.{found[1]}}}")


def _shell_only(text: str, words: tuple[str, ...], environ: Mapping[str, str]) -> Iterator[Slip]:
    if words and (assignment := _ASSIGNMENT.fullmatch(words[0])):
        what = f"{assignment[1]}=... stands where the program is due; commands see no shell"
        yield Slip("no-shell", assignment[1], what, f"move it to the model's env: [{assignment[1]}=...]")
    for found in _ALMOST.finditer(text):
        if (name := found[6] or found[7]) and name in environ:
            what = f"{found[0]} stays as it is: commands see no shell"
            yield Slip("no-shell", found[0], what, f"write ${{env.{name}}}")
    for word in words:
        if word.startswith("~/"):
            what = "~ stays as it is: commands see no shell"
            yield Slip("no-shell", "~/", what, "write the whole path, or ${env.HOME}/")
        elif len(word) < 100 and _OPERATOR.fullmatch(word):
            what = f"{word} is passed to the program as it is: commands see no shell"
            yield Slip("no-shell", word, what, "write cmd: sh -c '...' if a shell is meant")


def _lost_backslashes(text: str, words: tuple[str, ...]) -> Iterator[Slip]:
    for found in islice(_WINDOWS_PATH.finditer(argv.without_comments(text)), 4 * _MOST):
        left = found[0].replace("\\", "")
        if any(left in word for word in words):
            what = f"backslashes outside of quotes are lost: {shortened(found[0])} becomes {shortened(left)}"
            remedy = "put the path in quotes inside of the command, or write forward slashes"
            yield Slip("lost-backslashes", found[0], what, remedy)


def _characters(words: tuple[str, ...]) -> Iterator[Slip]:
    for n, word in enumerate(words):
        if word[:1] in _DASHES and len(word) > 1:
            what = f"the dash U+{ord(word[0]):04X} is no hyphen, so this is no option to the program"
            yield Slip("typographic", word[0], what, "write - or -- with ordinary hyphens")
        elif n and word[:1] in _QUOTES and word:
            what = f"the typographic quotation mark U+{ord(word[0]):04X} does not keep words together"
            yield Slip("typographic", word[0], what, 'write " instead')
        elif word == "#":
            what = "# starts a comment only at the start of a line; here it is passed to the program"
            remedy = "give the comment a line of its own below cmd: | (below > or nothing, lines are joined)"
            yield Slip("comment-in-command", "#", what, remedy)
