"""Every way of failing, in the three shapes a client may ask for."""

import json

import pytest

from llamaswap import errors
from llamaswap.errors import LlamaSwapError, ModelNotFoundError, TooManyRequestsError
from llamaswap.proxy.envelope import render


def all_errors() -> list[LlamaSwapError]:
    def below(base: type[LlamaSwapError]) -> list[type[LlamaSwapError]]:
        return [base, *(found for child in base.__subclasses__() for found in below(child))]

    return [TooManyRequestsError() if kind is TooManyRequestsError else kind("why") for kind in below(LlamaSwapError)]


def test_the_envelope_byte_for_byte() -> None:
    status, headers, body = render(ModelNotFoundError('no router for "é"'), "*/*")
    assert (status, headers) == (404, [(b"Content-Type", b"application/json")])
    assert body.decode() == (
        '{"src":"llama-swap","error":{"message":"no router for \\"é\\"","type":"invalid_request_error",'
        '"param":null,"code":"not_found"}}'
    )


@pytest.mark.parametrize(
    ("accept", "content_type", "body"),
    [
        ("text/plain", b"text/plain", b"llama-swap: <a> & 'b'"),
        ("text/html, text/plain;q=0.5", b"text/plain", b"llama-swap: <a> & 'b'"),
        (
            "text/html,*/*",
            b"text/html",
            b"<html><body><h1>llama-swap</h1><p>&lt;a&gt; &amp; &#39;b&#39;</p></body></html>",
        ),
    ],
)
def test_negotiation(accept: str, content_type: bytes, body: bytes) -> None:
    assert render(ModelNotFoundError("<a> & 'b'"), accept) == (404, [(b"Content-Type", content_type)], body)


@pytest.mark.parametrize("error", all_errors(), ids=lambda e: type(e).__name__)
def test_every_error_has_an_envelope(error: LlamaSwapError) -> None:
    status, headers, body = render(error, "")
    assert status == error.status
    assert json.loads(body)["error"] == {"message": str(error), "type": error.kind, "param": None, "code": error.code}
    assert (b"Retry-After" in dict(headers)) == (error.retry_after_s is not None)


def test_the_limit_is_always_json() -> None:
    status, headers, body = render(TooManyRequestsError(), "text/plain")
    assert (status, headers) == (429, [(b"Content-Type", b"application/json"), (b"Retry-After", b"1")])
    assert json.loads(body)["error"]["code"] == "concurrency_limit"


def test_a_wait_is_rounded_up() -> None:
    error = errors.StartFailedError("x")
    error.retry_after_s = 4.2
    assert (b"Retry-After", b"5") in render(error, "")[1]


def test_a_missing_key_is_asked_for() -> None:
    assert (b"WWW-Authenticate", b'Basic realm="llama-swap"') in render(errors.UnauthorizedError("no"), "")[1]


def test_undecodable_names_stay_valid_json() -> None:
    assert json.loads(render(ModelNotFoundError("\udcff"), "")[2])["error"]["message"] == "\udcff"
