"""``matrix``: the expressions compiled, with every mistake at its place."""

from dataclasses import replace
from typing import TYPE_CHECKING

from llamaswap.config.assemble.names import Names
from llamaswap.config.matrix.sets import Matrix
from llamaswap.config.reading.fields import Fields
from llamaswap.config.text.place import Mark

if TYPE_CHECKING:
    from llamaswap.config.matrix.compile import Finding


def build_matrix(fields: Fields, names: Names) -> Matrix:
    """The matrix below *fields*."""
    from llamaswap.config.matrix.compile import compile_matrix  # noqa: PLC0415 - most configurations have none

    variables, costs, sets = fields.named_texts("vars"), fields.named_wholes("evict_costs"), fields.named_texts("sets")
    texts = {item.path: item.text for item in sets}
    marks = {item.path: item.mark for item in (*variables, *sets)} | {item.path: item.mark for item in costs}

    def report(finding: "Finding") -> None:
        path = (*fields.path, *finding.path)
        if finding.path == ("sets",) and (fields.problems.broken(path) or fields.problems.broken_below(path)):
            return  # what is wrong with the sets was told
        mark = marks.get(path) or fields.mark_of(finding.path[0] if finding.path else "")
        if finding.column is not None:
            mark = _inside(mark, texts[path], finding.column)
        add = fields.problems.error if finding.severity == "error" else fields.problems.warn
        add(finding.code, path, mark, finding.what, remedy=finding.remedy)

    return compile_matrix(
        {item.name: item.text for item in variables},
        {item.name: item.value for item in costs},
        {item.name: item.text for item in sets},
        names.ids.values(),
        report,
    )


def _inside(mark: Mark, text: str, column: int) -> Mark:
    """The place of *column* of *text*, where it stands in the file as it is written."""
    start = mark.find(text)
    lines = start.source.lines
    written = lines[start.line - 1][start.column - 1 :] if start.line <= len(lines) else ""
    return replace(start, column=start.column + column - 1) if written.startswith(text) else mark
