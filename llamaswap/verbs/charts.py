"""Small charts out of block characters. Pure."""

from collections.abc import Sequence

_BLOCKS = " ▁▂▃▄▅▆▇█"


def bars(steps: Sequence[tuple[float, int]], begin: float, end: float, width: int, most: int) -> str:
    """The highest value in each of *width* parts of the time from *begin* to *end*, as bars of up to *most*.

    *steps*: when the value changed, in order, and to what; it was 0 before. Every value above 0 is seen.
    """
    highest = [0] * width
    scale = width / (end - begin) if end > begin else 0.0
    value, part = 0, 0
    for at, changed in steps:
        reached = min(width - 1, int((at - begin) * scale))
        for between in range(part, reached + 1):
            highest[between] = max(highest[between], value)
        value, part = changed, reached
        highest[part] = max(highest[part], value)
    for between in range(part, width):
        highest[between] = max(highest[between], value)
    return "".join(_block(height, most) for height in highest)


def _block(height: int, most: int) -> str:
    if height <= 0:
        return _BLOCKS[0]
    return _BLOCKS[max(1, round(height / most * (len(_BLOCKS) - 1)))]
