"""Expressions are RE2's, with RE2's bound on time and ours on memory."""

import subprocess
import sys
import time

import pytest

from llamaswap.config.regexes import DEFAULT_PATTERN, PathPatterns, compile_pattern, why_no_regex


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("^(?!/v1)", "look-ahead"),
        ("(?=a)", "look-ahead"),
        ("(?<=a)b", "look-behind"),
        ("(?<!a)b", "look-behind"),
        (r"(a)\1", "references back"),
        ("a++", "possessive"),
        ("a*+", "possessive"),
        ("(?>a)", "atomic"),
        (r"a\Z", r"\z"),
        (r"\u0041", r"\x{41}"),
        ("(?x)a b", "flag"),
        ("(?#note)a", "comments"),
        ("a{1001}", "1000 times"),
        ("(a{1000}){2}", "1000 times"),
        ("((((a{10}){10}){10}){10})", "1000 times"),
        (r"\pL{1000}", "too large"),
        ("a" * 1_000_000, "too large"),
        ("(" * 1_000_000, ""),
        ("(", "missing )"),
        ("[z-a]", "range"),
        ("*a", "nothing before it"),
        ("(?P<n", "group"),
    ],
)
def test_what_is_refused_and_why(text: str, says: str) -> None:
    why = why_no_regex(text)
    assert why is not None
    assert says in why
    assert len(why) < 200


@pytest.mark.parametrize(
    ("text", "found", "not_found"),
    [
        (DEFAULT_PATTERN, "/app.min.js", "/v1/chat"),
        (r"\pL", "é", "1"),
        ("[[:alpha:]]", "a", "1"),
        (r"a\z", "ba", "ab"),
        (r"\Q.*\E", ".*", "ab"),
        (r"\x{41}", "A", "a"),
        ("(?<n>a)b", "ab", "a"),
        ("(?P<n>a)b", "ab", "a"),
        ("a{,5}", "a{,5}", "aaa"),
        ("(?i)A", "a", "b"),
        ("a{1000}", "a" * 1000, "a" * 999),
        ("^/v1", "/v1/x", "/x/v1"),
        ("", "", None),
        ("a$", "a", "a\n"),
        ("^.$", "é", "ab"),
    ],
)
def test_what_is_accepted_though_python_may_not_know_it(text: str, found: str, not_found: str | None) -> None:
    assert why_no_regex(text) is None
    assert PathPatterns((text,)).search(found)
    assert not_found is None or not PathPatterns((text,)).search(not_found)


def test_an_expression_that_never_matches_is_the_way_to_have_none() -> None:
    assert not PathPatterns(("$^a",)).search("/app.js")


def test_each_expression_counts_and_equal_ones_are_equal() -> None:
    patterns = PathPatterns(("^/a", "^/b"))
    assert [patterns.search(path) for path in ("/a", "/b", "/c")] == [True, True, False]
    assert patterns == PathPatterns(("^/a", "^/b"))
    assert patterns != PathPatterns(("^/a",))
    assert PathPatterns() == PathPatterns((DEFAULT_PATTERN,))


def test_a_path_that_is_no_utf8_or_has_no_end_is_searched_all_the_same() -> None:
    assert PathPatterns().search("/\udcff.js")
    assert not PathPatterns().search("/" + "a" * 5000 + ".js")


@pytest.mark.parametrize(
    "text",
    [
        "(x+x+)+y",
        "(.*){1,1000}z",
        "((x?){30}){30}z",
        "(x|.){1,1000}(.|x){1,500}z",
        ".*x.{1,900}x.{1,900}y$",
        "((x*)*)*y",
    ],
)
def test_a_hostile_expression_is_searched_in_bounded_time(text: str) -> None:
    """Each would take longer than the sun lasts where expressions are tried by backtracking."""
    try:
        search = compile_pattern(text)
    except ValueError:
        return
    start = time.process_time()
    search(b"x" * 4096)
    assert time.process_time() - start < 2


def test_the_library_is_imported_only_when_an_expression_is_looked_at() -> None:
    program = "import sys, llamaswap.config.regexes as r; r.PathPatterns(); print('re2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_nothing_is_written_to_the_terminal_about_a_bad_expression(capfd: pytest.CaptureFixture[str]) -> None:
    assert why_no_regex("(")
    assert capfd.readouterr() == ("", "")
