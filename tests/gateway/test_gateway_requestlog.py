"""The line about a finished request, whatever its client wrote into it."""

import time

import pytest

from llamaswap.gateway.requestlog import request_line
from llamaswap.proxy.request import Request


class Client:
    """What the line needs of one."""

    head_sent, status, bytes_sent, address = True, 401, 0, b"127.0.0.1"


@pytest.mark.parametrize("path", [b"%", b"%41", b"%01"])
def test_a_megabyte_of_anything_stalls_nobody(path: bytes) -> None:
    request = Request()
    request.method, request.path = b"GET", b"/" + path * (1_000_000 // len(path))
    request.known = dict.fromkeys((b"user-agent", b"x-forwarded-for"), b"\x85" * 1_000_000)
    before = time.thread_time()
    line = request_line(request, Client(), 0.001)  # type: ignore[arg-type]
    assert time.thread_time() - before < 0.05
    assert len(line) < 40_000
    assert line.isprintable()
