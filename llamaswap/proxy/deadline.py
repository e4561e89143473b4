"""By when a request must be granted to be of any use: what its client says, else what is configured. Pure."""

from llamaswap.errors import BadRequestError
from llamaswap.proxy.request import Request

HEADER = b"x-request-deadline-ms"
#: No deadline is further away than a hundred years.
_MOST_DIGITS = 13


def deadline_of(request: Request, default_s: float) -> float | None:
    """Seconds from now until *request*'s answer must begin; None: it waits for as long as it takes.

    Args:
        default_s: For a request that says nothing; 0 means none.

    Raises:
        BadRequestError: what the client says is no number of milliseconds.
    """
    told = request.known.get(HEADER)
    if told is None:
        return default_s or None
    if not told.isdigit() or len(told) > _MOST_DIGITS or not int(told):
        raise BadRequestError(
            f"X-Request-Deadline-Ms: {told[:40].decode(errors='replace')!r} is no positive whole number of "
            "milliseconds; write for example 30000"
        )
    return int(told) / 1000
