"""Start-up that cannot succeed: one clear message, the right exit code, no traceback, nobody left."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import StartDaemon
from tests.e2e.running import MARK, ROOT, fake, marked

pytestmark = pytest.mark.e2e

GOOD = "models:\n  a:\n    cmd: sleep 86400\n    proxy: http://127.0.0.1:9\n    checkEndpoint: none\n"


def run(tmp_path: Path, *arguments: str, text: str | None = None, **environment: str | None) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a program that must end by itself, leaving nobody."""
    mark = str(tmp_path)
    config = [] if text is None else ["-config", _write(tmp_path / "config.yaml", text)]
    inherited = {**os.environ, "LLAMASWAP_RUNTIME_DIR": str(tmp_path / "run"), MARK: mark, **environment}
    done = subprocess.run(
        [sys.executable, "-m", "llamaswap", *config, *arguments],
        cwd=ROOT,
        env={name: value for name, value in inherited.items() if value is not None},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stdout + done.stderr
    assert marked(mark) == []
    return done.returncode, done.stdout, done.stderr


def _write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_version_and_help(tmp_path: Path) -> None:
    for flag in ("-version", "--version"):
        code, out, err = run(tmp_path, flag)
        assert (code, err) == (0, "")
        assert re.fullmatch(r"version: \S+ \(.+\), built at .+\n", out)
    for flag in ("-h", "--help"):
        code, _, err = run(tmp_path, flag)
        assert code == 0
        assert "-listen ADDR" in err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["-lisen", ":1"], 2, "unknown flag -lisen; did you mean -listen?"),
        (["-listen"], 2, "flag -listen needs a value"),
        (["serv"], 2, "unexpected argument 'serv'"),
        ([], 1, "which configuration? Give -config FILE or -config-dir DIR"),
        (["-config", "/no/such/file"], 1, "/no/such/file"),
        (["-config", "/"], 1, "/: is a directory"),
        (["-config-dir", "/no/such/directory"], 1, "/no/such/directory"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_flags_that_cannot_be_used(tmp_path: Path, arguments: list[str], code: int, message: str) -> None:
    assert run(tmp_path, *arguments)[0] == code
    assert message in run(tmp_path, *arguments)[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-listen", "nonsense"], "expected HOST:PORT"),
        (["-listen", "192.0.2.1:0"], "this machine has no such address"),
        (["-tls-cert-file", "cert.pem"], "TLS needs both -tls-cert-file and -tls-key-file"),
        (["-tls-cert-file", "/no/cert", "-tls-key-file", "/no/key"], "cannot use the TLS pair"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_address_that_cannot_be_served(tmp_path: Path, arguments: list[str], message: str) -> None:
    code, _, err = run(tmp_path, *arguments, text=GOOD)
    assert code == 1
    assert message in err


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        code, _, err = run(tmp_path, "-listen", address, text=GOOD)
    assert code == 1
    assert err.startswith(f"llamaswap: cannot listen on {address}: Address already in use: another program listens")


def test_every_mistake_in_a_configuration_is_told_at_once(tmp_path: Path) -> None:
    text = "models:\n  a:\n    cmd: [1, 2]\n    ttl: soon\n  b:\n    cmd: server ${PORTS}\nstartPort: many\n"
    code, _, err = run(tmp_path, "-listen", "127.0.0.1:0", text=text)
    assert code == 1
    places = re.findall(r"config\.yaml:(\d+):\d+: ([\w.]+): ", err)
    assert {path for _, path in places} >= {"models.a.cmd", "models.a.ttl", "models.b.cmd", "startPort"}, err
    assert ("4", "models.a.ttl") in places


def test_an_unknown_key_warns_and_is_an_error_when_strict(tmp_path: Path, daemon: StartDaemon) -> None:
    code, _, err = run(tmp_path, "-strict", "-listen", "127.0.0.1:0", text=GOOD + "logLevle: info\n")
    assert code == 1
    assert "did you mean logLevel?" in err
    running = daemon({"a": fake("a")}, logLevle="info")
    running.log.wait(r"^\[WARN\] config: .*logLevle: unknown key, ignored")
    running.log.wait(r"did you mean logLevel\?")


def test_a_runtime_directory_that_cannot_be_had(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    code, _, err = run(tmp_path, "-listen", "127.0.0.1:0", text=GOOD, LLAMASWAP_RUNTIME_DIR=str(file / "run"))
    assert code == 1
    assert err.count("\n") == 1
    assert "set LLAMASWAP_RUNTIME_DIR to a directory that can be written" in err
    code, _, err = run(tmp_path, "-listen", "127.0.0.1:0", text=GOOD, LLAMASWAP_RUNTIME_DIR="/proc/run")
    assert code == 1
    assert err.count("\n") == 1


def test_no_home_a_c_locale_and_no_path(daemon: StartDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "LANG", "PATH", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LC_ALL", "C")
    running = daemon({"größe": fake("a"), "a": fake("a")})
    assert running.chat("größe").status == 200
    assert running.get("/upstream/gr%C3%B6%C3%9Fe/echo").status == 200
    assert "größe" in running.get("/logs").text


def test_an_open_address_without_keys_warns(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a")}, "-listen", "0.0.0.0:0")
    running.log.wait("every machine that can reach this address may use it")


def test_a_second_daemon_beside_the_first(daemon: StartDaemon) -> None:
    """Each has its own port, socket and models; the end of one does not touch the other's."""
    first, second = daemon({"a": fake("a")}), daemon({"a": fake("a")})
    assert first.chat("a").status == second.chat("a").status == 200
    first.end()
    assert second.running() == [("a", "ready")]
