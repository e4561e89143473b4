"""The command line's verbs on a running daemon: ``ps``, ``load``, ``unload``, ``logs``.

They speak HTTP over the daemon's private Unix socket. No trio here, and rich only where somebody looks.
"""

from llamaswap.verbs.main import main

__all__ = ["main"]
