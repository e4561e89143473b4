"""Flags as Go's flag package reads them, and what the command line says about mistakes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from llamaswap import cli
from llamaswap.flags import UsageError, parse_flags

Err = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    "words",
    [
        ["-config", "f", "-strict", "-listen=:1"],
        ["--config=f", "--strict=true", "--listen", ":1"],
        ["-config", "other", "-config", "f", "-strict=1", "-listen", ":1"],
    ],
)
def test_one_dash_or_two_and_the_last_one_wins(words: list[str]) -> None:
    flags = parse_flags(words)
    assert (flags.config, flags.strict, flags.listen, flags.watch_config) == ("f", True, ":1", False)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-confg", "x"], r"unknown flag -confg; did you mean -config\?"),
        (["-config"], "flag -config needs a value"),
        (["-strict=maybe"], "flag -strict: 'maybe' is neither true nor false"),
        (["PS"], r"unexpected argument 'PS'; did you mean ps\?"),
        (["config.yaml"], "unexpected argument 'config.yaml'"),
    ],
)
def test_mistakes_are_told_with_a_remedy(words: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_flags(words)


def test_a_mistake_in_the_flags_exits_with_2_and_ends_with_the_mistake(capsys: Err) -> None:
    assert cli.main(["-confg", "x"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "llamaswap: unknown flag -confg; did you mean -config?"


@pytest.mark.parametrize("words", [["help"], ["-h"], ["--help"], ["serve", "-help"]])
def test_help_is_no_mistake(words: list[str], capsys: Err) -> None:
    assert cli.main(words) == 0
    assert capsys.readouterr().err.startswith("Usage: llamaswap [serve] -config FILE")


def test_version(capsys: Err) -> None:
    assert cli.main(["-version"]) == 0
    assert capsys.readouterr().out.startswith("version: 0.")


def test_no_configuration_and_half_a_tls_pair_exit_with_1(tmp_path: Path, capsys: Err) -> None:
    assert cli.main([]) == 1
    assert "Give -config FILE or -config-dir DIR" in capsys.readouterr().err
    assert cli.main(["-config", str(tmp_path / "c.yaml"), "-tls-cert-file", "x"]) == 1
    assert "needs both -tls-cert-file and -tls-key-file" in capsys.readouterr().err


GOOD = "models: {a: {cmd: 'sh --port ${PORT}'}}"


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", [["check", "-"], ["check", "-h"], ["-version"]], ids=str)
def test_a_full_disk_is_told_in_one_line(words: list[str], unbuffered: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "llamaswap", *words],
            stdout=full, stderr=subprocess.PIPE, input=GOOD, text=True, check=False,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (
        1,
        "llamaswap: the output cannot be written: No space left on device\n",
    )


@pytest.mark.parametrize("words", ["check -", "-version"])
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_streams_that_came_closed_are_nobodys_loss(words: str, closed: str) -> None:
    command = f"exec {sys.executable} -m llamaswap {words} {closed}"
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, input=GOOD, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "module"),
    [
        (["check", "-"], "llamaswap.verbs.check_tables"),
        (["check", "-"], "rich.console"),
        (["import"], "llamaswap.verbs.importing"),
        (["-config", os.devnull], "llamaswap.configfiles"),
        (["-config", os.devnull], "llamaswap.daemon"),
    ],
)
def test_an_interrupt_during_imports_is_no_traceback(words: list[str], module: str) -> None:
    script = f"""
import os, signal, sys
class Interrupt:
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
from llamaswap.cli import main
sys.exit(main({words!r}))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, input=GOOD, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
