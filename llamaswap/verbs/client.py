"""Requests to a running daemon, and every way in which that can fail, told to a person."""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from llamaswap.config.text.suggest import closest
from llamaswap.runtime_dir import foreign_daemons, live_sockets, port_of

#: For answers that need no model: a daemon that takes longer than this is stuck.
_QUICK_S = 10.0


class VerbError(Exception):
    """The verb failed; the message says why. `code` is the exit code."""

    code = 1


class UsageError(VerbError):
    """It was called in a way that cannot work."""

    code = 2


class NoDaemonError(VerbError):
    """There is no daemon to talk to."""

    code = 3


def find_socket(path: Path | None, port: int | None) -> Path:
    """Return the socket of the daemon that is meant: *path*, or that of *port*, or the only one.

    Raises:
        VerbError: there is none, or more than one and nothing says which.
    """
    if path is not None:
        return path
    live = live_sockets()
    if port is not None:
        live = [found for found in live if port_of(found) == port]
    if not live:
        raise NoDaemonError(_nobody(port))
    if len(live) > 1:
        several = "\n".join(f"  --socket {found}" for found in live)
        raise UsageError(f"several daemons run; say which by -listen :PORT or by its socket:\n{several}")
    return live[0]


class Client:
    """One daemon. Each call is a connection of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def get(self, target: str) -> Any:
        """Return the JSON that *target* answers.

        Raises:
            VerbError: it answered an error, or nothing.
        """
        with self.open("GET", target, timeout_s=_QUICK_S) as answer:
            return json.loads(answer.read())

    def order(self, action: str, model: str | None = None) -> None:
        """Have a model (or all) loaded or unloaded, and wait, for however long, until that is done.

        Raises:
            VerbError: it was not.
        """
        target = f"/api/models/{action}" + ("" if model is None else f"/{quote(model, safe='')}")
        try:
            with self.open("POST", target) as answer:
                answer.read()
        except UnknownModelError as error:
            raise VerbError(self.unknown(model or "")) from error

    def ask(self, method: str, target: str, timeout_s: float) -> tuple[int, Any]:
        """Return the status and the JSON of whatever is answered.

        Raises:
            VerbError: nothing was, or no JSON.
        """
        with self._connected(timeout_s) as connection:
            answer = _asked(connection, method, target)
            try:
                return answer.status, json.loads(answer.read())
            except ValueError as error:
                raise VerbError(f"the daemon answered {answer.status}, and no JSON") from error

    @contextmanager
    def open(self, method: str, target: str, timeout_s: float | None = None) -> Iterator[http.client.HTTPResponse]:
        """Give the answer to a request, its body unread, while the block runs.

        Raises:
            VerbError: no daemon, or an answer other than 200; also for what goes wrong while reading in the block.
        """
        with self._connected(timeout_s) as connection:
            answer = _asked(connection, method, target)
            if answer.status != http.client.OK:
                raise _error_of(answer)
            yield answer

    @contextmanager
    def _connected(self, timeout_s: float | None) -> Iterator["_UnixConnection"]:
        connection = _UnixConnection(self.path, timeout_s)
        try:
            yield connection
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise NoDaemonError(f"no daemon listens on {self.path}; start one with: llamaswap -config FILE") from error
        except PermissionError as error:
            raise NoDaemonError(f"{self.path} belongs to another user; run this as that user (sudo -u)") from error
        except TimeoutError as error:
            raise VerbError(f"the daemon does not answer within {timeout_s:.0f} s ({self.path})") from error
        except (OSError, http.client.HTTPException) as error:
            raise VerbError(f"the daemon went away: {error or type(error).__name__}") from error
        finally:
            connection.close()

    def unknown(self, model: str) -> str:
        """Say that *model* is not configured, and what may have been meant."""
        listed = self.get("/v1/models")["data"]
        names = [name for record in listed for name in (record["id"], *record["meta"]["llamaswap"].get("aliases", ()))]
        near = closest(model, names)
        hint = f"; did you mean {near}?" if near else f"; there are: {', '.join(names) or 'none'}"
        return f"no model {model!r}{hint}"


class UnknownModelError(VerbError):
    """The daemon knows no such model."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float | None) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _asked(connection: _UnixConnection, method: str, target: str) -> http.client.HTTPResponse:
    connection.request(method, target, headers={"Connection": "close", "Accept": "application/json"})
    return connection.getresponse()


def _error_of(answer: http.client.HTTPResponse) -> VerbError:
    body = answer.read().decode(errors="replace")
    try:
        message = str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        message = f"the daemon answered {answer.status}: {body.strip()[:200]}"
    unknown = answer.status == http.client.NOT_FOUND or message.startswith("invalid logger")
    return UnknownModelError(message) if unknown else VerbError(message.removeprefix("unspecific error: "))


def _nobody(port: int | None) -> str:
    where = "" if port is None else f" on port {port}"
    others = foreign_daemons()
    hint = f" (there may be one of {', '.join(others)}: run this as that user)" if others else ""
    return f"no daemon runs{where}{hint}; start one with: llamaswap -config FILE"
