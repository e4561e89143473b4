"""The daemon, with its ``config.yaml`` replaced by ``next.yaml`` beside it as soon as it has been loaded."""

import contextlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from llamaswap import cli
from llamaswap.config import load as loading


def load_and_replace(files: Sequence[Path], environ: Mapping[str, str], **how: Any) -> loading.Loaded:
    loaded = plain_load(files, environ, **how)
    with contextlib.suppress(FileNotFoundError):
        files[0].with_name("next.yaml").replace(files[0])
    return loaded


plain_load = loading.load
vars(loading)["load"] = load_and_replace
sys.exit(cli.main())
