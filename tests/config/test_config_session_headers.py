"""Names of headers are trimmed and told apart without regard to case."""

import pytest

from llamaswap.config.reading.session_headers import session_headers


@pytest.mark.parametrize(
    ("names", "headers"),
    [
        ([" X-A ", "", "x-a", "X-B"], ("X-A", "X-B")),
        ([], ()),
        (["  ", "\t\u00a0"], ()),
        (["b", "a", "B", "b"], ("b", "a")),
    ],
)
def test_names_are_trimmed_and_made_unique(names: list[str], headers: tuple[str, ...]) -> None:
    assert session_headers(names) == headers
