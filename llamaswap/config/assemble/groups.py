"""``groups``: each model is in exactly one, the implicit one if it is in no other."""

from llamaswap.config.assemble.names import Names
from llamaswap.config.reading.fields import Fields, Item
from llamaswap.config.routing import IMPLICIT_GROUP, GroupConfig
from llamaswap.config.schema import ModelId


def build_groups(place: Fields, names: Names) -> tuple[GroupConfig, ...]:
    """Every group below *place*, with the implicit one last."""
    homes: dict[ModelId, str] = {}
    groups = [_group(name, fields, names, homes) for name, fields in place.entries("groups")]
    written = next((group for group in groups if group.name == IMPLICIT_GROUP), None)
    rest = [model for model in names.ids.values() if model not in homes]
    members = sorted([*rest, *(written.members if written else ())], key=lambda m: m.encode(errors="surrogatepass"))
    implicit = GroupConfig(
        IMPLICIT_GROUP,
        swap=written.swap if written else True,
        exclusive=written.exclusive if written else True,
        persistent=written.persistent if written else False,
        members=tuple(members),
    )
    return (*(group for group in groups if group.name != IMPLICIT_GROUP), implicit)


def _group(name: str, fields: Fields, names: Names, homes: dict[ModelId, str]) -> GroupConfig:
    if fields.zero:
        fields.warn("", "an empty group", "give it members, or remove it", code="null-entry")
    if name == IMPLICIT_GROUP:
        what = "this is the group of all models that are in no other; they become members too"
        fields.warn("", what, "give the group another name, if that is not meant", code="implicit-group")
    members = [_member(item, name, fields, names, homes) for item in fields.texts("members")]
    return GroupConfig(
        name=name,
        swap=fields.switch("swap"),
        exclusive=fields.switch("exclusive"),
        persistent=fields.switch("persistent"),
        members=tuple(model for model in members if model is not None),
    )


def _member(item: Item, group: str, fields: Fields, names: Names, homes: dict[ModelId, str]) -> ModelId | None:
    value = f'"{item.text}"'
    if item.text not in names.local:
        remedy = names.suggestion(item.text, "use the ID of a model")
        fields.problems.error("group", item.path, item.mark, "there is no such model", value=value, remedy=remedy)
        return None
    model = names.local[item.text]
    if item.text != model:
        what, remedy = f"an alias; the model {model} is meant", f"write {model}"
        fields.problems.warn("alias-for-id", item.path, item.mark, what, value=value, remedy=remedy)
    if model in homes:
        where = "this group twice" if homes[model] == group else f"the group {homes[model]} too"
        what, remedy = f"the model {model} is in {where}", "a model belongs to one group: remove one of them"
        fields.problems.error("group", item.path, item.mark, what, value=value, remedy=remedy)
        return None
    homes[model] = group
    return model
