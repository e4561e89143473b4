"""Regular expressions in RE2 syntax: searching takes time in proportion to the text, whatever the expression is.

Python's `re` knows neither this syntax nor such a bound. The library is imported when the first expression is looked
at: a daemon that needs none starts without it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from llamaswap.config.text.place import shortened

#: What ``upstream.ignorePaths`` is when the file says nothing.
DEFAULT_PATTERN = r".*\.(js|json|css|png|gif|jpg|jpeg|ico|txt)$"

#: More expressions than this are refused: each takes its time for each request.
MOST_PATTERNS = 100
#: For one expression, its program and the states made while searching. With 4096 characters at most to search, the
#: slowest expressions that fit take a fifth of a second (measured), ordinary ones microseconds.
_MOST_BYTES = 2 << 20
#: No path of a page's own files is longer; longer ones match nothing.
_MOST_CHARACTERS = 4096

_MEANINGS = (
    (r"\(\?<?[=!]", "look-ahead and look-behind do not exist here"),
    (r"\(\?#", "comments inside an expression do not exist here"),
    (r"\(\?>", "atomic groups do not exist here"),
    (r"\(\?", "this kind of group, or this flag, does not exist here"),
    (r"escape sequence: \\[1-9]", "references back to a group do not exist here"),
    (r"escape sequence: \\Z", r"\Z does not exist here; the end of the text is \z"),
    (r"escape sequence: \\u", r"\u does not exist here; write \x{41} for the character U+0041"),
    (r"repetition size", "something is repeated more than 1000 times, counting repeats of repeats"),
    (r"pattern too large", "the expression is too large"),
    (r"bad repetition operator", "two repeat signs in a row; possessive ones such as ++ do not exist here"),
    (r"no argument for repetition", "a repeat sign with nothing before it"),
)


def compile_pattern(text: str) -> Callable[[bytes], object]:
    """The search function of *text*; it takes UTF-8 and gives something true where the expression is found.

    Raises:
        ValueError: *text* is no regular expression in RE2 syntax, or one that needs too much memory. The error says
            why.
    """
    import re2  # noqa: PLC0415 (10 ms that only those pay who need it)

    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MOST_BYTES
    options.never_capture = True
    try:
        search: Callable[[bytes], object] = re2.compile(text.encode(errors="surrogatepass"), options).search
    except re2.error as error:
        said = error.args[0]
        raise ValueError(_explained(said.decode(errors="replace") if isinstance(said, bytes) else said)) from None
    return search


def why_no_regex(text: str) -> str | None:
    """What is wrong with *text* as a regular expression in RE2 syntax; None if it is one."""
    try:
        compile_pattern(text)
    except ValueError as error:
        return str(error)
    return None


@dataclass(frozen=True)
class PathPatterns:
    """Expressions that have been found good. They are compiled when the first path is searched."""

    texts: tuple[str, ...] = (DEFAULT_PATTERN,)

    def search(self, path: str) -> bool:
        """Whether one of the expressions is found in *path*, which has been percent-decoded."""
        if len(path) > _MOST_CHARACTERS:
            return False
        written = path.encode(errors="replace")
        return any(search(written) for search in self._searches)

    @cached_property
    def _searches(self) -> tuple[Callable[[bytes], object], ...]:
        return tuple(compile_pattern(text) for text in dict.fromkeys(self.texts))


def _explained(said: str) -> str:
    meaning = next((meaning for part, meaning in _MEANINGS if re.search(part, said)), "")
    return f"{meaning} ({shortened(said)})" if meaning else shortened(said)
