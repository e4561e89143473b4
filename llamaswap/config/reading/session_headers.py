"""``ui.activity.session_id``: the request headers in which clients name their session. Pure."""

from collections.abc import Iterable

from llamaswap.config.commands.argv import BLANKS

#: Where the file says nothing.
DEFAULT_SESSION_HEADERS = ("X-Session-ID", "X-Litellm-Session-Id")


def session_headers(names: Iterable[str]) -> tuple[str, ...]:
    """*names* trimmed, without blank ones and repeats; the first spelling of a name stays. None at all is legal too."""
    trimmed = (name.strip(BLANKS) for name in names)
    first: dict[str, str] = {}
    for name in trimmed:
        if name:
            first.setdefault(name.lower(), name)
    return tuple(first.values())
