"""What the YAML parser's complaints mean for somebody who writes a configuration."""

import yaml

from llamaswap.config.place import Mark, Source

#: Part of the parser's message (libyaml's or the pure parser's) -> what is wrong, and what to do.
_MEANINGS = (
    ("tab character where an indentation", "a tab is used for indentation", "indent with spaces"),
    (
        "mapping values are not allowed",
        "a colon where no key can stand",
        'check the indentation of this line and the one above; quote a value that contains ": "',
    ),
    (
        "mapping keys are not allowed",
        "a question mark where no key can stand",
        'quote a value that starts with "? "',
    ),
    ("block sequence entries are not allowed", "a list item where none can stand", "put the list on lines of its own"),
    ("maximum nesting depth", "nested too many levels deep", "no configuration needs that"),
    ("incompatible YAML document", "this version of YAML is not known", "remove the line %YAML"),
    ("undefined tag handle", "a value starts with an unknown tag", "quote a value that starts with !"),
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
    (
        "',' or ']'",
        "the bracket [ opened here is not closed as it should be",
        "close it with ], and put a comma between items",
    ),
    (
        "',' or '}'",
        "the brace { opened here is not closed as it should be",
        "close it with }, and put a comma between entries",
    ),
    (
        "expected '-' indicator",
        "this line belongs neither to the list above nor to anything else",
        "align it with the key it belongs to",
    ),
    ("expected <block end>", "this line's indentation matches nothing above", "align it with the line it belongs to"),
    ("expected key", "this line's indentation matches nothing above", "align it with the keys it belongs to"),
    ("could not find expected ':'", "a key without a colon", "write key: value"),
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
_AT_CONTEXT = (
    "could not find expected ':'",
    "unexpected end of stream",
    "unexpected document indicator",
    "',' or ']'",
    "',' or '}'",
)


def explain(error: yaml.YAMLError, source: Source, text: str) -> tuple[str, str, Mark]:
    """What is wrong, what to do about it, and where. *text* is what the parser was given."""
    if isinstance(error, yaml.MarkedYAMLError):
        return _explain_marked(error, source)
    line, column = _line_and_column(text, getattr(error, "position", 0), bool(getattr(error, "encoding", "") == "?"))
    character = getattr(error, "character", 0)
    code = ord(character) if isinstance(character, str) else int(character or 0)
    what = f"the control character U+{code:04X}, which YAML does not allow"
    return what, r"remove it, or write it as an escape (\x..) in double quotes", Mark(source, line, column)


def _explain_marked(error: yaml.MarkedYAMLError, source: Source) -> tuple[str, str, Mark]:
    said = error.problem or str(error)
    place = error.problem_mark or error.context_mark
    if error.context_mark and any(part in said for part in _AT_CONTEXT):
        place = error.context_mark
    line, column = (place.line + 1, place.column + 1) if place else (1, 1)
    mark = Mark(source, line, column)
    if "node content" in said and not "".join(source.lines[line - 1 :]).strip():
        return "the file ends where a value is due", "close what was opened with [ or {", mark
    if "expected key" in said and _follows_text(source, mark):
        what = "this does not belong to the value before it"
        return what, "put the whole value in quotes; in single quotes, write '' for an apostrophe", mark
    if "cannot start any token" in said:
        return *_bad_start(source, mark), mark
    for part, what, remedy in _MEANINGS:
        if part in said:
            return what, remedy, mark
    return f"this is not YAML: {said}", "quote the value, or check the indentation", mark


def _follows_text(source: Source, mark: Mark) -> bool:
    """Whether something stands before the place in its line."""
    return mark.line <= len(source.lines) and source.lines[mark.line - 1][: mark.column - 1].strip() != ""


def _bad_start(source: Source, mark: Mark) -> tuple[str, str]:
    found = source.lines[mark.line - 1][mark.column - 1 : mark.column] if mark.line <= len(source.lines) else ""
    if found == "\t":
        return "a tab is used for indentation", "indent with spaces"
    return f"a value cannot start with {found or 'this'}", "put the value in quotes"


def _line_and_column(text: str, position: int, in_bytes: bool) -> tuple[int, int]:
    before = text.encode()[:position].decode(errors="ignore") if in_bytes else text[:position]
    lines = Source("", before).lines
    return len(lines), len(lines[-1]) + 1
