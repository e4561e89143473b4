"""Slips in block YAML, lines and indentation, and in what surrounds a file. Pure.

Each function knows one slip that people make: it gets a complaint of the parser, looks at the file around it, and tells
what was probably meant, or None if it is not this slip.
"""

import re

from yaml.events import CollectionEndEvent

from llamaswap.config.text.place import Mark, shortened
from llamaswap.config.text.yaml_broken import Broken, Explanation

_CONFLICT = re.compile(r"<{7}( |$)")
_STRANGE_BLANK = re.compile(r"[ \t]*(?:- +)?([\xa0\u1680\u2000-\u200b\u202f\u205f\u2060\u3000])")
_NO_BLANK = re.compile(r"(?:- +)*([A-Za-z_][\w.-]*):([^\s:/].*|/[^/].*)")
_EQUALS = re.compile(r"([A-Za-z_][\w.-]*) *= *(.*)")
_KEY = re.compile(r"\s*(?:- +)*([^\s#'\"{\[][^#]*?|\"[^\"]*\"|'[^']*'):(?:\s|$)")
_TOML = re.compile(r"\[\[?[\w.\" -]+\]\]?\s*(#.*)?$")
_WEB_PAGE = re.compile(r"\s*<(!doctype|html|head|\?xml)\b", re.IGNORECASE)
_COMMANDS = ("cmd", "cmdStop")


def conflict(broken: Broken) -> Explanation | None:
    """Version control could not merge two versions, and nobody has done so since."""
    for number, line in enumerate(broken.source.lines, 1):
        if _CONFLICT.match(line):
            what = "two versions of this file were not merged, and the marks of the conflict are still in it"
            remedy = "keep one of the two versions, and remove the lines <<<<<<<, ======= and >>>>>>>"
            return Explanation(what, remedy, Mark(broken.source, number, 1))
    return None


def other_format(broken: Broken) -> Explanation | None:
    """Something is pasted with what stood around it, or is not YAML at all."""
    for number, line in enumerate(broken.source.lines, 1):
        if line.startswith("```"):
            what = "a line ``` from the page this was copied from"
            return Explanation(what, "remove the lines that start with ```", Mark(broken.source, number, 1))
        if _WEB_PAGE.match(line):
            what, remedy = "this is a web page, not a configuration", "was the download refused? Fetch the file itself"
            return Explanation(what, remedy, Mark(broken.source, number, 1))
        if _TOML.match(line):
            what, remedy = "this looks like TOML, but a configuration is YAML", "write models:, and the rest below it"
            return Explanation(what, f"{remedy} as key: value", Mark(broken.source, number, 1))
        if line.strip() and not line.startswith("#"):
            return None
    return None


def strange_blank(broken: Broken) -> Explanation | None:
    """A web page or an editor has put in a blank that is none to YAML."""
    for number in (broken.mark.line, broken.mark.line - 1):
        if found := _STRANGE_BLANK.match(broken.line(number)):
            what = f"the indentation holds the character U+{ord(found[1]):04X}, which looks like a space and is none"
            return Explanation(what, "indent with ordinary spaces", Mark(broken.source, number, found.start(1) + 1))
    if "\ufeff" in (broken.before[-1:], broken.after[:1]):
        what = "a byte order mark (U+FEFF) in the middle of the file, left where two files were joined"
        return Explanation(what, "remove it: type this line anew", broken.mark)
    return None


def after_value(broken: Broken) -> Explanation | None:
    """A value is in quotes or brackets, and more follows; or the quotes were closed much later than meant."""
    if not broken.before.strip() or broken.last is None:
        return None
    if quoted := broken.scalar("\"'"):
        start, end = broken.start_of(quoted), broken.end_of(quoted)
        if end.line != broken.mark.line:
            return None
        if start.line != end.line:
            what = f"the quotation mark opened here is closed in line {end.line} only, where another value starts"
            return Explanation(what, "close it where the value ends", start)
        what = "this does not belong to the value before it, which ends with its second quotation mark"
        return Explanation(what, _quoting(broken, start), broken.mark)
    if isinstance(broken.last, CollectionEndEvent) and broken.end_of(broken.last).line == broken.mark.line:
        what = "this does not belong to the value before it, which ends with its bracket"
        return Explanation(what, "put the whole value in quotes if it is a text that starts with [ or {", broken.mark)
    return None


def _quoting(broken: Broken, start: Mark) -> str:
    if (key := _key_of(broken, start.line)) in _COMMANDS:
        return f"write {key}: | and the command on the next line, indented: its quotes need no others then"
    return "put the whole value in quotes of the other kind; in single quotes, write '' for an apostrophe"


def text_before_colon(broken: Broken) -> Explanation | None:
    """A colon after a text that started earlier: in the same line, or in one above that has no colon."""
    text = broken.scalar("p")
    if "mapping values are not allowed" not in broken.said or not text:
        return None
    start = broken.start_of(text)
    key = _key_of(broken, start.line)
    if start.line == broken.mark.line:
        remedy = "put the value in quotes"
        if key:
            remedy += f", or write {key}: | and the value on the next line, indented"
        return Explanation('a value that holds ": " is in no quotes', remedy, broken.mark)
    if key:
        what = "this line is indented deeper than the one above, so it is read as more of its value"
        return Explanation(what, f"align it with {key}", Mark(broken.source, broken.mark.line, _indent(broken) + 1))
    line = broken.line(start.line)
    if _indent(broken) <= len(line) - len(line.lstrip()) and (found := no_blank(line.strip(), start)):
        return found
    written = f"write {shortened(line.strip().lstrip('?- '))}:" if broken.source.may_show(start.line) else "write key:"
    return Explanation("a key without a colon", written, start)


def no_colon(broken: Broken) -> Explanation | None:
    """A line of a mapping that is no key: it continues the one above, or it was meant as one."""
    if "could not find expected ':'" not in broken.said or not broken.context:
        return None
    line = broken.line(broken.context.line).strip()
    if found := no_blank(line, broken.context):
        return found
    if (block := broken.scalar("|>")) and not block.value.strip():
        what = f"the text that belongs to the {block.style} above is not indented"
        return Explanation(what, "indent it deeper than its key", broken.context)
    remedy = "write key: value"
    above = broken.start_of(broken.last).line if broken.scalar("p\"'") and broken.last else 0
    if key := _key_of(broken, above):
        remedy += f"; if the line continues the value above, indent it deeper than {key}"
    return Explanation("a key without a colon", remedy, broken.context)


def no_blank(line: str, mark: Mark) -> Explanation | None:
    """``key:value`` and ``key = value``, which are texts to YAML."""
    if found := _NO_BLANK.match(line):
        what = f"there is no space after the colon of {found[1]}, so this is read as a text"
        value = shortened(found[2]) if mark.source.may_show(mark.line) else "and the value"
        return Explanation(what, f"write {found[1]}: {value}", mark)
    if found := _EQUALS.match(line):
        value = shortened(found[2]) if mark.source.may_show(mark.line) else "and the value"
        return Explanation("an equals sign where a colon is due", f"write {found[1]}: {value}", mark)
    return None


def indentation(broken: Broken) -> Explanation | None:
    """A line that starts where no line above starts."""
    if broken.before.strip() or not any(part in broken.said for part in ("expected key", "block end", "'-' indicator")):
        return None
    value = broken.scalar("p")
    if value and (key := _key_of(broken, broken.start_of(value).line)):
        between = range(broken.end_of(value).line, broken.mark.line)
        if any("#" in broken.line(number) for number in between):
            what = "a comment ends the value above, so this line belongs to nothing"
            return Explanation(what, f"write {key}: | and all of the value below it, indented", broken.mark)
    if broken.after.startswith("- "):
        what = "this list item is aligned neither with the others nor with their key"
        return Explanation(
            what, "start the items of a list below each other, no further left than their key", broken.mark
        )
    columns = _open_columns(broken)
    places = ", ".join(map(str, columns[:-1])) + " or " * (len(columns) > 1) + "".join(map(str, columns[-1:]))
    remedy = f"indent it by {places} spaces, like a line above that it belongs to"
    what = f"this line's indentation of {len(broken.before)} matches nothing above"
    return Explanation(what, remedy, broken.mark)


def late_block(broken: Broken) -> Explanation | None:
    """``key: | text``: the text of a block starts on the next line."""
    if "comment or line break" not in broken.said:
        return None
    sign = (broken.line(broken.context.line)[broken.context.column - 1 :] if broken.context else "|")[:1]
    return Explanation(f"a text follows {sign} in the same line", "put it on the next line, indented", broken.mark)


def _key_of(broken: Broken, number: int) -> str:
    """The key in a line of its own value; empty if there is none."""
    found = _KEY.match(broken.line(number))
    return shortened(found[1]) if found else ""


def _indent(broken: Broken) -> int:
    line = broken.line(broken.mark.line)
    return len(line) - len(line.lstrip())


def _open_columns(broken: Broken) -> list[int]:
    """The indentations that a line may have here: those of the mappings and lists that are still open above."""
    columns: list[int] = []
    least = 1 << 30
    for line in reversed(broken.source.lines[: broken.mark.line - 1]):
        indent = len(line) - len(line.lstrip(" "))
        if line.strip() and not line.lstrip().startswith("#") and indent < least:
            least = indent
            columns.append(indent)
    return columns[::-1][-4:]
