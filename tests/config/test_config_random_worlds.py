"""Configurations by chance, a few of them; scripts/rigs/config plays as many as one likes."""

import pytest

from tests.config.random_config import load_random

CHUNK = 60


@pytest.mark.parametrize("chunk", range(10))
def test_what_is_accepted_keeps_its_promises(chunk: int) -> None:
    accepted = [load_random(seed) is not None for seed in range(chunk * CHUNK, (chunk + 1) * CHUNK)]
    assert CHUNK // 6 < sum(accepted) < CHUNK, "a generator that makes one kind only tests nothing"
