"""The house: imports point one way, and frameworks stay in the rooms that need them."""

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "llamaswap"

#: Each room, and what it may import besides itself, the standard library and `errors`. Top-level modules are rooms too.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "config": set(),
    "schedule": {"config"},
    "telemetry": {"config", "schedule"},
    "models": {"config", "schedule"},
    "refusals": {"schedule"},
    "dispatcher": {"config", "schedule", "models", "refusals", "turnstile"},
    "forecaster": {"config", "schedule", "dispatcher"},
    "proxy": {"config", "models", "dispatcher", "forecaster"},
    "runtime_dir": set(),
    "state_dir": {"runtime_dir"},
    "configfiles": {"config", "watch"},
    "reload": {"config", "configfiles", "dispatcher"},
    "control": {"config", "dispatcher", "forecaster", "reload", "schedule", "telemetry", "proxy", "runtime_dir"},
    "controlplane": {"control", "models"},
    "gateway": {"config", "models", "proxy", "turnstile"},
    "garbage": set(),
    "turnstile": set(),
    "stillness": set(),
    "hints": set(),
    "watch": {"config", "stillness", "hints"},
    "shutdown": {"controlplane", "dispatcher", "gateway", "reload", "telemetry"},
    "daemon": {
        "config",
        "control",
        "controlplane",
        "dispatcher",
        "forecaster",
        "gateway",
        "models",
        "proxy",
        "reload",
        "runtime_dir",
        "schedule",
        "shutdown",
        "state_dir",
        "stillness",
        "telemetry",
        "watch",
    },
    "startup": set(),
    "flags": set(),
    "importing": {"config"},
    "verbs": {"config", "embedded", "importing", "runtime_dir", "schedule", "state_dir"},
    "cli": {
        "config",
        "configfiles",
        "control",
        "daemon",
        "flags",
        "garbage",
        "gateway",
        "runtime_dir",
        "startup",
        "verbs",
        "watch",
    },
    "embedded": set(),
    "__main__": {"cli"},
    "__init__": set(),
}
#: Third-party packages, and the only places that may import them.
HOMES: dict[str, set[str]] = {
    "httptools": {"gateway/parser.py", "proxy/response.py", "models/health.py"},
    "quart": {"control"},
    "quart_trio": {"control"},
    "hypercorn": {"control"},
    "h11": {"control"},
    "werkzeug": {"control", "proxy/forms.py"},
    "yaml": {"config"},
    "re2": {"config/regexes.py"},
    "msgspec": {"proxy", "schedule/journal.py", "schedule/rebuild.py"},
    "rich": {"verbs"},
    "inotify_simple": {"hints.py"},
    "xllamacpp": {"embedded"},
    "gguf": {"importing/bounded.py", "importing/reading.py"},
    "numpy": {"importing/bounded.py"},
}
#: Rooms that decide and do not do. The others say so in their docstring.
PURE = ("config", "schedule", "flags.py", "refusals.py", "errors.py")
IMPURE = {"asyncio", "logging", "select", "ssl", "subprocess", "threading", "time", "trio"}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    """A room imports only what lies below it."""
    room = room_of(path)
    allowed = MAY_IMPORT[room] | {room, "errors", "__version__"}
    ours = {name.split(".")[1] for name in imported(path) if name.startswith("llamaswap.")}
    assert ours <= allowed, f"{path.name} in {room} reaches into {sorted(ours - allowed)}"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_frameworks_stay_in_their_rooms(path: Path) -> None:
    """quart, hypercorn, httptools and the like are imported where the design says, and nowhere else."""
    place = str(path.relative_to(PACKAGE))
    for package in {name.split(".")[0] for name in imported(path)} & HOMES.keys():
        assert any(place == home or place.startswith(f"{home}/") for home in HOMES[package]), f"{package} in {place}"


def run_at_import(path: Path) -> Iterator[str]:
    """What a module imports when it is imported itself."""
    tree = ast.parse(path.read_text())
    inner: list[ast.stmt] = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    inner += [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    late = {id(below) for node in inner for below in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and id(node) not in late:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_two_modules_need_each_other() -> None:
    """Also not by way of others: two threads that import at the same time could else get half a module."""
    dotted = {path: ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in modules()}
    names = {name.removesuffix(".__init__"): path for path, name in dotted.items()}
    graph = {name: set(run_at_import(path)) & names.keys() - {name} for name, path in names.items()}
    TopologicalSorter(graph).prepare()


def is_pure(path: Path) -> bool:
    place = str(path.relative_to(PACKAGE))
    says_so = re.search(r"\bPure\b|\bNo I/O\b", ast.get_docstring(ast.parse(path.read_text())) or "")
    return says_so is not None or any(place == pure or place.startswith(f"{pure}/") for pure in PURE)


@pytest.mark.parametrize(
    "path", [path for path in modules() if is_pure(path)], ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_what_decides_does_not_do(path: Path) -> None:
    """What is pure waits for nothing, tells nobody, and does not know the time."""
    place = str(path.relative_to(PACKAGE))
    found = {name.split(".")[0] for name in imported(path)} & IMPURE
    assert not found, f"{place} imports {found}"
