"""A command's words by the quoting rules of Windows programs. Pure.

Only double quotes quote, and a backslash is itself unless a quote mark follows its run: then two make one, and an odd
one out makes the mark a character. Inside quotes two marks are one character.
"""

import re

_SEPARATORS = " \t\n\r"
_PIECE = re.compile(r'(\\*)(")|[^"\\]|\\+')


def split_windows(text: str) -> tuple[tuple[str, ...], bool]:
    """The words of *text*, and whether a quote was left open (it ends with the text)."""
    words: list[str] = []
    word: list[str] | None = None  # None between words: empty quotes make an empty word
    quoted, end = False, 0
    while found := _PIECE.match(text, end):
        end = found.end()
        if found[0] in _SEPARATORS and not quoted:
            words += [] if word is None else ["".join(word)]
            word = None
            continue
        word = [] if word is None else word
        if not found[2]:
            word.append(found[0])
            continue
        word.append(found[1][: len(found[1]) // 2])
        doubled = quoted and text.startswith('"', end)
        if len(found[1]) % 2 or doubled:
            word.append('"')
            end += doubled and len(found[1]) % 2 == 0
        else:
            quoted = not quoted
    words += [] if word is None else ["".join(word)]
    return tuple(words), quoted
