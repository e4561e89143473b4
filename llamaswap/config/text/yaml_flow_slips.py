"""Slips inside ``[ ]`` and ``{ }``, which is also how JSON is read. Pure. Functions as in `yaml_slips`."""

import re

from llamaswap.config.text.place import Mark
from llamaswap.config.text.yaml_broken import Broken, Explanation

_FOREIGN_COMMENT = re.compile(r"\s*(//|/\*)")
_CLOSING = {"[": "]", "{": "}"}


def reference(broken: Broken) -> Explanation | None:
    """The brace of ``${NAME}`` opens a mapping where it stands in one without quotes."""
    if not _in_flow(broken) or not broken.after.startswith("{") or not broken.before.endswith("$"):
        return None
    mark = Mark(broken.source, broken.mark.line, broken.mark.column - 1)
    what = "inside of [ ] and { }, a value that holds ${...} needs quotes"
    return Explanation(what, "put the value in quotes, or each key on a line of its own without { }", mark)


def comment(broken: Broken) -> Explanation | None:
    """Comments as JavaScript has them."""
    if not _in_flow(broken) or not broken.context:
        return None
    for number in range(broken.context.line, min(broken.mark.line + 1, broken.context.line + 100)):
        if found := _FOREIGN_COMMENT.match(broken.line(number)):
            mark = Mark(broken.source, number, found.start(1) + 1)
            return Explanation(f"{found[1]} starts no comment", "start comments with #", mark)
    return None


def comma(broken: Broken) -> Explanation | None:
    """A comma that is missing between two lines, or one too many."""
    if "node content" in broken.said and broken.after.startswith(","):
        return Explanation("nothing stands before this comma", "remove the comma", broken.mark)
    text = broken.scalar("p")
    if not _in_flow(broken) or not text:
        return None
    start = broken.start_of(text)
    if start.line == broken.mark.line or not broken.line(broken.mark.line).lstrip().startswith(('"', "'")):
        return None
    end = Mark(broken.source, start.line, len(broken.line(start.line).rstrip()) + 1)
    return Explanation("a comma is missing at the end of this line", "put a comma between two entries", end)


def bracket(broken: Broken) -> Explanation | None:
    """Brackets that are not closed, or closed twice."""
    if "<document start>" in broken.said and broken.after[:1] in ("]", "}"):
        return Explanation(
            f"this {broken.after[0]} closes nothing", "remove it, or look for one that is missing", broken.mark
        )
    if not _in_flow(broken) or not broken.context:
        return None
    opening = broken.line(broken.context.line)[broken.context.column - 1 :][:1]
    closing = _CLOSING.get(opening, "")
    if not closing:
        return None
    kind = "bracket" if opening == "[" else "brace"
    how = "never closed" if broken.at_end else "not closed as it should be"
    between = "items" if opening == "[" else "entries"
    remedy = f"close it with {closing}, and put a comma between {between}"
    return Explanation(f"the {kind} {opening} opened here is {how}", remedy, broken.context)


def _in_flow(broken: Broken) -> bool:
    return "',' or" in broken.said
