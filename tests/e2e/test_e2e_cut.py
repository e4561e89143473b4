"""Promise 7: a broken answer never looks whole; and the next request starts the model again."""

import os
import re
import signal

import pytest

from tests.e2e.conftest import StartDaemon
from tests.e2e.running import fake
from tests.e2e.upstream import Upstream
from tests.e2e.wire import CutError

pytestmark = pytest.mark.e2e


def test_a_model_killed_in_mid_stream_cuts_the_answer_and_is_started_again(daemon: StartDaemon) -> None:
    """R-32."""
    running = daemon({"a": fake("a", "--tokens", "1000", "--token-delay", "0.01")})
    with running.wire() as wire:
        wire.chat("a", stream=True)
        assert wire.head()[0] == 200
        assert wire.chunk().startswith(b"data: ")
        os.kill(running.model_pid("a"), signal.SIGKILL)
        with pytest.raises(CutError):
            while wire.chunk():
                pass
    running.log.wait("upstream process exited unexpectedly")
    assert running.request("GET", "/upstream/a/echo").status == 200
    assert running.starts() == ["a", "a"]


def test_wherever_a_stream_breaks_it_can_be_seen(daemon: StartDaemon) -> None:
    """The model dies at a byte of its answer, up to the last ones, which are the end of the chunked body."""
    with daemon({"a": fake("a")}).wire() as wire:
        wire.chat("a", stream=True, Connection="close")
        wire.head()
        whole = wire.rest()
    offsets = sorted({1, 2, 5, len(whole) // 2, *range(len(whole) - 8, len(whole))})
    models = {f"dies-{at}": fake("a", "--crash-at-byte", str(at)) for at in offsets}
    running = daemon(models)
    for at in offsets:
        with running.wire() as wire:
            wire.chat(f"dies-{at}", stream=True)
            with pytest.raises(CutError):
                wire.answer()


@pytest.mark.parametrize("at", [0, 1, 100, 999])
def test_a_body_of_a_stated_length_ends_short(daemon: StartDaemon, at: int) -> None:
    running = daemon({"a": fake("a", "--crash-at-byte", str(at))})
    with running.wire() as wire:
        wire.ask("GET", "/upstream/a/big?bytes=1000")
        with pytest.raises(CutError) as cut:
            wire.answer()
    assert len(cut.value.got) == at


def test_an_answer_without_a_length_that_breaks_is_reset_for_a_client_of_http_1_0(daemon: StartDaemon) -> None:
    """Such a client knows the end of the answer by the end of the connection only: so that must not be in order."""
    running = daemon({"a": fake("a", "--crash-at-byte", "300")})
    with running.wire() as wire:
        wire.send(b"GET /upstream/a/big?bytes=1000&chunked=1 HTTP/1.0\r\nHost: localhost\r\n\r\n")
        with pytest.raises(CutError, match="reset"):
            wire.head()
            wire.rest()


def test_an_upstream_that_breaks_before_its_head_is_a_502_and_not_asked_twice(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a")})
    for path in ("/abort-before-head", "/abort-in-head"):
        answer = running.request("POST", f"/upstream/a{path}", b"{}")
        assert answer.status == 502
        assert re.match("upstream proxy error: ", answer.error["message"])
    for path in ("/abort-mid-body", "/abort-mid-body?chunked=1"):
        with pytest.raises(CutError):
            running.get(f"/upstream/a{path}")
    assert len(running.entries()) == 4


def test_a_server_that_hangs_up_after_each_stream_without_a_word_costs_no_request(daemon: StartDaemon) -> None:
    """llama.cpp's does; a request sent just then on the kept connection would be lost, and must not be sent again."""
    with Upstream(ends=True) as upstream:
        running = daemon({"a": upstream.model()})
        for _ in range(3):
            with running.wire() as wire:
                wire.chat("a", stream=True)
                assert wire.answer().body == b"data: hello\n\n"
        assert upstream.asked.qsize() == 3
