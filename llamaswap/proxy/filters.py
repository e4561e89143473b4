"""What the configuration takes out of requests and puts into them: ``stripParams`` and ``setParams``. Pure."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from llamaswap.config.parts import Filters
from llamaswap.errors import LlamaSwapError
from llamaswap.proxy.jsonbody import Body
from llamaswap.proxy.jsontree import Container, PathError, Step, open_value

_PROTECTED = "model"
_WILD = frozenset("*?#@|")
#: A character of a path, literal behind a backslash.
_CHARACTER = re.compile(r"\\(.)|(.)", re.DOTALL)
_PLACE = re.compile(r"[0-9]+|-1")
#: No array is longer, and longer numbers take their time to read.
_MAX_DIGITS = 9


def filtered(body: Body, filters: Filters, name: str) -> Body:
    """*body*, a JSON object, as *filters* want it; bytes that they do not name stay as they are.

    Args:
        name: What the client called the model, or the target that its selector chose.

    Raises:
        LlamaSwapError: a key does not fit the body, or the body cannot be read.
    """
    by_name = filters.set_params_by_id.get(name, {})
    if not (filters.strip_params or filters.set_params or by_name):
        return body
    try:
        document = open_value(body if body.strip() else b"{}")
    except PathError as error:
        raise LlamaSwapError(f"error filtering request: {error}") from error
    for key in filters.strip_params:
        _strip(document, key)
    for settings in (filters.set_params, by_name):
        _set_all(document, settings)
    return document.render()


def _strip(document: Container, key: str) -> None:
    if key == _PROTECTED:
        return
    try:
        document.strip(steps(key))
    except PathError as error:
        raise LlamaSwapError(f"error stripping parameter {key} from request: {error}") from error


def _set_all(document: Container, settings: Mapping[str, Any]) -> None:
    for key in sorted(settings):
        if key == _PROTECTED:
            continue
        try:
            document.set(steps(key), msgspec.json.encode(settings[key]))
        except PathError as error:
            raise LlamaSwapError(f"error setting parameter {key} in request: {error}") from error


def steps(key: str) -> tuple[Step, ...]:
    """The path that *key* spells: dots separate its steps, a backslash makes the next character literal.

    Raises:
        PathError: it has wildcards.
    """
    texts = [""]
    for match in _CHARACTER.finditer(key):
        literal = match[2] is None
        character = match[1] if literal else match[2]
        if not literal and character in _WILD:
            raise PathError(f'"{character}" would stand for several keys; name one, or write \\{character} for itself')
        if not literal and character == ".":
            texts.append("")
        else:
            texts[-1] += character
    return tuple(map(_step, texts))


def _step(text: str) -> Step:
    """A number means a place in an array, unless a colon in front of it makes it a key."""
    if text.startswith(":") and text[1:].isdecimal():
        return Step(text[1:], None)
    return Step(text, int(text[:_MAX_DIGITS]) if _PLACE.fullmatch(text) else None)
