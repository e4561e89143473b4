"""The scheduler's journal on disk: files of bounded size and number, written so that nobody ever waits for the disk.

The event loop only appends to a deque; a thread turns what has gathered into text, in slices so small that the loop
hardly notices, and writes it twice a second. Whatever the disk does, requests go on: passes that cannot be written are
dropped and counted, one warning tells of it, and as soon as writing works again a new file begins with the scheduler's
whole state, so that everything that can be read can be replayed.

A killed daemon loses what came in the last half second. Nothing is ever synced: after a power cut more may be missing.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping

from llamaswap.config.journal import JournalSettings
from llamaswap.config.routing import RoutingConfig
from llamaswap.config.schema import ModelId
from llamaswap.schedule.commands import Command
from llamaswap.schedule.events import ConfigReplaced, Event, ModelRules
from llamaswap.schedule.fork import fork
from llamaswap.schedule.scheduler import Scheduler
from llamaswap.telemetry.journal_segments import Begin, Pass, Segments

log = logging.getLogger(__name__)

#: The most passes that may wait for a slow disk; about 20 MB.
QUEUE_PASSES = 50_000
#: How many passes become text in one go: some 0.2 ms, during which no other thread runs.
_SLICE = 128
_REST_S = 0.5


Scheduling = Callable[[], tuple[Scheduler, RoutingConfig]]


class JournalFile:
    """Writes a journal into a directory. `on_pass` is for the loop's thread; `close` ends it all, and blocks.

    Args:
        settings: Where, and how much.
        scheduling: Gives the scheduler at work and its settings, each time anew; it is only ever copied.
        models: What it knows of its models.
        now: What its clock shows.
    """

    def __init__(
        self, settings: JournalSettings, scheduling: Scheduling, models: Mapping[ModelId, ModelRules], now: float
    ) -> None:
        self._scheduling = scheduling
        self._machine, _ = scheduling()
        self._models = models
        self._queue: deque[Pass | Begin] = deque()
        self._missing = 0  # passes that never came into the queue
        self._dropping = False
        self._given_up = False
        self._told = ""
        self._asleep = False
        self._wake = threading.Semaphore(0)
        self._closing = threading.Event()
        self._segments = Segments(settings)
        self._begin(now)
        self._thread = threading.Thread(target=self._run, name="llamaswap-journal", daemon=True)
        self._thread.start()

    def on_pass(self, event: Event, now: float, orders: list[Command]) -> None:
        """Take down one pass of the machine, which is in the state after it. Never blocks."""
        if type(event) is ConfigReplaced:
            self._models = event.models
            if self._scheduling()[0] is not self._machine:
                self._start_over(now)
                return
        if self._dropping:
            self._missing += 1
        else:
            self._queue.append((now, event, orders))
        if self._segments.attention or self._dropping or len(self._queue) > QUEUE_PASSES:
            self._attend(now)
        if self._asleep:
            self._asleep = False
            self._wake.release()

    @property
    def dropped(self) -> int:
        """How many passes could not be written so far."""
        return self._missing + self._segments.lost

    def close(self, timeout_s: float = 1.0) -> None:
        """Write out what waits, for at most *timeout_s* (blocking); then give up on the rest. May be called again."""
        self._closing.set()
        self._wake.release()
        self._thread.join(timeout_s)

    def _attend(self, now: float) -> None:
        segments, waiting = self._segments, len(self._queue)
        segments.attention = False  # before looking: what the thread says from here on is looked at next time
        self._dropping = self._dropping or waiting > QUEUE_PASSES
        if segments.wanted or (self._dropping and waiting < QUEUE_PASSES // 2):
            segments.wanted = False
            self._begin(now)
        self._tell(segments.trouble or ("the disk is too slow" if self._dropping else ""))

    def _start_over(self, now: float) -> None:
        """Another scheduler has taken over: its part begins after this pass, which neither of them could repeat."""
        self._machine, _ = self._scheduling()
        self._missing += 1
        self._begin(now)

    def _begin(self, now: float) -> None:
        """Let a segment begin with the state of now; whatever was dropped, it continues from there."""
        if self._given_up:
            return
        _, routing = self._scheduling()
        try:
            copy = fork(self._machine)
        except Exception as error:  # a journal is no reason to end the daemon, whatever is wrong with it
            log.warning("journal: given up: the scheduler's state cannot be copied: %r", error)
            self._given_up = self._dropping = True
            return
        self._queue.append(Begin(copy, routing, self._models, now, time.time(), self._missing))
        self._dropping = False

    def _tell(self, trouble: str) -> None:
        if trouble and not self._told and not self._given_up:
            log.warning("journal: passes are being dropped: %s", trouble)
        elif self._told and not trouble:
            log.info("journal: complete again; dropped=%d", self.dropped)
        self._told = trouble

    # The thread

    def _run(self) -> None:
        while True:
            closing = self._closing.is_set()  # looked at before draining: what was queued before `close` is written
            self._drain()
            if closing:
                self._segments.close()
                return
            self._closing.wait(_REST_S)
            self._asleep = True
            if self._queue or self._closing.is_set():  # looked at after `_asleep` is set: no pass can slip between
                self._asleep = False
            else:
                self._wake.acquire()

    def _drain(self) -> None:
        passes: list[Pass] = []
        while self._queue:
            first = self._queue.popleft()
            if isinstance(first, Begin):
                self._segments.write(passes)
                passes = []
                self._segments.begin(first)
            else:
                passes.append(first)
            if len(passes) == _SLICE:
                self._segments.write(passes)
                passes = []
                time.sleep(0)  # others may have the interpreter
        self._segments.write(passes)
