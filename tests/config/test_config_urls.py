"""Which texts can be read as URLs."""

import pytest

from llamaswap.config.reading.urls import why_no_url


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:8080",
        "https://user:pass@host:1/path?q=%zz#f",
        "http://[::1]:8080/x",
        "http://[fe80::1%25eth0]:1",
        "",
        "localhost:8999",
        "/path",
        "//host",
        "ftp://h",
        "http://",
        "http://h:99999",
        "http://h:",
        "http://ümlaut/%C3%BC",
        "/health?x=1:2",
        "http:opaque",
        "http://%C3%BC/",
        "/a b",
    ],
)
def test_accepted(text: str) -> None:
    assert why_no_url(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "http://h/\x7f",
        "http://h\n",
        "127.0.0.1:8999",
        "1http://h",
        ":x",
        "://h",
        "http://h:8x",
        "http://h:1:2",
        "http://a b/",
        "http://a[b/",
        "http://[::1",
        "http://[::1]x",
        "http://a\\b",
        "http://a^b",
        "http://a`b",
        "http://{h}",
        "http://a|b",
        "http://%41/",
        "http://%zz/",
        "http://us er@h",
        "http://u%zz@h",
        "/%zz",
        "/x%1",
        "http://h/#%g0",
    ],
)
def test_refused(text: str) -> None:
    assert why_no_url(text)
