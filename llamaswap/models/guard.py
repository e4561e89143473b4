"""The guard: a program of its own between the daemon and one model's process tree.

It starts the model, reports its end, and exits last, when no descendant is left. As child subreaper it inherits every
process whose parent ends, however it forked, so "I have no children" means "the tree is gone". When the daemon dies, by
whatever cause, the socket on descriptor 0 reports end of file and the tree is taken down.

Descriptors: 0 the socket to the daemon, 1 and 2 the model's output, which the guard only hands on.

Orders:
    ``start LEFTOVER_GRACE PATH ARGC ARGV... ENV...``
    ``stop GRACE [PATH ARGV...]``: SIGTERM or the stop command, and SIGKILL later; again to hurry it
Reports:
    ``spawned PID``, ``failed ERRNO MESSAGE``: of the start
    ``exited code|signal N``: the model's own process; ``swept COUNT``: the tree is gone (the last report)
    ``stopper code|signal N``, ``stopper failed MESSAGE``: of the stop command
    ``stuck PID...``: these survive SIGKILL

Its start is part of each swap's cost, so it imports next to nothing.
"""

import _signal  # type: ignore[import-not-found]  # has no stub; the public module's enums cost 4 ms
import os
import select
import time

from llamaswap.models.proctable import Process, descendants, process_table, signal_process
from llamaswap.models.protocol import Unpacker, pack

DAEMON = 0
ORPHAN_GRACE_S = 1.0  # after the daemon's death: 10 s are promised, and nobody is left to wait for an answer
STUCK_AFTER_S = 5.0  # SIGKILL works at once, or not before the kernel lets go of a device
NEVER = float("inf")

PR_SET_NAME = 15
PR_SET_CHILD_SUBREAPER = 36

IGNORED = (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP, _signal.SIGQUIT)
RESET = [number for number in range(1, 32) if number not in (_signal.SIGKILL, _signal.SIGSTOP)]


def main() -> None:
    """Run until no descendant is left."""
    for number in IGNORED:
        _signal.signal(number, _signal.SIG_IGN)
    Guard(adopts=become_subreaper()).run()
    os._exit(0)  # the interpreter's own tidying takes longer than everything else at a stop


def become_subreaper() -> bool:
    """Inherit orphaned descendants; False where the system knows no such thing."""
    try:
        import _ctypes  # noqa: PLC0415 (ctypes proper costs 5 ms, and some builds have neither)

        prctl = _ctypes.dlsym(_ctypes.dlopen("", 0), "prctl")
        _ctypes.call_function(prctl, (PR_SET_NAME, b"llamaswap-guard"))
        return bool(_ctypes.call_function(prctl, (PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)) == 0)
    except (ImportError, AttributeError, OSError):
        return False


class Guard:
    """One model's tree. `adopts`: orphans become our children, and we need not look at process groups."""

    def __init__(self, adopts: bool) -> None:
        self._adopts = adopts
        self._inbox = Unpacker()
        self._env: dict[str, str] = {}
        self._leader = 0
        self._leader_gone = False
        self._leftover_grace = 0.0
        self._stopper = 0
        self._stopping = False
        self._orphaned = False
        self._kill_at = NEVER
        self._first_kill = NEVER
        self._pause = 0.005
        self._stuck_reported = False
        self._asked: set[tuple[int, int]] = set()
        self._killed: set[tuple[int, int]] = set()
        self._children_wake, wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK) if hasattr(os, "pipe2") else os.pipe()
        os.set_blocking(wake, False)
        _signal.signal(_signal.SIGCHLD, lambda *_: None)
        _signal.set_wakeup_fd(wake)
        self._poll = select.poll()
        self._poll.register(DAEMON, select.POLLIN)
        self._poll.register(self._children_wake, select.POLLIN)

    def run(self) -> None:
        """Serve orders and watch the tree until it is gone."""
        while True:
            for descriptor, _ in self._poll.poll(self._timeout_ms()):
                if descriptor == DAEMON:
                    self._hear()
                else:
                    os.read(self._children_wake, 4096)
            if not self._tree_lives() and (self._leader_gone or self._stopping):
                break
            self._press(time.monotonic())
        self._report("swept", str(len(self._killed)))

    def _timeout_ms(self) -> float | None:
        if self._leader_gone and not self._adopts:
            return 50.0  # what others are the parents of ends without a signal to us
        if self._kill_at == NEVER:
            return None
        return max(0.0, self._kill_at - time.monotonic()) * 1000 + 1

    def _hear(self) -> None:
        try:
            data = os.read(DAEMON, 65536)
        except OSError:
            data = b""
        if not data:
            self._mourn()
        for order, *fields in self._inbox.feed(data):
            if order == "start":
                self._start(fields)
            else:
                self._stop(float(fields[0]), fields[1:])

    def _mourn(self) -> None:
        """The daemon is dead: nobody needs this tree any more."""
        self._poll.unregister(DAEMON)
        self._orphaned = self._stopping = True
        self._kill_at = min(self._kill_at, time.monotonic() + ORPHAN_GRACE_S)
        self._ask_all()

    def _start(self, fields: list[str]) -> None:
        grace, path, count, *rest = fields
        self._leftover_grace = float(grace)
        argv, entries = rest[: int(count)], rest[int(count) :]
        self._env = dict(entry.split("=", 1) for entry in entries)
        try:
            self._leader = self._spawn(path, argv)
        except (OSError, ValueError) as error:
            self._leader_gone = True
            self._report("failed", str(getattr(error, "errno", 0)), getattr(error, "strerror", None) or str(error))
        else:
            self._report("spawned", str(self._leader))

    def _spawn(self, path: str, argv: list[str]) -> int:
        """Spawn in a session of its own, with nothing of ours but the output."""
        empty = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
        try:
            return os.posix_spawn(
                path, argv, self._env, file_actions=empty, setsid=True, setsigmask=[], setsigdef=RESET
            )
        except NotImplementedError:
            return os.posix_spawn(
                path, argv, self._env, file_actions=empty, setpgroup=0, setsigmask=[], setsigdef=RESET
            )

    def _stop(self, grace: float, command: list[str]) -> None:
        self._kill_at = min(self._kill_at, time.monotonic() + grace)
        if self._stopping:
            return
        self._stopping = True
        if self._leader_gone or not self._leader:
            return
        if not (command and self._run_stopper(command)):
            self._signal_group(_signal.SIGTERM)
            self._signal_group(_signal.SIGCONT)  # a suspended process would sleep through its grace

    def _run_stopper(self, command: list[str]) -> bool:
        path, *argv = [word.replace("${PID}", str(self._leader)) for word in command]
        try:
            self._stopper = self._spawn(path, argv)
        except (OSError, ValueError) as error:
            self._report("stopper", "failed", str(error))
            return False
        return True

    def _tree_lives(self) -> bool:
        """Collect what ended; False when nothing is left to end."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return not self._adopts and self._signal_group(0)
            if pid == 0:
                return True
            if pid == self._leader and not self._leader_gone:
                self._leader_gone = True
                if not self._stopping:
                    self._kill_at = time.monotonic() + self._leftover_grace
                self._report("exited", *ending(status))
            elif pid == self._stopper:
                self._stopper = 0
                self._report("stopper", *ending(status))

    def _press(self, now: float) -> None:
        """Bring on the end of what should end: first ask, then force."""
        if now >= self._kill_at:
            self._kill_all(now)
        elif self._orphaned or (self._leader_gone and not self._stopper):
            # The stop command of a container often outlives the client it stops; it may finish first.
            self._ask_all()

    def _ask_all(self) -> None:
        for process in self._descendants():
            key = (process.pid, process.start)
            if key not in self._asked:
                self._asked.add(key)
                signal_process(process, _signal.SIGTERM)
                signal_process(process, _signal.SIGCONT)
        if not self._adopts:
            self._signal_group(_signal.SIGTERM)

    def _kill_all(self, now: float) -> None:
        self._signal_group(_signal.SIGKILL)
        alive = self._descendants()
        for process in alive:
            self._killed.add((process.pid, process.start))
            signal_process(process, _signal.SIGKILL)
        self._first_kill = min(self._first_kill, now)
        if now - self._first_kill > STUCK_AFTER_S and not self._stuck_reported:
            self._stuck_reported = True
            self._report("stuck", *(str(process.pid) for process in alive))
        self._pause = min(self._pause * 1.5, 0.5)
        self._kill_at = now + self._pause  # again, until the table shows none: they may have forked meanwhile

    def _descendants(self) -> list[Process]:
        return descendants(process_table(), os.getpid())

    def _signal_group(self, signum: int) -> bool:
        """Signal the model's process group, if its number is surely still its own; False when nobody was there."""
        if not self._leader or (self._leader_gone and self._adopts):
            return False
        try:
            os.killpg(self._leader, signum)
        except OSError:
            return False
        return True

    def _report(self, *fields: str) -> None:
        try:
            os.write(DAEMON, pack(*fields))
        except OSError:
            return  # the daemon is dead; the end of file follows and says the rest


def ending(status: int) -> tuple[str, str]:
    """How a wait status reads: ``code N`` or ``signal N``."""
    if os.WIFSIGNALED(status):
        return "signal", str(os.WTERMSIG(status))
    return "code", str(os.waitstatus_to_exitcode(status))
