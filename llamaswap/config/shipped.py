"""Files that come with the program: in ``configs/`` of a checkout, and inside the package once it is installed."""

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]


def shipped(name: str) -> Path:
    """The path of *name*, such as ``config-schema.json`` or ``example.yaml``."""
    installed = _PACKAGE / "configs" / name
    return installed if installed.exists() else _PACKAGE.parent / "configs" / name
