"""Where the real code meets the machine that is not there: names that its modules look up, and what they find instead.

Nothing in the code knows of this. `installed` lets every module of the daemon find our `trio` (its clock, nurseries and
channels are the real ones; sockets, descriptors, threads, signals and processes are not), and in some modules a few
names more. The lower the name, the more of the real code runs: from the guard's protocol and the health probe's
connection upwards it is all real.
"""

import os
import select
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from types import ModuleType, SimpleNamespace

import trio

from llamaswap.startup import LATER
from tests.sim import calls
from tests.sim.kernel import Kernel
from tests.sim.standins import ChannelEnd, ChannelStream, Control, DisklessTimings, Timer, mute_hub
from tests.sim.waits import Poll, wait_readable, wait_writable

#: Paces of our own that would cost too many steps in a virtual hour, in seconds.
PACES: dict[str, dict[str, float]] = {
    "llamaswap.models.readiness": {"FIRST_PAUSE_S": 0.05, "LAST_PAUSE_S": 2.0, "LAST_EARLY_PAUSE_S": 1.0},
    "llamaswap.gateway.listener": {"_SWEEP_S": 60.0},
    "llamaswap.gateway.reader": {"HANGUP_POLL_S": 5.0},
    "llamaswap.telemetry.timings": {"EVERY_S": 600.0},
}


def _like(module: ModuleType, **other: object) -> ModuleType:
    """A copy of *module* in which some names mean something else."""
    copy = ModuleType(module.__name__)
    copy.__dict__.update(module.__dict__)
    copy.__dict__.update(other)
    return copy


@cache
def _our_trio() -> ModuleType:
    return _like(
        trio,
        lowlevel=_like(
            trio.lowlevel,
            wait_readable=wait_readable,
            wait_writable=wait_writable,
            notify_closing=calls.notify_closing,
        ),
        socket=_like(
            trio.socket,
            socket=lambda *_: ChannelEnd(calls.open_socket()),
            from_stdlib_socket=ChannelEnd,
        ),
        to_thread=SimpleNamespace(run_sync=calls.run_in_thread),
        run_process=calls.run_process,
        SocketStream=ChannelStream,
        open_signal_receiver=calls.open_signal_receiver,
    )


def _names(module: ModuleType) -> dict[str, object]:
    """What *module* is to find instead of what it found."""
    everywhere: dict[str, object] = {
        "trio": _our_trio(),
        "socket": _like(socket, socket=calls.open_socket, socketpair=calls.socketpair),
        "select": _like(select, poll=Poll),
        "time": _like(
            time, monotonic=trio.current_time, perf_counter=trio.current_time, time=lambda: Kernel.now.wall_s
        ),
        "threading": _like(threading, Timer=Timer),
        "fcntl": SimpleNamespace(ioctl=calls.ioctl),
    }
    some: dict[str, dict[str, object]] = {
        "llamaswap.models.process": {
            "os": _like(
                os, pipe=calls.open_pipe, fdopen=calls.fdopen, read=calls.read_pipe, set_blocking=lambda *_: None
            ),
            "sweep_life": calls.sweep_life,
        },
        "llamaswap.models.supervisor": {
            "read_process": calls.read_process,
            "tree_listens": calls.tree_listens,
            "listening_inodes": calls.listening_inodes,
            "describe_listener": calls.describe_listener,
        },
        "llamaswap.dispatcher.lives": {"os": _like(os, killpg=calls.killpg)},
        "llamaswap.shutdown": {"os": _like(os, _exit=calls.exit_now)},
        "llamaswap.daemon": {
            "ControlPlane": Control,
            "LogHub": mute_hub,
            "reclaim_orphans": list,
            "Timings": DisklessTimings,
        },
    }
    found = {name: value for name, value in everywhere.items() if isinstance(getattr(module, name, None), ModuleType)}
    return found | some.get(module.__name__, {}) | dict(PACES.get(module.__name__, {}))


ROOMS = ("dispatcher", "daemon", "reload", "shutdown", "models", "gateway", "proxy", "forecaster", "telemetry.timings")


def _modules() -> list[ModuleType]:
    prefixes = tuple(f"llamaswap.{room}" for room in ROOMS)
    return [
        module
        for name, module in list(sys.modules.items())
        if name.startswith(prefixes) and not name.startswith("llamaswap.models.guard")
    ]


@contextmanager
def installed() -> Iterator[None]:
    """While the block runs, the daemon's modules find this machine. One block at a time."""
    before: list[tuple[ModuleType, dict[str, object]]] = []
    for name in LATER:  # what a daemon imports while it runs has to be found as well
        import_module(name)
    for module in _modules():
        names = _names(module)
        before.append((module, {name: getattr(module, name) for name in names}))
        module.__dict__.update(names)
    try:
        yield
    finally:
        for module, names in before:
            module.__dict__.update(names)
