"""The fuzzer's own judgement: it must be able to fail."""

from collections.abc import Callable

import pytest

from llamaswap.gateway import parser
from llamaswap.proxy import heads
from tests.gateway.fuzz import Fuzz, run
from tests.gateway.fuzz_streams import Seen, oracle, stream


def test_a_stream_is_the_same_each_time() -> None:
    assert stream("1", 5) == stream("1", 5)
    assert stream("1", 5) != stream("2", 5)


def test_the_oracle_reads_requests_to_the_first_fault() -> None:
    good = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"
    assert oracle(good + good + b"GET / HTTP/1.1\r\n\r\n" + good) == [Seen(b"POST", b"/a", b"hi", True)] * 2
    assert oracle(good[:-1]) == [Seen(b"POST", b"/a", b"h")]


def test_a_delivered_request_must_be_one_that_was_sent() -> None:
    sent = Seen(b"POST", b"/upstream/a/x", b"body", True)
    assert Seen(b"POST", b"/x", b"body", True).may_be(sent)
    assert Seen(b"POST", b"/x", b"bo").may_be(sent)
    assert not Seen(b"POST", b"/x", b"bo", True).may_be(sent)
    assert not Seen(b"GET", b"/x", b"body", True).may_be(sent)
    assert not Seen(b"POST", b"/y", b"body", True).may_be(sent)


def test_a_sound_data_plane_passes() -> None:
    fuzz = Fuzz("1", range(300))
    assert run(fuzz) == []
    assert (
        fuzz.delivered > 5
    )  # a hundred on a machine that does nothing else, 50 on one that has six times too much to do


def _a_body_loses_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = parser.RequestParser.on_body
    monkeypatch.setattr(parser.RequestParser, "on_body", lambda self, body: whole(self, body[:-1] or body))


def _the_host_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "_NEVER_DROPPED", frozenset())


def _a_request_is_queued_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    complete = parser.RequestParser.on_message_complete

    def twice(self: parser.RequestParser) -> None:
        request = self.current
        complete(self)
        if request is not None and request.complete and request.method == b"GET":
            self.requests.append(request)

    monkeypatch.setattr(parser.RequestParser, "on_message_complete", twice)


def _a_head_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "request_head", None)
    monkeypatch.setattr("llamaswap.proxy.exchange.request_head", None)


@pytest.mark.parametrize(
    "defect", [_a_body_loses_bytes, _the_host_is_dropped, _a_request_is_queued_twice, _a_head_raises]
)
def test_planted_defects_are_found(
    defect: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    defect(monkeypatch)
    assert run(Fuzz("1", range(500)))
