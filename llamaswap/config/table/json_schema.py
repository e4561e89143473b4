"""The table as JSON Schema (2020-12), for editors: what it refuses, the loader refuses in strict mode.

A schema cannot see what the loader does afterwards, so references to macros and variables pass wherever a value may
stand, and what compares two keys is not in it.
"""

from typing import Any, assert_never

from llamaswap.config.table.root import ROOT
from llamaswap.config.table.shapes import (
    Anything,
    Duration,
    Each,
    Key,
    Macros,
    NamedAnything,
    Names,
    Section,
    Shape,
    Switch,
    Text,
    Texts,
    Whole,
)

SCHEMA_ID = "config-schema.json"

Schema = dict[str, Any]

#: A text that holds a reference stands for whatever it is replaced by.
_REFERENCE: Schema = {"type": "string", "pattern": r"\$\{"}
_NULL: Schema = {"type": "null"}
_SCALAR: Schema = {"type": ["string", "number", "boolean", "null"]}
_WORDS = [word for kind in ("y", "yes", "on", "n", "no", "off") for word in (kind, kind.capitalize(), kind.upper())]
_MOST = 2**63 - 1
_DURATION = r"^[-+]?(0|([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+$"


def json_schema() -> Schema:
    """The schema of the whole configuration."""
    root = _section(ROOT)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "llamaswap configuration",
        "$defs": {"model": _section(_each("models").of), "group": _section(_each("groups").of)},
        **root,
        # A place for notes, and for what is anchored to be used elsewhere.
        "patternProperties": {"^x-": True},
    }


def _each(key: str) -> Each:
    shape = ROOT.keys[key].shape
    assert isinstance(shape, Each)
    return shape


def _section(section: Section) -> Schema:
    required = [
        name for name, key in section.keys.items() if isinstance(key.shape, Text | Texts) and key.shape.required
    ]
    return {
        "type": ["object", "null"],
        "properties": {name: _key(key) for name, key in section.keys.items()},
        "additionalProperties": False,
        **({"required": required} if required else {}),
    }


def _key(key: Key) -> Schema:
    schema = dict(_shape(key.shape))
    described = ". ".join(part.rstrip(".") for part in (key.doc, key.note) if part)
    if described:
        schema["description"] = described[0].upper() + described[1:] + "."
    if "deprecated" in key.note or "older" in key.note:
        schema["deprecated"] = True
    default = _default(key.shape)
    if default is not None:
        schema["default"] = default
    return schema


def _shape(shape: Shape) -> Schema:  # noqa: PLR0911 - one return for each shape
    match shape:
        case Text():
            return _text(shape)
        case Whole():
            least = -_MOST - 1 if shape.least is None else shape.least
            number: Schema = {"type": "number", "minimum": least, "maximum": _MOST}
            return {"anyOf": [number, _NULL, _REFERENCE]}
        case Switch():
            return {"anyOf": [{"type": "boolean"}, {"enum": _WORDS}, _NULL, _REFERENCE]}
        case Duration():
            return {"anyOf": [{"type": "string", "pattern": _DURATION}, _NULL, _REFERENCE]}
        case Texts():
            return _texts(shape)
        case Anything():
            return {"type": ["object", "null"]}
        case Macros():
            value = {"type": ["string", "number", "boolean"]}
            return {
                "type": ["object", "null"],
                "propertyNames": {"pattern": "^[A-Za-z0-9_-]{1,63}$", "not": {"enum": ["PORT", "PID", "MODEL_ID"]}},
                "additionalProperties": value,
            }
        case Names():
            return {"type": ["object", "null"], "additionalProperties": _shape(shape.of)}
        case NamedAnything():
            return {"type": ["object", "null"], "additionalProperties": {"type": ["object", "null"]}}
        case Section():
            return _section(shape)
        case Each():
            return {"type": ["object", "null"], "additionalProperties": _reference(shape)}
        case _:
            assert_never(shape)


def _reference(shape: Each) -> Schema:
    return {"$ref": f"#/$defs/{shape.noun}"} if shape.noun in ("model", "group") else _section(shape.of)


def _text(shape: Text) -> Schema:
    if not shape.choices:
        return dict(_SCALAR)
    choices: Schema = {"enum": list(shape.choices)}
    if shape.lenient:
        return {"anyOf": [choices, _SCALAR]}
    return {"anyOf": [choices, _REFERENCE] if shape.required else [choices, _NULL, _REFERENCE]}


def _texts(shape: Texts) -> Schema:
    item: Schema = {"anyOf": [{"enum": list(shape.choices)}, _NULL, _REFERENCE]} if shape.choices else dict(_SCALAR)
    items: Schema = {"type": "array", "items": item}
    if shape.required:
        return {"anyOf": [items | {"minItems": 1}, _REFERENCE]}
    return {"anyOf": [items, _NULL, _REFERENCE]}


def _default(shape: Shape) -> Any:
    match shape:
        case Text(required=True) | Text(default="") | Switch(default=None):
            return None
        case Text() | Whole() | Switch():
            return shape.default
        case Duration():
            return f"{shape.default:g}s"
        case Texts():
            return list(shape.default) or None
        case _:
            return None
