"""Who is let in, what is recorded, and where."""

import re

from llamaswap.config.reading.fields import Fields
from llamaswap.config.reading.store_path import trimmed, why_no_store
from llamaswap.config.regexes import MOST_PATTERNS, PathPatterns, why_no_regex

#: What stands before a key in the header that clients send.
SCHEME = re.compile(r"(?:authorization:\s*)?(Bearer|Basic)\s+", re.IGNORECASE)


def api_keys(root: Fields) -> tuple[str, ...]:
    """``apiKeys``. An empty one would open the server to all, so it is refused."""
    for path, mark in root.nulls("apiKeys"):
        what = "an empty API key: without it the server would be open to all"
        root.problems.error("api-key", path, mark, what, remedy="give the variable a value, or remove the item")
    if not root.nulls("apiKeys") and root.written("apiKeys") and not root.given("apiKeys"):
        what = "no keys are given, so everybody is let in"
        root.warn("apiKeys", what, "write the keys, or remove apiKeys", code="no-api-keys")
    keys = root.texts("apiKeys")
    for key in keys:
        if not key.text or " " in key.text:
            what = "an API key must not hold a blank" if key.text else "an API key must not be empty"
            scheme = SCHEME.match(key.text)
            remedy = f"leave out {scheme[1]}: clients put it before the key" if scheme else "choose another key"
            root.problems.error("api-key", key.path, key.mark, what, remedy=remedy)
    return tuple(key.text for key in keys)


def ignore_paths(upstream: Fields) -> PathPatterns:
    """``upstream.ignorePaths``; empty is the default."""
    if not upstream.given("ignorePaths"):
        return PathPatterns()
    items = upstream.texts("ignorePaths")
    if not items:
        what, remedy = (
            "an empty list means the built-in expression",
            "for none at all write one that never matches, ['$^a']",
        )
        upstream.warn("ignorePaths", what, remedy, code="empty-is-default")
    if len(items) > MOST_PATTERNS:
        upstream.error(
            "ignorePaths", f"more than {MOST_PATTERNS} expressions", "join them: (one|two|three)", code="regex"
        )
    for item in items[:MOST_PATTERNS]:
        reason = why_no_regex(item.text)
        if reason:
            remedy = "write an RE2 expression: https://github.com/google/re2/wiki/Syntax"
            what = f"this is no regular expression: {reason}"
            upstream.problems.error("regex", item.path, item.mark, what, value=f'"{item.text}"', remedy=remedy)
    return PathPatterns(tuple(item.text for item in items)) if items else PathPatterns()


def store_path(root: Fields) -> str | None:
    """``store.path``, checked against the file system; None without a store."""
    if not root.given("store"):
        return None
    store = root.section("store")
    path = trimmed(store.text("path"))
    if store.problems.broken(store.path_of("path")):
        return path
    trouble = why_no_store(path)
    if trouble:
        store.error("path", *trouble, code="store")
    return path
