"""Groups that do not do what they seem to."""

from collections.abc import Iterator

from llamaswap.config.lints.facts import Facts, Lint
from llamaswap.config.lints.together import group_evicts
from llamaswap.config.routing import IMPLICIT_GROUP, GroupConfig
from llamaswap.config.text.problems import KeyPath


def empty_group(facts: Facts) -> Iterator[Lint]:
    """A group that nobody is in."""
    for group, path in _written(facts):
        if not group.members and group.name != IMPLICIT_GROUP:
            yield Lint("empty-group", path, "nobody is in this group", "give it members, or remove it")


def swap_without_effect(facts: Facts) -> Iterator[Lint]:
    """``swap: false`` where there is nobody to swap with, though the model stops all others: hardly what was hoped."""
    for group, path in _written(facts):
        if len(group.members) == 1 and not group.swap and group.exclusive:
            what = "without effect: swap is about other members, and there are none"
            remedy = "write exclusive: false to let the models of other groups run on, or remove this"
            yield Lint("swap-without-effect", (*path, "swap"), what, remedy)


def exclusive_without_effect(facts: Facts) -> Iterator[Lint]:
    """``exclusive`` or ``persistent`` where there is no other group."""
    inhabited = [group for group in facts.routing.groups if group.members]
    for group, path in _written(facts):
        for key in ("exclusive", "persistent"):
            if inhabited == [group] and facts.written.given((*path, key)):
                what = "without effect: all models are in this group, and this is about other groups"
                yield Lint("exclusive-without-effect", (*path, key), what, "remove it; swap is about the members")


def asymmetric_groups(facts: Facts) -> Iterator[Lint]:
    """A group whose models join those of another one, and are stopped by the next request to those."""
    for group, path in _written(facts):
        others = [other.name for other in facts.routing.groups if other.members and _is_stopped_by(group, other)]
        if group.members and others:
            rest = "the group" if len(others) == 1 else "the groups"
            what = f"loading a member leaves {rest} {', '.join(others)} running, but a request to it stops the members"
            end = "persistent: false there" if group.exclusive else "exclusive: true here"
            remedy = f"write persistent: true here if they may run together, {end} if not"
            yield Lint("asymmetric-groups", path, what, remedy)


def _is_stopped_by(group: GroupConfig, other: GroupConfig) -> bool:
    return group.name != other.name and group_evicts(other, group) and not group_evicts(group, other)


def _written(facts: Facts) -> Iterator[tuple[GroupConfig, KeyPath]]:
    """Each group that holds and was written, with its path."""
    if facts.is_serial or facts.routing.router != "group":
        return
    for group in facts.routing.groups:
        path = (*facts.groups_path, group.name)
        if facts.written.given(path):
            yield group, path


RULES = (empty_group, swap_without_effect, exclusive_without_effect, asymmetric_groups)
