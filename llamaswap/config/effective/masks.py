"""What of a configuration may be shown: secrets are replaced by asterisks, whatever they are part of. Pure."""

import re
from collections.abc import Collection
from typing import Any

from llamaswap.config.text import secrets
from llamaswap.config.text.scalars import resolve
from llamaswap.config.text.secrets import is_secret

MASK = secrets.MASK

_CREDENTIALS = re.compile(r"(?<=://)[^/\s@\"']+(?=@)")
#: An option or variable and what separates it from its value, as in ``--api-key x``, ``HF_TOKEN=x``, ``x-api-key: x``.
_NAMED = re.compile(r"([A-Za-z][A-Za-z0-9_-]*)[\"']?(?:\s*[=:]\s*|\s+)")
_VALUE = re.compile(r"(?:Bearer\s+|Basic\s+)?(?:\"[^\"]*\"|'[^']*'|[^\s\"']+)")


def url(text: str) -> str:
    """*text* without the user and password of any URL in it."""
    return _CREDENTIALS.sub(MASK, text)


def command(text: str) -> str:
    """*text*, a command, without the values of options and variables that have a secret's name."""
    shown, end = "", 0
    for named in _NAMED.finditer(text):
        value = _VALUE.match(text, named.end()) if named.start() >= end and is_secret(named[1]) else None
        if value:
            shown += text[end : named.end()] + MASK
            end = value.end()
    return url(shown + text[end:])


def environment(item: str) -> str:
    """*item*, ``NAME=value``, with the name alone; without a name nothing is left."""
    name, equals, _ = item.partition("=")
    return f"{name}={MASK}" if equals else MASK


def without(value: Any, hidden: Collection[str]) -> Any:
    """*value*, any JSON, without the texts *hidden*, wherever they stand in it, also as numbers; keys stay."""
    forms = {form for text in hidden for form in (text, url(text), command(text))}
    numbers = {number for number in map(resolve, hidden) if isinstance(number, int | float)}
    return _without(value, forms, numbers) if forms else value


def _without(value: Any, hidden: Collection[str], numbers: Collection[float]) -> Any:
    match value:
        case dict():
            return {key: _without(inner, hidden, numbers) for key, inner in value.items()}
        case list():
            return [_without(item, hidden, numbers) for item in value]
        case str():
            return secrets.without(value, hidden)
        case int() | float() if not isinstance(value, bool) and value in numbers:
            return MASK
    return value


def anything(value: Any) -> Any:
    """*value*, any JSON, without what stands below a secret's name, and without credentials in URLs."""
    if isinstance(value, dict):
        return {key: MASK if is_secret(key) and inner else anything(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [anything(item) for item in value]
    return url(value) if isinstance(value, str) else value
