"""What the files say, path by path: where a value stands, and whether somebody wrote it or it is a default. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from llamaswap.config.text.nodes import List, Map, Node, Scalar, is_null
from llamaswap.config.text.place import Mark
from llamaswap.config.text.problems import KeyPath


@dataclass(frozen=True, slots=True)
class Written:
    """The merged files with macros and ports filled in. Without *root* nothing is written.

    Attributes:
        secrets: What variables with a secret's name have put into them.
    """

    root: Map | None = None
    secrets: frozenset[str] = field(default=frozenset(), repr=False)

    def given(self, path: KeyPath) -> bool:
        """Whether there is a value at *path*, and not a null."""
        return not is_null(self._node(path))

    def place(self, path: KeyPath) -> Mark | None:
        """Where a message about *path* points: its value if that is one line, its key else, or what is above it."""
        for end in range(len(path), 0, -1):
            node = self._node(path[:end])
            if isinstance(node, Scalar):
                return node.mark
            if node is not None:
                above = self._node(path[: end - 1])
                entry = above.entries.get(str(path[end - 1])) if isinstance(above, Map) else None
                return entry.key if entry else node.mark
        return self.root.mark if self.root else None

    def may_show(self, path: KeyPath) -> bool:
        """Whether a message may repeat the value at *path*: no environment variable is part of it."""
        node = self._node(path)
        return not (isinstance(node, Scalar) and node.from_env)

    def keys(self, path: KeyPath) -> list[str]:
        """The keys of the mapping at *path*."""
        node = self._node(path)
        return list(node.entries) if isinstance(node, Map) else []

    def items(self, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
        """Each text of the list at *path*, with its own path."""
        node = self._node(path)
        for n, item in enumerate(node.items if isinstance(node, List) else ()):
            if isinstance(item, Scalar) and isinstance(item.value, str):
                yield (*path, n), item.value

    def _node(self, path: KeyPath) -> Node | None:
        node: Node | None = self.root
        for step in path:
            if isinstance(node, Map) and isinstance(step, str):
                node = node.get(step)
            elif isinstance(node, List) and isinstance(step, int) and step < len(node.items):
                node = node.items[step]
            else:
                return None
        return node
