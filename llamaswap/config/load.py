"""Files in, a `Config` out, or every problem at once.

The steps, each in a module of its own: choose and read the files (`sources`), set environment variables aside
(`environment`), parse (`yaml`), make the tree (`tree`), merge the files (`merge`), fill in macros and give out ports
(`expand`), look for unknown keys (`keys`), read typed values (`decode`), compare them (`checks`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from llamaswap.config.assemble.root import build
from llamaswap.config.effective.written import Written
from llamaswap.config.schema import Config
from llamaswap.config.table.keys import check_keys
from llamaswap.config.table.misplaced import lifted
from llamaswap.config.table.root import TOP_LEVEL
from llamaswap.config.text.environment import Variables
from llamaswap.config.text.expand import Expanded, PortsInUse, expand
from llamaswap.config.text.merge import merge
from llamaswap.config.text.nodes import List, Map, is_null, kind_of
from llamaswap.config.text.place import Mark, Source
from llamaswap.config.text.problems import Problem, Problems
from llamaswap.config.text.sources import decoded, read, sources
from llamaswap.config.text.tree import TreeBuilder
from llamaswap.config.text.yaml import compose
from llamaswap.errors import ConfigError

__all__ = ["Examined", "Loaded", "PortsInUse", "examine", "load", "load_text", "sources"]

_NO_PORTS = PortsInUse()


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that can be used, and what somebody should look at nevertheless. `written` is what it is from."""

    config: Config
    warnings: tuple[Problem, ...]
    written: Written = field(default=Written(), repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Examined:
    """All that the loader has to say: its errors and warnings, and the configuration if there is no error."""

    problems: tuple[Problem, ...]
    loaded: Loaded | None


def load(
    files: Sequence[Path],
    environ: Mapping[str, str],
    *,
    strict: bool = False,
    in_use: PortsInUse = _NO_PORTS,
) -> Loaded:
    """Load and merge *files*. With *strict*, unknown keys are errors. *in_use* is what a reload knows of ports.

    Raises:
        ConfigError: with every problem found, in `problems`.
    """
    problems = Problems(strict=strict)
    loaded = _load([read(path, problems) for path in files], environ, problems, in_use)
    return _look_for_models(loaded, problems)


def examine(
    files: Sequence[Path],
    environ: Mapping[str, str],
    *,
    strict: bool = False,
    read: Callable[[Path, Problems], Source | None] = read,
) -> Examined:
    """As `load`, but what is wrong is the answer. *read* takes the text from wherever the names of *files* mean."""
    problems = Problems(strict=strict)
    try:
        loaded = _load([read(path, problems) for path in files], environ, problems, _NO_PORTS)
    except ConfigError as error:
        errors = (problem for problem in error.problems if isinstance(problem, Problem))
        return Examined((*errors, *problems.warnings()), None)
    loaded = _look_for_models(loaded, problems)
    return Examined(loaded.warnings, loaded)


def load_text(
    text: str, name: str, environ: Mapping[str, str], *, strict: bool = False, in_use: PortsInUse = _NO_PORTS
) -> Loaded:
    """Load one *text*, which messages call *name* and which need not be about models. Otherwise as `load`."""
    problems = Problems(strict=strict)
    return _load([decoded(name, text.encode(errors="surrogatepass"), problems)], environ, problems, in_use)


def expanded(
    texts: Iterable[Source | None], environ: Mapping[str, str], problems: Problems, in_use: PortsInUse = _NO_PORTS
) -> Expanded:
    """The first half of a load: one tree with all variables, macros and ports filled in.

    Raises:
        ConfigError: a text is None (and reported already), is no YAML, or contradicts another one.
    """
    trees = [_tree(source, environ, problems) for source in texts if source]
    problems.raise_errors()
    if not trees:
        problems.error("sources", (), None, "no configuration is given", remedy="name at least one file")
    problems.raise_errors()
    merged = merge(trees, problems)
    problems.raise_errors()
    return expand(lifted(merged, problems), TOP_LEVEL, environ, problems, in_use)


def _load(texts: Iterable[Source | None], environ: Mapping[str, str], problems: Problems, in_use: PortsInUse) -> Loaded:
    document = expanded(texts, environ, problems, in_use)
    check_keys(document.root, problems)
    config = build(document, problems)
    problems.raise_errors()
    return Loaded(config, problems.warnings(), Written(document.root, frozenset(problems.concealed)))


def _look_for_models(loaded: Loaded, problems: Problems) -> Loaded:
    """With a warning if files, which are a whole configuration, say nothing about models."""
    root = loaded.written.root
    if loaded.config.models or loaded.config.peers or root is None or not is_null(root.get("models")):
        return loaded
    remedy = "add them below models:, or write models: {} if there are to be none"
    problems.warn("no-models", (), root.mark, "no models are configured", remedy=remedy)
    return replace(loaded, warnings=problems.warnings())


def _tree(source: Source, environ: Mapping[str, str], problems: Problems) -> Map:
    """The tree of one file; a file without content is an empty mapping."""
    start = Mark(source, 1, 1)
    variables = Variables(source, environ, problems)
    raw = compose(source, variables.text, problems)
    if raw is None:
        return Map(start)
    tree = TreeBuilder(variables, problems).build(raw)
    if isinstance(tree, Map):
        return tree
    if not is_null(tree) and not (isinstance(tree, List) and not tree.items):
        what = f"the file must hold a mapping, not {kind_of(tree)}"
        problems.error("root", (), tree.mark, what, remedy="start with lines such as models: and startPort: 5800")
    return Map(start)
