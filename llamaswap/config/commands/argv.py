"""A command as people write it -> its words. There is no shell: no variables, patterns, pipes.

The quoting rules are those of POSIX shells, on lines prepared first: comment lines go, and a backslash at the end of a
line joins it with the next. `shlex` decides otherwise in six cases that real configurations contain. On Windows lines
are prepared the same way, and the quoting rules are that system's (`argv_windows`).
"""

import os
import re
from dataclasses import dataclass

from llamaswap.config.commands.argv_windows import split_windows

#: What counts as blank at the ends of a line.
BLANKS = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))

_SEPARATORS = " \t\n"
_ESCAPABLE = '$`"\\'
#: A run of ordinary characters, or one that may mean something.
_PIECE = re.compile(r"""[^ \t\n\\'"]+|[ \t\n\\'"]""")
_PID = "${PID}"
#: Stands for the digits of a process ID: no character with a meaning, so `\\${PID}` splits as `\\4711` would.
_PID_STAND_IN = "\U000f0000"


@dataclass(frozen=True, slots=True)
class Command:
    """The words of a command. `unclosed` and `lone_blank` tell of slips that do not prevent its use."""

    words: tuple[str, ...]
    unclosed: bool = False
    lone_blank: bool = False


def split(text: str, *, windows: bool = os.name == "nt") -> Command:
    """Split a command into words; ``${PID}`` stays in them as it is. No words at all is an empty command."""
    written = without_comments(text).split("\n")
    prepared = "\n".join(_prepared(line) for line in written)
    if windows:
        return Command(*split_windows(prepared))
    lone_blank = any(line.strip(BLANKS).endswith("\\\\") for line in written)
    splitter = _Splitter(prepared.replace(_PID, _PID_STAND_IN))
    words = tuple(word.replace(_PID_STAND_IN, _PID) for word in splitter.run())
    return Command(words, splitter.unclosed, lone_blank)


def without_comments(text: str) -> str:
    """The command without its comment lines; everything else stays as it is written."""
    return "\n".join(line for line in text.split("\n") if not line.lstrip(BLANKS).startswith("#"))


def _prepared(line: str) -> str:
    trimmed = line.strip(BLANKS)
    return trimmed[:-1] + " " if trimmed.endswith("\\") else line


class _Splitter:
    """One pass over a text. `_word` is None between words: empty quotes make an empty word."""

    def __init__(self, text: str) -> None:
        self.unclosed = False
        self._pieces = (found[0] for found in _PIECE.finditer(text))
        self._words: list[str] = []
        self._word: list[str] | None = None

    def run(self) -> list[str]:
        for piece in self._pieces:
            if piece in _SEPARATORS:
                self._end_word()
            elif piece == "\\":
                self._escape()
            elif piece == "'":
                self._single()
            elif piece == '"':
                self._double()
            else:
                self._add(piece)
        self._end_word()
        return self._words

    def _add(self, text: str) -> None:
        if self._word is None:
            self._word = []
        self._word.append(text)

    def _end_word(self) -> None:
        if self._word is not None:
            self._words.append("".join(self._word))
        self._word = None

    def _escape(self) -> None:
        following = next(self._pieces, "\n")
        if following != "\n":
            self._add(following)

    def _single(self) -> None:
        self._add("")
        for piece in self._pieces:
            if piece == "'":
                return
            self._add(piece)
        self.unclosed = True

    def _double(self) -> None:
        self._add("")
        for piece in self._pieces:
            if piece == '"':
                return
            self._add(self._escape_in_double() if piece == "\\" else piece)
        self.unclosed = True

    def _escape_in_double(self) -> str:
        following = next(self._pieces, "\n")
        if following == "\n":
            return ""
        return following if following[0] in _ESCAPABLE else "\\" + following
