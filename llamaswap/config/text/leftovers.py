"""References that nothing was filled in for, and what in a command is none: what was probably meant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from llamaswap.config.commands.slips import slips
from llamaswap.config.text import environment
from llamaswap.config.text.macros import RESERVED, Macro, circle, references
from llamaswap.config.text.nodes import List, Map, Node, Scalar, walk_scalars
from llamaswap.config.text.problems import KeyPath, Problems
from llamaswap.config.text.suggest import closest

_COMMANDS = (("cmd",), ("cmdStop",))
#: Longer commands cannot be run, and are not worth a closer look.
_MOST_CHARACTERS = 1 << 17


@dataclass(frozen=True, slots=True)
class Scope:
    """What could have been referred to at some place."""

    macros: Sequence[Macro]
    environ: Mapping[str, str]
    in_model: bool = False

    def names(self) -> list[str]:
        """Every name that a reference may have here."""
        return [*(macro.name for macro in self.macros), *(["PORT", "MODEL_ID"] if self.in_model else [])]


def report_leftovers(node: Node, path: KeyPath, scope: Scope, problems: Problems) -> None:
    """Report every reference left below *node*, which stands at *path*; what is known to be broken is passed over."""
    for where, scalar in walk_scalars(node, path):
        if problems.broken(where):
            continue
        in_stop_command = scope.in_model and where[2:] == ("cmdStop",)
        for name in references(scalar):
            if problems.overflows():
                problems.error("macro", where, scalar.mark, f"there is no macro ${{{name}}}")
            elif not (name == "PID" and in_stop_command):
                _report(name, where, scalar, scope, problems)
        if isinstance(scalar.value, str) and (found := environment.REFERENCE.search(scalar.value)):
            remedy = "write the reference where it is needed; it cannot be put together from macros"
            problems.error("env", where, scalar.mark, f"the environment variable {found[1]} is not set", remedy=remedy)
        if scope.in_model and where[2:] in _COMMANDS:
            _report_slips(where, scalar, scope, node, problems)


def _report_slips(path: KeyPath, scalar: Scalar, scope: Scope, model: Node, problems: Problems) -> None:
    if not isinstance(scalar.value, str) or len(scalar.value) > _MOST_CHARACTERS:
        return
    names = {*scope.names(), "PID"} if any(c in scalar.value for c in "${%") else set()
    if path[2:] == ("cmd",):
        names.discard("PID")
    for slip in slips(scalar.value, names, scope.environ, _given(model)):
        problems.warn(slip.code, path, scalar.mark.find(slip.part), slip.what, remedy=slip.remedy)


def _given(model: Node) -> set[str]:
    """The names that the model's ``env`` sets."""
    env = model.get("env") if isinstance(model, Map) else None
    items = env.items if isinstance(env, List) else ()
    return {str(item.value).partition("=")[0] for item in items if isinstance(item, Scalar)}


def _report(name: str, path: KeyPath, scalar: Scalar, scope: Scope, problems: Problems) -> None:
    mark = scalar.mark.find(f"${{{name}}}")
    if name in RESERVED:
        what, remedy = _reserved(name, scope)
    elif any(macro.name == name for macro in scope.macros):
        what, remedy = _too_late(name, scope)
    else:
        what, remedy = f"there is no macro ${{{name}}}", _meant(name, scope)
    problems.error("macro", path, mark, what, remedy=remedy)


def _reserved(name: str, scope: Scope) -> tuple[str, str]:
    if name == "PID":
        return "${PID} is known only to cmdStop", "use it in cmdStop, or a macro with another name"
    if not scope.in_model:
        return f"${{{name}}} exists only inside models", "write the value, or move this into a model"
    return "this uses ${PORT}, but the model has no port", "a model gets a port if its cmd uses ${PORT}"


def _too_late(name: str, scope: Scope) -> tuple[str, str]:
    if found := circle(name, scope.macros):
        chain = " -> ".join(macro.name for macro in (*found, found[0]))
        places = ", ".join(f"{macro.name} at {macro.mark}" for macro in found)
        return f"the macros refer to each other: {chain}", f"write the text itself in one of them: {places}"
    users = [m.name for m in scope.macros if isinstance(m.value, str) and f"${{{name}}}" in m.value]
    user = f"the macro {users[0]}, which uses it" if users else "the macro that uses it"
    what = f"the macro {name} is declared too late"
    return what, f"move {name} up, above {user}; an override keeps the place of the macro it overrides"


def _meant(name: str, scope: Scope) -> str:
    near = closest(name, scope.names())
    if near:
        return f"did you mean ${{{near}}}?"
    if name in scope.environ:
        return f"for the environment variable write ${{env.{name}}}; commands see no shell"
    return f"declare {name} under macros; text of the form ${{...}} cannot be escaped"
