"""How a command becomes words: every vector of the specification, and the slips that are kept with a warning."""

import time

import pytest

from llamaswap.config.commands.argv import split, without_comments

VECTORS = [
    ("srv  -m  x.gguf", ["srv", "-m", "x.gguf"]),
    ("srv \"a b\" 'c d'", ["srv", "a b", "c d"]),
    ("srv a\\ b \"\" ''", ["srv", "a b", "", ""]),
    ('srv pre"mid dle"post', ["srv", "premid dlepost"]),
    ('srv \'{"k": 1}\' {"k":1}', ["srv", '{"k": 1}', "{k:1}"]),
    (r'srv "a\$b \`c \"d \\e \f"', ["srv", r'a$b `c "d \e \f']),
    (r"srv 'a\b'", ["srv", r"a\b"]),
    (r"srv a\nb", ["srv", "anb"]),
    ("srv -a \\\n-b", ["srv", "-a", "-b"]),
    ('srv "one\\\ntwo"', ["srv", "one \ntwo"]),
    ("srv -a\n# note\n-b", ["srv", "-a", "-b"]),
    ("srv -a # note", ["srv", "-a", "#", "note"]),
    ('srv "x\n# y\nz"', ["srv", "x\nz"]),
    ('srv "open end', ["srv", "open end"]),
    ("srv \\", ["srv"]),
    (r"srv a \\", ["srv", "a", " "]),
    ("srv $HOME ~ *.x | y", ["srv", "$HOME", "~", "*.x", "|", "y"]),
    ("srv a\rb", ["srv", "a\rb"]),
    ('""', [""]),
    ("", []),
    ("# only\n", []),
]


@pytest.mark.parametrize(("text", "words"), VECTORS)
def test_the_vectors_of_the_specification(text: str, words: list[str]) -> None:
    assert list(split(text).words) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("srv\t-a\n\n-b ", ["srv", "-a", "-b"]),
        ("srv 'open\nend", ["srv", "open\nend"]),
        ('srv "ends in \\', ["srv", "ends in  "]),
        ("srv a\u00a0b", ["srv", "a\u00a0b"]),
        ("  \u00a0# note\nsrv", ["srv"]),
        ("srv a''b", ["srv", "ab"]),
        ("   \n\t", []),
    ],
)
def test_more_of_the_grammar(text: str, words: list[str]) -> None:
    assert list(split(text).words) == words


@pytest.mark.parametrize("text", ["kill ${PID}", r"kill \${PID}", 'kill "${PID}"', r'kill "x" ${PID}'])
def test_the_pid_is_left_for_the_moment_when_it_is_known(text: str) -> None:
    assert split(text).words[-1] == "${PID}"


def test_a_backslash_before_the_pid_counts_as_before_digits() -> None:
    r"""In double quotes `\4711` keeps its backslash, so `\${PID}` does."""
    assert split(r'kill "\${PID}"').words == ("kill", r"\${PID}")


def test_slips_are_told_of() -> None:
    assert split('srv "x').unclosed
    assert split("srv 'x").unclosed
    assert not split("srv 'x'").unclosed
    assert split("srv a \\\\").lone_blank
    assert not split("srv a \\\n b").lone_blank


def test_comment_lines_are_removed_and_nothing_else() -> None:
    assert without_comments("srv\n  # a\n\n  -x # y\n#b") == "srv\n\n  -x # y"


WINDOWS_VECTORS = [
    ('srv -m "C:\\My Models\\x.gguf"', ["srv", "-m", "C:\\My Models\\x.gguf"]),
    (r"C:\bin\srv.exe -m C:\x\\y", ["C:\\bin\\srv.exe", "-m", "C:\\x\\\\y"]),
    (r'srv "C:\dir\\" -x', ["srv", "C:\\dir\\", "-x"]),
    (r'srv "C:\dir\" -x"', ["srv", 'C:\\dir" -x']),
    (r'srv \\\\"a b"', ["srv", "\\\\a b"]),
    (r"srv \\\"a b\"", ["srv", '\\"a', 'b"']),
    ('srv "a""b"', ["srv", 'a"b']),
    ('srv "" ""', ["srv", "", ""]),
    ('srv """"', ["srv", '"']),
    ('srv "a"" b" c', ["srv", 'a" b', "c"]),
    (r'srv "a\\""b"', ["srv", 'a\\"b']),
    ("srv 'a b'", ["srv", "'a", "b'"]),
    ("srv a\rb\r\n-c", ["srv", "a", "b", "-c"]),
    ('srv pre"mid dle"post', ["srv", "premid dlepost"]),
    ('srv "open end', ["srv", "open end"]),
    ("srv -a ^\n# note\n-b", ["srv", "-a", "^", "-b"]),
    ("srv -a \\\n-b", ["srv", "-a", "-b"]),
    ("taskkill /f /t /pid ${PID}", ["taskkill", "/f", "/t", "/pid", "${PID}"]),
    (r"srv \${PID}", ["srv", r"\${PID}"]),
    ('""', [""]),
    ("# only\n", []),
]


@pytest.mark.parametrize(("text", "words"), WINDOWS_VECTORS)
def test_windows_has_quoting_rules_of_its_own(text: str, words: list[str]) -> None:
    assert list(split(text, windows=True).words) == words


def test_slips_are_told_of_on_windows_too() -> None:
    assert split('srv "x', windows=True).unclosed
    assert not split('srv "x""y"', windows=True).unclosed
    assert not split("srv it's", windows=True).unclosed


@pytest.mark.parametrize("windows", [False, True])
@pytest.mark.parametrize("piece", ["\\", '"', "a ", "'", '\\"', '""', "${PID}", "#\n"])
def test_a_long_command_takes_time_in_proportion_to_its_length(piece: str, windows: bool) -> None:
    start = time.process_time()
    split(piece * 200_000, windows=windows)
    assert time.process_time() - start < 2
