"""The command line: what is refused and how, and that every flag offered really reaches llama.cpp."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from llamaswap.embedded.commandline import parse, usage
from llamaswap.embedded.flags import BY_NAME, FLAGS
from llamaswap.embedded.values import FlagError, Member


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "llamaswap.embedded", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_no_name_is_given_to_two_flags() -> None:
    assert len(BY_NAME) == sum(len(flag.names) for flag in FLAGS)


@pytest.mark.parametrize(
    ("words", "settings"),
    [
        (["--port", "1"], [("port", 1)]),
        (["--port=1"], [("port", 1)]),
        (["-np", "1", "--parallel", "2"], [("n_parallel", 1), ("n_parallel", 2)]),
        (["--keep", "-1"], [("n_keep", -1)]),
        (["--host", "::1"], [("hostnames", ["::1"])]),
        (["-a", "a, b"], [("model_alias", {"a", "b"})]),
        (["-ngl", "all"], [("n_gpu_layers", -2)]),
        (["--seed", "-1"], [("sampling.seed", 2**32 - 1)]),
        (["--slot-save-path", "/s"], [("slot_save_path", "/s/")]),
        (["-fa", "on"], [("flash_attn_type", Member("llama_flash_attn_type", "LLAMA_FLASH_ATTN_TYPE_ENABLED"))]),
        (["--chat-template", "a=b"], [("chat_template", "a=b")]),
    ],
)
def test_words_become_settings(words: list[str], settings: list[object]) -> None:
    assert parse(words) == settings


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--ctxsize", "1"], "unknown flag --ctxsize; did you mean --ctx-size?"),
        (["-hf", "someone/model"], "unknown flag -hf"),
        (["model.gguf"], "unexpected argument 'model.gguf'"),
        (["--port"], "--port needs a value: --port N"),
        (["--port", "x"], "--port: expected a whole number, not 'x'"),
        (["--temp", "warm"], "--temp: expected a number, not 'warm'"),
        (["--pooling", "max"], "--pooling: expected one of none, mean, cls, last, rank, not 'max'"),
        (["--metrics=on"], "--metrics takes no value"),
        (["--chat-template-file", "/nowhere"], "--chat-template-file: cannot read /nowhere: No such file or directory"),
    ],
)
def test_what_is_wrong_is_named(words: list[str], problem: str) -> None:
    with pytest.raises(FlagError) as caught:
        parse(words)
    assert str(caught.value).startswith(problem)


def test_the_help_names_every_flag() -> None:
    result = run("--help")
    assert (result.returncode, result.stdout, result.stderr) == (0, usage() + "\n", "")
    assert all(name in result.stdout for name in BY_NAME)


def test_an_unknown_flag_exits_2_and_a_missing_model_1(tmp_path: Path) -> None:
    wrong = run("-m", "x.gguf", "--prot", "1")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "unknown flag --prot; did you mean --port?" in wrong.stderr
    none = run("--port", "1")
    assert (none.returncode, "which model?" in none.stderr) == (2, True)
    missing = run("-m", str(tmp_path / "x.gguf"))
    assert (missing.returncode, missing.stderr) == (1, f"llamaswap.embedded: no model file at {tmp_path}/x.gguf\n")
    folder = run("-m", str(tmp_path))
    assert (folder.returncode, folder.stderr) == (1, f"llamaswap.embedded: {tmp_path} is not a file\n")


@pytest.mark.embedded
def test_a_file_that_is_no_model_exits_1_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"GGUF" * 100)
    result = run("-m", str(tmp_path / "x.gguf"), "--port", "0")
    assert result.returncode == 1
    assert (
        "llama.cpp could not serve the model; its reason is in the lines above\n" in result.stderr
    )  # threads still log
    assert "Traceback" not in result.stderr


#: Applies one flag after the other to fresh parameters and reports those that change nothing, or fail.
EACH_FLAG = """
import json, sys
import xllamacpp
from llamaswap.embedded.commandline import apply, parse

def read(params, path):
    for name in path.split("."):
        params = getattr(params, name)
    return str(params)

wrong = {}
for words in json.loads(sys.argv[1]):
    settings, params = parse(words), xllamacpp.CommonParams()
    before = [read(params, path) for path, _ in settings]
    try:
        apply(settings, params, xllamacpp)
    except Exception as problem:
        wrong[words[0]] = repr(problem)
    else:
        if any(old == read(params, path) for old, (path, _) in zip(before, settings)):
            wrong[words[0]] = "changes nothing"
print(json.dumps(wrong))
"""
#: Flags that ask for what is the default anyway; they must be taken, and change nothing.
ALREADY_SO = {"-cb", "--warmup", "--no-context-shift", "--cache-prompt", "--jinja", "--slots", "--webui"}
ARGUMENTS = {
    "N": "77", "X": "0.25", "SECONDS": "77", "MIB": "77", "KIND": "none", "MODE": "none", "TYPE": "q8_0", "DIR": "/s",
}  # fmt: skip
SPECIAL = {"-fa": "off", "--chat-template-file": __file__}


@pytest.mark.embedded
def test_every_flag_reaches_llama_cpp() -> None:
    commands = []
    for flag in FLAGS:
        name = flag.names[0]
        value = SPECIAL.get(name) or ARGUMENTS.get(flag.value, "some/text")
        commands.append([name, value] if flag.value else [name])
    program = [sys.executable, "-c", EACH_FLAG, json.dumps(commands)]
    result = subprocess.run(program, capture_output=True, text=True, timeout=60, check=True)
    wrong = json.loads(result.stdout)
    assert {name for name, reason in wrong.items() if reason == "changes nothing"} == ALREADY_SO
    assert set(wrong) == ALREADY_SO, wrong
