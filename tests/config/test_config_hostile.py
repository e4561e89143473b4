"""Files made to hurt: each is refused or read in bounded time and memory, whatever it repeats, nests or refers to."""

import os
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from llamaswap.config.load import load_text
from llamaswap.errors import ConfigError

#: Seconds of processor time; a quiet machine needs less than two for the longest.
MOST_S = float(os.environ.get("LLAMASWAP_HOSTILE_SECONDS", "10"))
MOST_BYTES = 1 << 30
LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 100)
)
MERGES = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 9))


def model(cmd: str, more: str = "") -> str:
    return f"models: {{a: {{cmd: '{cmd}', proxy: 'http://h'{more}}}}}\n"


def entries(line: Callable[[int], str], count: int = 30_000) -> str:
    return "".join(line(n) + "\n" for n in range(count))


def doubling(count: int) -> str:
    macros = "macros:\n  m0: xxxxxxxxxx\n" + "".join(f"  m{n}: ${{m{n - 1}}}${{m{n - 1}}}\n" for n in range(1, count))
    return macros + model(f"${{m{count - 1}}}")


#: A name, the text, and what the first problem says; an empty text means that the file is read.
HOSTILE: dict[str, tuple[Callable[[], str], str]] = {
    "16 MB of brackets": (lambda: "[" * (16 << 20), "nested"),
    "braces": (lambda: "{a: " * 100_000, "nested more than 100 levels deep"),
    "dashes": (lambda: "- " * 100_000, "nested more than 100 levels deep"),
    "steps": (lambda: "".join(" " * n + "a:\n" for n in range(2000)), "nested more than 100 levels deep"),
    "laughs": (lambda: LAUGHS, "more than 100000 values"),
    "merges": (lambda: MERGES, "more than 100000 values"),
    "100 000 keys": (lambda: entries(lambda n: f"k{n}: 1", 100_000), "more than 100000 values"),
    "unknown keys": (lambda: entries(lambda n: f"k{n}: 1", 45_000), ""),
    "unknown keys of a model": (lambda: "models:\n  a:\n" + entries(lambda n: f"    aliasse{n}: 1"), "no command"),
    "one long line": (lambda: "{" + entries(lambda n: f"k{n}: 1, ").replace("\n", "") + "}", ""),
    "models": (lambda: "models:\n" + entries(lambda n: f"  m{n}: {{cmd: 'x ${{PORT}}'}}", 16_000), ""),
    "a key twice, often": (lambda: "models:\n" + "  m: 1\n" * 45_000, "stands here twice"),
    "a wrong value, often": (lambda: "models:\n" + entries(lambda n: f"  m{n}: 1", 45_000), "must be a mapping"),
    "16 MB of text": (lambda: "a: " + "x" * (16 << 20), ""),
    "16 MB of key": (lambda: "x" * (16 << 20) + ": 1", "no quotes"),
    "16 MB of digits": (lambda: "startPort: " + "9" * (16 << 20), "must be a whole number"),
    "a long command": (lambda: model("x " * 2_000_000), ""),
    "a command of $PORT": (lambda: model("$PORT " * 200_000), ""),
    "a command of braces": (lambda: model("${ " * 200_000), ""),
    "blanks in a reference": (lambda: model("${" + " " * 100_000), ""),
    "unknown macros": (lambda: model("".join(f"${{a{n}}}" for n in range(100_000))), "there is no macro ${a0}"),
    "unset variables": (lambda: "a: " + "".join(f"${{env.U{n}}}" for n in range(90_000)), "U0 is not set"),
    "many variables": (lambda: "a: " + "${env.A}" * 1_000_000, "more than 100000 references"),
    "a long variable, often": (lambda: "a: " + "${env.LONG}" * 90_000, "makes this file too long"),
    "doubling": (lambda: doubling(30), "macros make this text too long"),
    "much doubling": (lambda: doubling(1000), "macros make this text too long"),
    "many macros": (lambda: "macros:\n" + entries(lambda n: f"  m{n}: x"), "more than 1000 macros in one block"),
    "macros and models": (
        lambda: (
            "macros:\n"
            + entries(lambda n: f"  m{n}: x", 1000)
            + "models:\n"
            + entries(lambda n: f"  a{n}: {{cmd: 'x ${{m7}} ${{m999}}', proxy: 'http://h'}}", 12_000)
        ),
        "",
    ),
    "aliases": (lambda: model("x", f", aliases: [{', '.join(f'n{n}' for n in range(90_000))}]"), ""),
    "an alias, often": (lambda: model("x", f", aliases: [{'n, ' * 90_000}]"), "given twice"),
    "a regular expression": (lambda: f"upstream: {{ignorePaths: ['{'(a|b)' * 500_000}']}}", "too large"),
    "regular expressions": (
        lambda: f"upstream: {{ignorePaths: [{', '.join(f'x{n}' for n in range(90_000))}]}}",
        "more than 100 expressions",
    ),
    "parentheses": (lambda: "models: {a: }\nmatrix: {sets: {s: '" + "(" * 1_000_000 + "'}}", "64 parentheses"),
    "dates": (lambda: entries(lambda n: f"k{n}: 2024-01-01T00:00:00+02:00"), ""),
    "typographic quotes": (lambda: entries(lambda n: f"k{n}: “x"), ""),
    "comments": (lambda: entries(lambda n: f"k{n}: x #y -z"), ""),
    "a quotation mark": (lambda: "a: '" + "x\n" * 1_000_000, "never closed"),
    "16 MB of line breaks": (lambda: "\n" * (16 << 20), ""),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_decided_in_bounded_time(name: str) -> None:
    text, says = HOSTILE[name]
    written = text()
    started = time.process_time()
    try:
        load_text(written, "c.yaml", {"A": "1", "LONG": "x" * 100_000})
        found = ""
    except ConfigError as error:
        found = str(error)
    assert time.process_time() - started < MOST_S
    assert says in found.partition("\n")[2] if says else found == ""
    assert len(found) < 300_000, "nobody can read more"


MEMORY_PROGRAM = """
import resource, sys
sys.path.insert(0, {tests!r})
from test_config_hostile import HOSTILE, MOST_BYTES
from llamaswap.config.load import load_text
from llamaswap.errors import ConfigError
text = HOSTILE[sys.argv[1]][0]()
resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
try:
    load_text(text, "c.yaml", {{"A": "1", "LONG": "x" * 100_000}})
except ConfigError:
    pass
print("decided")
"""


@pytest.mark.parametrize(
    "name", ["16 MB of brackets", "laughs", "many variables", "a long variable, often", "much doubling", "models"]
)
def test_a_hostile_file_is_decided_in_bounded_memory(name: str) -> None:
    """A process that may have one GiB in all, the interpreter included, reads it without running out."""
    program = MEMORY_PROGRAM.format(tests=os.path.dirname(__file__))  # noqa: PTH120 (one line for a path of text)
    run = subprocess.run([sys.executable, "-c", program, name], capture_output=True, text=True, check=False, timeout=60)
    assert run.stdout == "decided\n", run.stderr[-500:]


def test_the_limit_of_memory_is_felt() -> None:
    """The test above could not fail if the limit did not hold."""
    program = (
        f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({MOST_BYTES}, {MOST_BYTES})); b'x' * {MOST_BYTES}"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert "MemoryError" in run.stderr
