"""`${env.NAME}`: values of environment variables may stand anywhere in a file, in keys and numbers too.

Before parsing, each reference is replaced by a token of the same length that is a legal plain scalar wherever it may
stand; after parsing the token becomes the variable's value. So values are data (no quote or backslash in them can break
the file), references in comments vanish with the comments, and no column moves.
"""

import bisect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

from llamaswap.config.text.place import Mark, Source
from llamaswap.config.text.problems import KeyPath, Problems
from llamaswap.config.text.secrets import is_secret_variable
from llamaswap.config.text.suggest import closest

REFERENCE = re.compile(r"\$\{env\.([A-Za-z_][A-Za-z0-9_]*)\}")

_PRIVATE_USE = range(0xE000, 0xF8FF)
#: Nobody writes more references, and no environment holds more characters than may be filled in.
_MOST_REFERENCES = 100_000
_MOST_CHARACTERS = 1 << 23
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Restored:
    """A text with its variables filled in. `whole` means that it was one reference and nothing else."""

    text: str
    from_env: bool
    whole: bool


class Variables:
    """The references of one source, and what becomes of them.

    Missing variables are reported where they are used, each once.
    """

    def __init__(self, source: Source, environ: Mapping[str, str], problems: Problems) -> None:
        self._source = source
        self._environ = environ
        self._problems = problems
        self._told: set[str] = set()
        self._line_starts: list[int] = []
        self._room = _MOST_CHARACTERS
        self._references = list(islice(REFERENCE.finditer(source.text), _MOST_REFERENCES + 1))
        if len(self._references) > _MOST_REFERENCES:
            what = f"more than {_MOST_REFERENCES} references to environment variables"
            problems.error("env", (), self._mark(self._references[-1].start()), what, remedy="make the file smaller")
            self._references = []
        mark = (
            next((chr(code) for code in _PRIVATE_USE if chr(code) not in source.text), "") if self._references else ""
        )
        tokens = [_token(mark, number, len(found[0])) for number, found in enumerate(self._references)]
        self._by_token = dict(zip(tokens, self._references, strict=True)) if mark else {}
        self._token = re.compile(f"{mark}[0-9A-Z]+{mark}")
        following = iter(tokens)
        # A file that uses every private character there is gets no variables: its references stay as they are.
        self.text = REFERENCE.sub(lambda _: next(following), source.text) if mark else source.text

    def restore(self, text: str, path: KeyPath) -> Restored:
        """*text* as parsed, with the variables' values in place of the tokens. What cannot be used becomes "x"."""
        # A text may look like a token (by an escape in double quotes) without being one of ours.
        if not self._by_token or self._by_token.keys().isdisjoint(self._token.findall(text)):
            return Restored(text, False, False)
        restored = self._token.sub(lambda found: self._value(found[0], path), text)
        return Restored(restored, True, text in self._by_token)

    def _value(self, token: str, path: KeyPath) -> str:
        found = self._by_token.get(token)
        if found is None:
            return token
        mark = self._mark(found.start())
        value = self._look_up(found[1], path, mark)
        if not REFERENCE.search(value):
            return value
        self._problems.warn(
            "env-in-env", path, mark, f"the value of {found[1]} refers to another variable, which is filled in too",
            remedy="one level deep only; better name the other variable here",
        )  # fmt: skip
        return REFERENCE.sub(lambda inner: self._look_up(inner[1], path, mark), value)

    def _look_up(self, name: str, path: KeyPath, mark: Mark) -> str:
        value = self._environ.get(name)
        if value is None:
            near = closest(name, self._environ)
            hint = f"did you mean ${{env.{near}}}? Otherwise set" if near else "set"
            return self._refuse(name, path, mark, "is not set", f"{hint} {name} in the environment of the daemon")
        self._room -= len(value)  # first: looking through a long value, often, takes its time too
        if self._room < 0:
            return self._refuse(name, path, mark, "makes this file too long", "refer to it less often")
        if any(c in value for c in "\r\n\0"):
            return self._refuse(name, path, mark, "holds a line break or NUL", "give it a value of one line")
        if any("\ud800" <= c <= "\udfff" for c in value):
            return self._refuse(name, path, mark, "is not UTF-8", "give it a value in UTF-8")
        if is_secret_variable(name):
            self._problems.conceal(value)
        return value

    def _refuse(self, name: str, path: KeyPath, mark: Mark, what: str, remedy: str) -> str:
        self._problems.spoil(path)
        if name not in self._told:
            self._told.add(name)
            self._problems.error("env", path, mark, f"the environment variable {name} {what}", remedy=remedy)
        return "x"

    def _mark(self, offset: int) -> Mark:
        if not self._line_starts:
            breaks = re.finditer(r"\r\n|[\n\r\x85\u2028\u2029]", self._source.text)
            self._line_starts = [0, *(found.end() for found in breaks)]
        line = bisect.bisect_right(self._line_starts, offset)
        return Mark(self._source, line, offset - self._line_starts[line - 1] + 1)


def _token(mark: str, number: int, length: int) -> str:
    digits = ""
    for _ in range(length - 2):  # a reference has at least eight characters, so there are 36 ** 6 of them
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return mark + digits + mark
