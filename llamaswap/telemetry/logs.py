"""Every log of the daemon: its own lines, what the models print, and where both go.

::

    model pipe --> model(id) --> upstream --+  logToStdout: upstream, both
                                            +--> combined --> standard output
    our lines ---------------> proxy -------+  logToStdout: proxy, both

The monitors beside `combined` always record. What a model prints passes byte for byte; our own lines have control
characters escaped, so that no request can forge a line or drive a terminal.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import trio

from llamaswap.config.schema import LogLevel, LogSink, ModelId
from llamaswap.telemetry.go_time import make_clock
from llamaswap.telemetry.monitor import Monitor
from llamaswap.telemetry.stdout import StdoutWriter

_NUMBERS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}

_CONTROLS = [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029]
_ESCAPE_ALL = {code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" for code in _CONTROLS}
_ESCAPE_BUT_LAYOUT = {code: text for code, text in _ESCAPE_ALL.items() if code not in (0x09, 0x0A)}


class ModelLog:
    """Where one model's output goes. Outlives the model's lives: the next one goes on in the same history."""

    __slots__ = ("_onward", "monitor")

    def __init__(self, onward: Callable[[bytes], None]) -> None:
        self.monitor = Monitor()
        self._onward = onward

    def write(self, data: bytes) -> None:
        """Take in what the model printed, as it came. Never blocks."""
        self.monitor.write(data)
        self._onward(data)

    def tail(self, limit_bytes: int) -> bytes:
        """Return the last *limit_bytes* that the model printed."""
        return self.monitor.tail(limit_bytes)


class LogHub:
    """Owns the monitors and the writer to standard output. For the event loop's thread, except `LogHandler`.

    Args:
        to_stdout: Which side is printed, and so remembered in `combined`.
        level: Lines of ours below it are left out.
        time_format: See `go_time`.
        stdout_fd: Where to print; None prints nowhere. Stays the caller's.
    """

    def __init__(
        self,
        to_stdout: LogSink = "proxy",
        level: LogLevel = "info",
        time_format: str = "",
        stdout_fd: int | None = None,
    ) -> None:
        self.proxy, self.upstream, self.combined = Monitor(), Monitor(), Monitor()
        self._models: dict[ModelId, ModelLog] = {}
        self._stdout_fd = stdout_fd
        self._stdout: StdoutWriter | None = None
        self._logger: logging.Logger | None = None
        self._closed = False
        self.configure(level, time_format, to_stdout)

    def configure(self, level: LogLevel, time_format: str, to_stdout: LogSink) -> None:
        """Apply a (new) configuration. Unknown levels and formats act as info, and as no time."""
        self._shows_proxy = to_stdout in ("proxy", "both")
        self._shows_upstream = to_stdout in ("upstream", "both")
        if self._stdout is None and self._stdout_fd is not None and to_stdout != "none":
            self._stdout = StdoutWriter(self._stdout_fd)
        self._threshold = _NUMBERS.get(level, logging.INFO)
        self._clock = make_clock(time_format)
        if self._logger is not None:
            self._logger.setLevel(self._threshold)

    def model(self, model: ModelId) -> ModelLog:
        """Return the log of *model*, made when it is first asked for."""
        log = self._models.get(model)
        if log is None:
            log = self._models[model] = ModelLog(self._write_upstream)
            if self._closed:
                log.monitor.close()
        return log

    def keep_only(self, models: frozenset[ModelId]) -> None:
        """Forget the logs of all other models (a reload removed them) and end their readers."""
        for gone in self._models.keys() - models:
            self._models.pop(gone).monitor.close()

    def proxy_line(self, level: LogLevel, text: str) -> None:
        """Write one line of ours, without a detour through `logging`; line breaks in *text* are escaped."""
        if _NUMBERS[level] >= self._threshold:
            if not text.isprintable():
                text = text.translate(_ESCAPE_ALL)
            self.write_proxy(f"{self._clock()}[{level.upper()}] {text}\n".encode(errors="backslashreplace"))

    def proxy_text(self, level: LogLevel, text: str) -> None:
        """As `proxy_line`, but *text* may span lines, as a traceback does, and is not filtered by level."""
        text = text.translate(_ESCAPE_BUT_LAYOUT)
        self.write_proxy(f"{self._clock()}[{level.upper()}] {text}\n".encode(errors="backslashreplace"))

    def write_proxy(self, line: bytes) -> None:
        """Write a finished line to the proxy's side."""
        self.proxy.write(line)
        if self._shows_proxy:
            self._write_combined(line)

    def end_streams(self) -> None:
        """End every reader's stream, as shutdown's first step; lines go on being remembered and printed."""
        self._closed = True
        for monitor in (self.proxy, self.upstream, self.combined, *(log.monitor for log in self._models.values())):
            monitor.close()

    def close(self) -> None:
        """End the streams and print what waits, for at most a second (blocking): the last thing before the exit."""
        self.end_streams()
        if self._stdout is not None:
            self._stdout.close()

    @contextmanager
    def attached(self, logger: logging.Logger) -> Iterator[None]:
        """Take in what *logger* and its children log while the block runs; `configure` sets its level."""
        handler, level, propagate = LogHandler(self), logger.level, logger.propagate
        self._logger = logger
        logger.setLevel(self._threshold)
        logger.propagate = False
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate
            self._logger = None

    def _write_upstream(self, data: bytes) -> None:
        self.upstream.write(data)
        if self._shows_upstream:
            self._write_combined(data)

    def _write_combined(self, data: bytes) -> None:
        self.combined.write(data)
        if self._stdout is not None:
            self._stdout.write(data)


class LogHandler(logging.Handler):
    """Writes `logging` records to the proxy's side as ``[LEVEL] message``, from whichever thread they come.

    Make it inside `trio.run`: then a record from a worker thread is handed to the event loop (and lost if that has
    ended). Made outside, it expects one thread.
    """

    def __init__(self, hub: LogHub) -> None:
        super().__init__()
        self._hub = hub
        self._home = threading.get_ident()
        self._loop = trio.lowlevel.current_trio_token() if trio.lowlevel.in_trio_run() else None

    def createLock(self) -> None:  # noqa: N802 - the name is logging's
        """Make no lock: the hub is only touched from one thread."""
        self.lock = None

    def emit(self, record: logging.LogRecord) -> None:
        """Format *record* here, so that its arguments are read at once, and write it where the hub lives."""
        try:
            level, text = _level_of(record.levelno), self.format(record)
        except Exception:
            self.handleError(record)
            return
        if self._loop is None or threading.get_ident() == self._home:
            self._hub.proxy_text(level, text)
        else:
            with suppress(trio.RunFinishedError):
                self._loop.run_sync_soon(self._hub.proxy_text, level, text)


def _level_of(number: int) -> LogLevel:
    if number >= logging.ERROR:
        return "error"
    if number >= logging.WARNING:
        return "warn"
    return "info" if number >= logging.INFO else "debug"
