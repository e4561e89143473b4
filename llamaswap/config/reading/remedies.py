"""What to write where a section is due and something else stands."""

from llamaswap.config.table.shapes import Section, Text
from llamaswap.config.text.nodes import List, Node, Scalar

BELOW = "write its keys below it, indented"
#: More keys than these help nobody to find theirs.
_MOST_KEYS = 5


def for_section(section: Section, node: Node, name: str) -> str:
    """What to write for *node*, the value of *name*, where *section* is due."""
    use = section.keys.get("use")
    if isinstance(node, Scalar) and use and isinstance(use.shape, Text) and node.value in use.shape.choices:
        return f"write {name}: {{use: {node.value}}}"
    if isinstance(node, List) and "members" in section.keys:
        return "write members: and the list below it, indented"
    if isinstance(node, List) and "pins" in section.keys:
        return "write pins: {requested-name: name-to-use}"
    return _below(section)


def _below(section: Section) -> str:
    """How to write *section*, with its keys by name."""
    names = [f"{name}:" for name in section.keys]
    more = ", ..." if len(names) > _MOST_KEYS else ""
    return f"{BELOW}: {', '.join(names[:_MOST_KEYS])}{more}"
