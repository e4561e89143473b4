"""What a model prints, made harmless for a terminal: colours pass, and nothing else that could drive it."""

import codecs
import re

_TOKEN = re.compile(
    r"(?P<colour>\x1b\[[0-9;:]*m)"
    r"|\x1b\[[0-?]*[ -/]*[@-~]"  # any other control sequence: moves, erasures, modes
    r"|\x1b[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # strings: titles, links, clipboard, device control
    r"|\x1b[ -/]*[0-~]"  # two or three characters: resets, character sets
    r"|(?P<line_end>\r\n?)"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"  # other controls, and those that turn text around
)
#: The beginning of something that the next piece may end.
_UNFINISHED = re.compile(r"(?:\r|\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b\x9c]*\x1b?|[ -/]*)?)\Z")

#: A sequence longer than this is none; its beginning is dropped and the rest shown.
_LONGEST = 4096

_RESET = b"\x1b[0m"


class ColoursOnly:
    """Filters a log piece by piece; sequences and characters may be cut anywhere between pieces."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._coloured = False

    def feed(self, piece: bytes) -> bytes:
        """Return what may be shown of everything up to *piece*."""
        text = self._rest + self._decoder.decode(piece)
        unfinished = _UNFINISHED.search(text, max(0, len(text) - _LONGEST))
        self._rest = text[unfinished.start() :] if unfinished else ""
        return self._filter(text[: len(text) - len(self._rest)])

    def end(self) -> bytes:
        """Return what was held back, and leave the terminal without colours."""
        rest = self._filter(self._rest + self._decoder.decode(b"", final=True))
        self._rest = ""
        return rest + _RESET if self._coloured else rest

    def _filter(self, text: str) -> bytes:
        return _TOKEN.sub(self._replace, text).encode()

    def _replace(self, token: re.Match[str]) -> str:
        if token["colour"]:
            self._coloured = True
            return token[0]
        return "\n" if token["line_end"] else ""


def harmless(text: str) -> str:
    """Return *text*, which may quote a model's log, as a terminal may show it."""
    colours_only = ColoursOnly()
    return (colours_only.feed(text.encode(errors="replace")) + colours_only.end()).decode()
