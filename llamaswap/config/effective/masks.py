"""What of a configuration may be shown: secrets are replaced by asterisks, whatever they are part of. Pure."""

import re
from collections.abc import Collection
from itertools import pairwise
from typing import Any

MASK = "***"

#: Words that make the name of a key, an option or a variable a secret's name. `tokens` is none: people count them.
_SECRET_WORDS = frozenset(
    {"apikey", "authorization", "bearer", "credential", "credentials", "passphrase", "passwd", "password"}
    | {"secret", "secrets", "token"}
)
_SECRET_PAIRS = frozenset({("api", "key"), ("access", "key"), ("private", "key"), ("auth", "key")})
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@\"']+(?=@)")
#: An option or variable and what separates it from its value, as in ``--api-key x``, ``HF_TOKEN=x``, ``x-api-key: x``.
_NAMED = re.compile(r"([A-Za-z][A-Za-z0-9_-]*)[\"']?(?:\s*[=:]\s*|\s+)")
_VALUE = re.compile(r"(?:Bearer\s+|Basic\s+)?(?:\"[^\"]*\"|'[^']*'|[^\s\"']+)")


def is_secret(name: str) -> bool:
    """Whether something called *name* is a secret: ``apiKey``, ``HF_TOKEN``, but not ``max_tokens``."""
    words = [word.lower() for word in _WORD.findall(name)]
    return not _SECRET_WORDS.isdisjoint(words) or not _SECRET_PAIRS.isdisjoint(pairwise(words))


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


def without(value: Any, secrets: Collection[str]) -> Any:
    """*value*, any JSON, without the texts *secrets*, wherever they stand in it; keys stay."""
    if isinstance(value, dict):
        return {key: without(inner, secrets) for key, inner in value.items()}
    if isinstance(value, list):
        return [without(item, secrets) for item in value]
    for secret in secrets if isinstance(value, str) else ():
        value = value.replace(secret, MASK)
    return value


def anything(value: Any) -> Any:
    """*value*, any JSON, without what stands below a secret's name, and without credentials in URLs."""
    if isinstance(value, dict):
        return {key: MASK if is_secret(key) and inner else anything(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [anything(item) for item in value]
    return url(value) if isinstance(value, str) else value
