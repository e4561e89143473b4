"""What the YAML parser's complaints mean for somebody who writes a configuration."""

import yaml
from yaml.events import Event

from llamaswap.config.text import yaml_flow_slips as flow
from llamaswap.config.text import yaml_slips as slips
from llamaswap.config.text.place import Mark, Source
from llamaswap.config.text.yaml_broken import Broken, Explanation

#: Tried in this order; the first that knows the slip is believed.
_SLIPS = (
    slips.conflict,
    slips.other_format,
    slips.strange_blank,
    flow.comma,
    slips.after_value,
    slips.text_before_colon,
    slips.no_colon,
    slips.indentation,
    slips.late_block,
    flow.reference,
    flow.comment,
    flow.bracket,
)
#: Part of the parser's message (libyaml's or the pure parser's) -> what is wrong, and what to do.
_MEANINGS = (
    ("tab character where an indentation", "a tab is used for indentation", "indent with spaces"),
    (
        "mapping values are not allowed",
        "a colon where no key can stand",
        'check the indentation of this line and the one above; quote a value that contains ": "',
    ),
    ("mapping keys are not allowed", "a question mark where no key can stand", 'quote a value that starts with "? "'),
    ("block sequence entries are not allowed", "a list item where none can stand", "put the list on lines of its own"),
    ("maximum nesting depth", "nested too many levels deep", "no configuration needs that"),
    ("incompatible YAML document", "this version of YAML is not known", "remove the line %YAML"),
    ("undefined tag handle", "a value starts with an unknown tag", "quote a value that starts with !"),
    ("expected whitespace or line break", "a value starts with an unknown tag", "quote a value that starts with !"),
    (
        "unknown escape character",
        "an unknown escape in double quotes",
        r"write \\ for a backslash, or use single quotes, in which backslashes are ordinary",
    ),
    (
        "unexpected end of stream",
        "a quotation mark is opened here and never closed",
        "close it; in single quotes, write '' for an apostrophe",
    ),
    ("unexpected document indicator", "a quotation mark is opened here and never closed", "close it"),
    ("expected '-' indicator", "this line belongs neither to the list above nor to anything else", "align it"),
    ("expected <block end>", "this line's indentation matches nothing above", "align it with the line it belongs to"),
    ("expected key", "this does not belong to the value before it", "put the whole value in quotes"),
    (
        "<document start>",
        "this line is indented less than the first one",
        "align all top-level keys at the left margin",
    ),
    ("expected node content", "a value is missing, or starts with a character of YAML's own", "quote the value"),
    ("alphabetic or numeric character", "an incomplete anchor or alias", "quote a value that starts with & or *"),
    ("URI", "an incomplete tag", "quote a value that starts with !"),
)
#: Messages whose context, not the place of the complaint, is where the mistake was made.
_AT_CONTEXT = ("unexpected end of stream", "unexpected document indicator")


def explain(error: yaml.YAMLError, source: Source, text: str, last: Event | None) -> Explanation:
    """What is wrong, what to do about it, and where. *text* is what the parser was given, *last* what it read last."""
    if isinstance(error, yaml.MarkedYAMLError):
        return _explain_marked(Broken.of(error, source, last))
    position, in_bytes = getattr(error, "position", 0), getattr(error, "encoding", "") == "?"
    line, column = _line_and_column(text, position, in_bytes)
    character = getattr(error, "character", 0)
    code = ord(character) if isinstance(character, str) else int(character or 0)
    what = f"the control character U+{code:04X}, which YAML does not allow"
    remedy = r"remove it, or write it as an escape (\x..) in double quotes"
    if code == 0:
        remedy = "this is no text file, or one in UTF-16: save it as UTF-8"
    return Explanation(what, remedy, Mark(source, line, column))


def _explain_marked(broken: Broken) -> Explanation:
    if "node content" in broken.said and broken.at_end:
        return Explanation("the file ends where a value is due", "close what was opened with [ or {", broken.mark)
    for slip in _SLIPS:
        if found := slip(broken):
            return found
    at_context = broken.context and any(part in broken.said for part in _AT_CONTEXT)
    mark = broken.context if broken.context and at_context else broken.mark
    if "cannot start any token" in broken.said:
        return _bad_start(broken)
    for part, what, remedy in _MEANINGS:
        if part in broken.said:
            return Explanation(what, remedy, mark)
    return Explanation(f"this is not YAML: {broken.said}", "quote the value, or check the indentation", mark)


def _bad_start(broken: Broken) -> Explanation:
    found = broken.after[:1]
    if found == "\t":
        return Explanation("a tab is used for indentation", "indent with spaces", broken.mark)
    return Explanation(f"a value cannot start with {found or 'this'}", "put the value in quotes", broken.mark)


def _line_and_column(text: str, position: int, in_bytes: bool) -> tuple[int, int]:
    before = text.encode()[:position].decode(errors="ignore") if in_bytes else text[:position]
    lines = Source("", before).lines
    return len(lines), len(lines[-1]) + 1
