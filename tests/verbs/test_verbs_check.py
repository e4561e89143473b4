"""``llamaswap check`` as a person, a script and a mean file see it: the real command, in a process of its own."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from llamaswap.config.load import load_text
from llamaswap.config.schema import Config
from llamaswap.state_dir import timings_path
from llamaswap.verbs.check_routing import beside, scheduler_in_words
from tests.config.rows import plain

COMMAND = [sys.executable, "-m", "llamaswap"]
GOOD = """\
apiKeys: [0123456789abcdef]
models:
  qwen: {cmd: "sh --port ${PORT}", aliases: ["[red]q"], ttl: 600, env: [HF_TOKEN=hunter2]}
  llama: {cmd: "sh --port ${PORT}", proxy: "http://me:hunter2@127.0.0.1:${PORT}"}
"""

Check = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    def run(*words: str, stdin: bytes = b"", **environ: str) -> subprocess.CompletedProcess[str]:
        env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])} | environ
        done = subprocess.run([*COMMAND, *words], input=stdin, capture_output=True, cwd=tmp_path, env=env, check=False)
        assert b"Traceback" not in done.stderr, done.stderr
        return subprocess.CompletedProcess(words, done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "c.yaml"
    path.write_text(GOOD)
    return path


def rows(out: str) -> list[list[str]]:
    return [line.split() for line in out.splitlines()]


def test_what_can_be_used_exits_with_0_and_shows_what_it_means(check: Check, good: Path) -> None:
    done = check("check", "c.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("the configuration can be used\n")
    assert ["qwen", "[red]q", "http://localhost:5801", "600", "s", "sh"] in rows(done.stdout)
    assert ["llama", "-", "http://***@127.0.0.1:5800", "never", "sh"] in rows(done.stdout)
    assert "One model is in memory" in done.stdout
    assert "Clients need the API key" in done.stdout
    assert "hunter2" not in done.stdout
    schema = next(line for line in done.stdout.splitlines() if line.startswith("# yaml-language-server: $schema="))
    assert json.loads(Path(schema.partition("=")[2]).read_text())["title"] == "llamaswap configuration"


def test_a_schema_that_is_named_is_not_named_again(check: Check, good: Path) -> None:
    good.write_text("# yaml-language-server: $schema=x.json\n" + GOOD)
    assert "yaml-language-server" not in check("check", "c.yaml").stdout


def test_what_cannot_be_used_exits_with_1_and_shows_where(check: Check, good: Path) -> None:
    good.write_text("modles: {}\nstartPort: x\n")
    done = check("check", "-config", "c.yaml")
    assert done.returncode == 1
    assert done.stdout == (
        "c.yaml:1:1: warning[unknown-key]: modles: unknown key, ignored\n"
        "    modles: {}\n    ^\n    did you mean models?\n"
        'c.yaml:2:12: error[type]: startPort: this must be a whole number, not text ("x")\n'
        "    startPort: x\n               ^\n    write a number, without a unit\n"
        "the configuration cannot be used: 1 error, 1 warning\n"
    )


def test_strict_makes_unknown_keys_errors(check: Check, good: Path) -> None:
    good.write_text("modles: {}\n")
    assert check("check", "c.yaml").returncode == 0
    assert check("check", "-strict", "c.yaml").returncode == 1


@pytest.mark.parametrize(
    "words",
    [
        ["check"],
        ["check", "-nonsense", "c.yaml"],
        ["check", "c.yaml", "-config", "c.yaml"],
        ["check", "c.yaml", "-listen", "x"],
        ["-check", "-nonsense"],
    ],
)
def test_what_makes_no_sense_exits_with_2(check: Check, good: Path, words: list[str]) -> None:
    done = check(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr


def test_as_a_flag_of_the_daemon(check: Check, good: Path) -> None:
    done = check("-config=c.yaml", "-check", "-listen", ":5801")
    assert done.returncode == 0
    assert "warning[listen-clash]: models.qwen.proxy" in done.stdout
    good.write_text("modles: {}\n")
    assert check("-config-dir", ".", "-check", "-strict").returncode == 1


def test_the_configuration_as_json(check: Check, good: Path) -> None:
    good.write_text(GOOD + "modles: {}\n")
    done = check("check", "--json", "c.yaml")
    assert done.returncode == 0
    assert "hunter2" not in done.stdout
    values = json.loads(done.stdout)
    assert values["models"]["qwen"]["cmd"] == "sh --port 5801"
    assert values["apiKeys"] == ["***"]
    assert "unknown-key" in done.stderr
    good.write_text("startPort: x\n")
    done = check("check", "--json", "c.yaml")
    assert (done.returncode, done.stdout) == (1, "")
    assert "error[type]" in done.stderr


def test_a_secret_variable_is_masked_wherever_it_is_used(check: Check, good: Path) -> None:
    good.write_text("models: {a: {cmd: 'nope-${env.MY_TOKEN} ${PORT} ${env.MODE}', name: '${env.MY_TOKEN}'}}")
    done = check("check", "--json", "c.yaml", MY_TOKEN="hunter2", MODE="fast-mode")
    assert "hunter2" not in done.stdout + done.stderr
    assert json.loads(done.stdout)["models"]["a"]["cmd"] == "nope-*** 5800 fast-mode"


def test_an_address_that_is_a_secret_is_masked(check: Check, good: Path) -> None:
    good.write_text("models: {a: {cmd: '${env.MY_PASS}/llama-server', proxy: '${env.SECRET}'}}")
    secrets = {"SECRET": "http://10.1.2.3:81/hunter2", "MY_PASS": "/opt/hunter2/hunter2"}
    for words in (["check", "c.yaml"], ["check", "--json", "c.yaml"]):
        done = check(*words, **secrets)
        assert done.returncode == 0
        assert "hunter2" not in done.stdout + done.stderr
        assert "10.1.2.3" not in done.stdout + done.stderr
        assert "***" in done.stdout


def test_standard_input(check: Check) -> None:
    assert "can be used" in check("check", "-", stdin=GOOD.encode()).stdout
    done = check("check", "-", stdin=b"startPort: x")
    assert (done.returncode, done.stdout.partition(": ")[0]) == (1, "standard input:1:12")


@pytest.mark.parametrize(
    "content", [b"\x00\x01\x02", b"\xff\xfe\x00", os.urandom(2000), b"\x7fELF\x02" * 99, b"%PDF-1"]
)
def test_whatever_is_in_the_file_is_a_problem_and_not_a_traceback(check: Check, good: Path, content: bytes) -> None:
    good.write_bytes(content)
    done = check("check", "c.yaml")
    assert done.returncode == 1
    assert "error[" in done.stdout


@pytest.mark.parametrize("name", [".", "missing.yaml", "no/such/dir.yaml", "\udcff.yaml"])
def test_whatever_is_named_is_a_problem_and_not_a_traceback(check: Check, name: str) -> None:
    done = check("check", name)
    assert done.returncode == 1
    assert "error[file]" in done.stdout


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(check: Check, good: Path) -> None:
    good.chmod(0)
    assert "permission denied" in check("check", "c.yaml").stdout


def test_a_directory_without_files(check: Check, tmp_path: Path) -> None:
    done = check("check", "-config-dir", ".")
    assert (done.returncode, "error[sources]" in done.stdout) == (1, True)


def test_a_file_cannot_drive_the_terminal(check: Check, good: Path) -> None:
    good.write_text(
        'models:\n  "\\e[2J[bold]x[/bold]":\n    cmd: "sh \\e]0;title\\a ${PORT}"\n    aliases: ["\\u202ea", "\\n"]\n'
        '"[red]\\e[31m": 1\nlogLevel: "\\e[31m"\nselectors: {"\\r[/]": {strategy: pin, targets: ["\\n"]}}\n'
    )
    for words in (["check", "c.yaml"], ["check", "--json", "c.yaml"]):
        done = check(*words)
        assert done.returncode == 0
        shown = done.stdout + done.stderr
        assert all(c.isprintable() or c == "\n" for c in shown)
        assert "[bold]x[/bold]" in shown


def test_a_terminal_that_knows_ascii_only(check: Check, good: Path) -> None:
    good.write_text("models: {modèle: {cmd: 'sh ${PORT}'}}\nclé: 1\n")
    done = check("check", "c.yaml", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "mod\\xe8le" in done.stdout


@pytest.mark.parametrize(("text", "code"), [(GOOD, 0), ("startPort: x\n", 1)])
def test_a_reader_that_has_enough(good: Path, text: str, code: int) -> None:
    good.write_text(text + "".join(f"x{n}: 1\n" for n in range(3000)))
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        done = subprocess.run([*COMMAND, "check", str(good)], stdout=pipe, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (code, b"")


def test_colours_on_a_terminal(good: Path) -> None:
    good.write_text("startPort: x\n")
    ours, theirs = pty.openpty()
    env = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"TERM": "xterm"}
    with subprocess.Popen([*COMMAND, "check", str(good)], stdout=theirs, stderr=theirs, env=env) as process:
        os.close(theirs)
        shown = b""
        while piece := read_or_end(ours):
            shown += piece
    os.close(ours)
    assert process.returncode == 1
    assert b"\x1b[1;31merror\x1b[0m" in shown


def read_or_end(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # how a pseudo-terminal says that nobody is left at the other end
        return b""


def config(text: str) -> Config:
    return load_text(plain(text), "c.yaml", {}).config


MODELS = "models: {a: ‹M›, b: ‹M›, c: ‹M›}↵"


def test_who_may_run_beside_whom_with_groups() -> None:
    groups = "groups: {g: {swap: false, members: [a, b]}, p: {persistent: true, exclusive: false, members: [c]}}"
    text = f"{MODELS}{groups}↵routing: {{scheduler: {{use: fifo}}}}"
    assert beside(config(text))[1] == [
        ["g", "a, b", "all together", "-", "-"],
        ["p", "c", "-", "-", "-"],
    ]
    assert beside(config(text.replace("persistent: true, ", "")))[1] == [
        ["g", "a, b", "all together", "p", "-"],
        ["p", "c", "-", "-", "g"],
    ]


def test_who_may_run_beside_whom_with_a_matrix() -> None:
    text = f"{MODELS}matrix: {{sets: {{s: a & b}}}}↵routing: {{scheduler: {{use: batch}}}}"
    assert beside(config(text))[1] == [["s", "a & b", "a, b"], ["-", "each alone", "c"]]


def test_nobody_runs_beside_anybody_under_serial() -> None:
    assert beside(config(f"{MODELS}groups: {{g: {{swap: false, members: [a, b]}}}}"))[1] == []


@pytest.mark.parametrize(
    ("scheduler", "words"),
    [
        ("{}", "one at a time. One model is in memory"),
        ("{settings: {serial: {parallel: 3, abortOrphanLoads: true}}}", "up to 3 at a time"),
        ("{use: fifo, settings: {fifo: {priority: {a: 7}, maxWait: 9}}}", "(a 7; others 0). Nobody is overtaken"),
        (
            "{use: batch, settings: {batch: {maxOvertakes: 5, maxWait: 9}}}",
            "more than 5 later ones, nor after waiting 9 s",
        ),
    ],
)
def test_the_scheduler_in_words(scheduler: str, words: str) -> None:
    assert words in scheduler_in_words(config(f"{MODELS}routing: {{scheduler: {scheduler}}}"))


def test_a_ttl_below_the_load_time_that_a_daemon_has_measured_is_told(check: Check, good: Path) -> None:
    """The daemon keeps what it measured for this very file; the check looks there."""
    state = good.parent / "state"
    state.mkdir()
    measured = {"version": 1, "models": {"qwen": {"load": [700.0, 900.0, 800.0], "stop": [], "service": []}}}
    timings_path(state, [good]).write_text(json.dumps(measured))
    told = check("check", "c.yaml", LLAMASWAP_STATE_DIR=str(state)).stdout
    assert "[ttl-below-load]: models.qwen.ttl: unloaded after 600 seconds of idleness, though loading takes 800" in told
    timings_path(state, [good]).write_text("{broken")
    assert "ttl-below-load" not in check("check", "c.yaml", LLAMASWAP_STATE_DIR=str(state)).stdout
