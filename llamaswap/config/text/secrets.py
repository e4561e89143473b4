"""Secrets in texts: which names tell of one, and how a text is shown without it. Pure."""

import re
from collections.abc import Collection
from itertools import pairwise

MASK = "***"
#: Shorter texts are no secrets.
SHORTEST_SECRET = 4

#: Words that make the name of a key, an option or a variable a secret's name. `tokens` is none: people count them.
_SECRET_WORDS = frozenset(
    {"apikey", "authorization", "bearer", "credential", "credentials", "passphrase", "passwd", "password"}
    | {"secret", "secrets", "token"}
)
_SECRET_PAIRS = frozenset({("api", "key"), ("access", "key"), ("private", "key"), ("auth", "key")})
#: As a part of a variable's name they tell of a secret, too; as that of a setting they are too common.
_SECRET_IN_VARIABLES = frozenset({"key", "keys", "pass"})
_SECRET_ENDS = ("apikey", "password", "passwd", "secret", "token", "credential", "credentials")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
#: Shorter ones may be a part of another word by chance.
_LONG_ENOUGH = 6


def is_secret(name: str) -> bool:
    """Whether something called *name* is a secret: ``apiKey``, ``HF_TOKEN``, but not ``max_tokens``."""
    words = _words(name)
    return not _SECRET_WORDS.isdisjoint(words) or not _SECRET_PAIRS.isdisjoint(pairwise(words))


def is_secret_variable(name: str) -> bool:
    """Whether the environment variable *name* holds a secret: as `is_secret`, and ``OPENAI_KEY``, ``DB_PASS``."""
    words = _words(name)
    return is_secret(name) or any(word in _SECRET_IN_VARIABLES or word.endswith(_SECRET_ENDS) for word in words)


def without(text: str, secrets: Collection[str]) -> str:
    """*text* without any of *secrets*; short ones are looked for as whole words."""
    for secret in sorted(secrets, key=len, reverse=True) if secrets else ():
        if secret not in text:
            continue
        if len(secret) >= _LONG_ENOUGH:
            text = text.replace(secret, MASK)
        else:
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", MASK, text)
    return text


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]
