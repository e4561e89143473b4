"""A terminal gets colours only, wherever the pieces are cut."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llamaswap.verbs.terminal import ColoursOnly, harmless


def shown(*pieces: bytes) -> bytes:
    filter_ = ColoursOnly()
    return b"".join(map(filter_.feed, pieces)) + filter_.end()


@pytest.mark.parametrize(
    ("raw", "safe"),
    [
        (b"plain \xc3\xa9\ttab\n", b"plain \xc3\xa9\ttab\n"),
        (b"\x1b[1;31mred\x1b[0m", b"\x1b[1;31mred\x1b[0m\x1b[0m"),
        (b"a\x1b[2Jb\x1b[10;10Hc\x1b[?1049hd", b"abcd"),
        (b"a\x1b]0;title\x07b\x1b]52;c;cm0gLXJm\x1b\\c", b"abc"),
        (b"a\x1bPq#0\x1b\\b\x1bcc\x1b(0d", b"abcd"),
        (b"one\r\ntwo\rthree\r", b"one\ntwo\nthree\n"),
        (b"a\x08\x07\x00\x7f\xc2\x9b2Jb", b"a2Jb"),
        ("a\u202eb\u2066c".encode(), b"abc"),
        (b"bad \xff\xc3", "bad \ufffd\ufffd".encode()),
        (b"cut \x1b[3", b"cut 3"),
    ],
)
def test_what_is_shown(raw: bytes, safe: bytes) -> None:
    assert shown(raw) == safe
    assert shown(*(raw[i : i + 1] for i in range(len(raw)))) == safe


def test_an_endless_sequence_is_not_kept() -> None:
    filter_ = ColoursOnly()
    filter_.feed(b"\x1b]0;")
    out = b"".join(filter_.feed(b"x" * 1_000) for _ in range(10))
    assert len(filter_._rest) <= 5_000
    assert b"x" * 5_000 in out + filter_.end()


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.binary(max_size=12) | st.sampled_from([b"\x1b", b"[", b"m", b"]0;", b"\x07", b"\x1b[31m"])))
def test_nothing_but_colours_comes_through(pieces: list[bytes]) -> None:
    text = shown(*pieces).decode()
    parts = text.split("\x1b")
    assert all(part.startswith("[") and part[1:].lstrip("0123456789;:").startswith("m") for part in parts[1:])
    assert all(char.isprintable() or char in "\n\t" or ord(char) > 0x9F for part in parts for char in part)


def test_messages_that_quote_a_log() -> None:
    assert harmless("failed: \x1b[2Jboom\udcff") == "failed: boom?"
