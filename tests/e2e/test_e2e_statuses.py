"""What a client is told, over the wire: statuses, envelopes, keys, names, and the routes beside inference."""

import base64
import json
import threading

import pytest

from tests.e2e.conftest import StartDaemon
from tests.e2e.running import SLOWLY, fake, until
from tests.e2e.wire import Answer, CutError

pytestmark = pytest.mark.e2e


def test_the_envelope_follows_accept(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a")})
    answer = running.chat("nobody<>")
    assert answer.status == 404
    error = answer.error
    assert error == {
        "message": "no router for requested model",
        "type": "invalid_request_error",
        "param": None,
        "code": "not_found",
    }
    plain = running.chat("nobody", Accept="text/plain")
    assert (plain.status, plain.headers["content-type"]) == (404, "text/plain")
    assert plain.text == "llama-swap: no router for requested model"
    page = running.chat("nobody", Accept="text/html,*/*")
    assert (page.status, page.headers["content-type"]) == (404, "text/html")
    assert page.text == "<html><body><h1>llama-swap</h1><p>no router for requested model</p></body></html>"


def test_requests_that_name_no_model(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a")})
    for body in (b"{}", b'{"model": ""}', b'{"model": null}', b"", b"not json"):
        answer = running.request("POST", "/v1/chat/completions", body)
        assert (answer.status, answer.error["message"]) == (404, "no model id could be identified"), body
    lenient = running.request(
        "POST", "/v1/chat/completions", b' {"model": "a"}', Content_Type="application/x-www-form-urlencoded"
    )
    assert lenient.status == 200
    assert running.get("/nothing").text == "404 page not found\n"
    wrong = running.get("/v1/chat/completions")
    assert (wrong.status, wrong.headers["allow"]) == (405, "POST")
    wrong = running.request("POST", "/health", b"")
    assert (wrong.status, wrong.headers["allow"], wrong.text) == (405, "GET, HEAD", "Method Not Allowed\n")


def test_an_upstreams_own_errors_pass_through(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a")})
    for code in (400, 404, 418, 503):
        answer = running.get(f"/upstream/a/status?code={code}")
        assert (answer.status, answer.json()) == (code, {"status": True})
    assert running.request("POST", "/v1/rerank", b'{"model": "a"}').json() == {"error": {"message": "no such path"}}


def test_the_concurrency_limit_is_a_429_in_json_and_counts_return_to_zero(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a", "--answer-delay", "600", concurrencyLimit=2), "b": fake("b")})
    with running.wire() as first, running.wire() as second:
        first.chat("a")
        second.chat("a")
        running.until_serving("a")
        running.until_waiting(1)
        answer = running.chat("a", Accept="text/html")
        assert (answer.status, answer.headers["retry-after"]) == (429, "1")
        error = answer.error
        assert (error["code"], error["type"], error["message"]) == (
            "concurrency_limit",
            "rate_limit_error",
            "Too many requests",
        )
    until(lambda: not running.queue()["waiting"] and not running.queue()["running"][0]["requests"], "zero")
    with running.wire() as third:
        third.chat("a")
        running.until_serving("a")


def test_unloaded_while_queued_and_while_served(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a", "--tokens", "1000", "--token-delay", "0.05"), "b": fake("b")})
    with running.wire() as served, running.wire() as queued, running.wire() as other:
        served.chat("a", stream=True)
        assert served.head()[0] == 200
        queued.chat("a")
        running.until_waiting(1)
        other.chat("b")
        running.until_waiting(2)
        assert running.request("POST", "/api/models/unload/a").text == "OK"
        answer = queued.answer()
        assert (answer.status, answer.error["message"]) == (500, "unspecific error: group: model unloaded")
        with pytest.raises(CutError):
            while served.chunk():
                pass
        assert other.answer().status == 200


def test_keys(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a")}, apiKeys=["sesame", "other"])
    basic = base64.b64encode(b"anybody:sesame").decode()
    for good in ({"Authorization": "Bearer sesame"}, {"X_Api_Key": "other"}, {"Authorization": f"basic {basic}"}):
        assert running.chat("a", **good).status == 200
        assert running.get("/running", **good).status == 200
    bad: list[dict[str, str]] = [{}, {"Authorization": "Bearer wrong", "X_Api_Key": "sesame"}, {"X_Api_Key": "sesam"}]
    for headers in bad:
        for path in ("/running", "/v1/models", "/upstream/a/echo", "/logs", "/api/version", "/unload", "/nothing-here"):
            answer = running.get(path, **headers)
            assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Basic realm="llama-swap"'), path
            assert answer.error["message"] == "unauthorized: invalid or missing API key"
        assert running.chat("a", **headers).status == 401
    assert running.get("/health").text == "OK"
    assert "sesame" not in str(running.log)


def test_names_and_aliases(daemon: StartDaemon) -> None:
    models = {
        "author/a": fake("a", aliases=["gpt", "vendor/gpt"]),
        "b": fake("b", useModelName="real-b", unlisted=True),
        "größe": {**fake("c"), "name": "Größe", "description": "groß"},
    }
    running = daemon(models, includeAliasesInList=True)
    for name, model in (("author/a", "a"), ("gpt", "a"), ("vendor/gpt", "a"), ("b", "b"), ("größe", "c")):
        assert running.chat(name).headers["x-fake-model"] == model
    listed = running.get("/v1/models").json()["data"]
    assert [row["id"] for row in listed] == sorted(["author/a", "gpt", "vendor/gpt", "größe"])
    assert [row["status"]["value"] for row in listed if row["id"] == "größe"] == ["loaded"]
    body = running.request("POST", "/upstream/author/a/echo?x=%2F", b'{"model": "b"}').json()
    assert (body["target"], body["body"], body["model"]) == ("/echo?x=%2F", '{"model": "b"}', "a")
    moved = running.get("/upstream/gpt?x=1")
    assert (moved.status, moved.headers["location"]) == (301, "/upstream/gpt/?x=1")
    assert running.request("POST", "/upstream/gpt", b"").status == 308
    assert running.get("/upstream/nobody/echo").error["message"] == "model not found"
    assert running.get("/unload").status == 200
    assert running.get("/upstream/b/style.css").status == 409
    assert running.running() == []


def test_management(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a"), "slash/b": fake("b", ttl=300)})
    assert running.get("/running").json() == {"running": []}
    assert running.request("POST", "/api/models/load/slash%2Fb").json() == {"msg": "ok"}
    (row,) = running.get("/running").json()["running"]
    assert list(row) == ["model", "state", "cmd", "proxy", "ttl", "name", "description"]
    assert (row["model"], row["state"], row["ttl"]) == ("slash/b", "ready", 300)
    assert "--port" in row["cmd"] and "${PORT}" not in row["cmd"]
    assert running.request("POST", "/api/models/unload/slash/b").text == "OK"
    assert running.running() == []
    for path in ("/api/models/load/nobody", "/api/models/unload/nobody"):
        assert running.request("POST", path).error["message"] == "model not found"
    assert set(running.get("/api/version").json()) == {"version", "commit", "build_date"}
    assert running.get("/").headers["location"] == "/ui"
    assert "READY" in running.get("/logs/stream/slash/b?no-follow").text
    assert running.get("/logs/stream/nobody").status == 400
    with running.wire() as follower:
        follower.ask("GET", "/logs/stream/proxy?no-history")
        assert follower.head()[0] == 200
        running.chat("a")
        assert b"a" in follower.chunk()
    assert running.request("OPTIONS", "/anything", None).status == 204


def test_web_pages_and_foreign_names_have_no_effect(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a")})
    assert running.chat("a", Origin="https://evil.example").status == 403
    assert running.get("/unload", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate").status == 403
    assert running.get("/running", Host="evil.example").status == 403
    assert running.chat("a", Origin="http://localhost:3000").status == 200
    assert running.starts() == ["a"]


def test_answers_come_in_arrival_order(daemon: StartDaemon) -> None:
    """20 clients of 3 models, one after the other into the queue: that is the order in which they are served."""
    running = daemon({"a": fake("a"), "b": fake("b"), "c": fake("c")})
    order: list[int] = []
    lock = threading.Lock()

    def client(number: int, answered: "list[Answer]") -> None:
        with running.wire() as wire:
            seen = len(running.log.lines)
            wire.chat("abc"[number % 3], X_Request_Id=str(number))
            running.log.wait(rf">> Arrived\(ticket={number + 2},", after=seen)
            arrived[number].set()
            answered.append(wire.answer())
            with lock:
                order.append(number)

    arrived = [threading.Event() for _ in range(20)]
    answers: list[Answer] = []
    with running.wire() as first:
        first.ask("GET", "/upstream/a/slow?ms=1500")
        running.until_serving("a")
        threads = []
        for number in range(20):
            threads.append(threading.Thread(target=client, args=(number, answers)))
            threads[-1].start()
            assert arrived[number].wait(SLOWLY)
        for thread in threads:
            thread.join()
    assert [answer.status for answer in answers] == [200] * 20
    served = [int(line["request_id"]) for line in running.entries() if line["request_id"]]
    assert served == list(range(20))
    assert sorted(order) == list(range(20))


def test_bodies_are_delivered_as_they_were_sent(daemon: StartDaemon) -> None:
    running = daemon({"a": fake("a")}, maxRequestBody=3)
    body = b' {"stream":false,"x":1.50e+3,"x":"\\u00e9", "model" : "a" ,"pad":"' + b"x" * 2_000_000 + b'"}\n'
    assert running.request("POST", "/v1/chat/completions", body).status == 200
    with running.wire() as wire:
        wire.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
        wire.send(b"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n")
        assert wire.head()[0] == 100
        for piece in (body[:7], body[7:100_000], body[100_000:]):
            wire.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        wire.send(b"0\r\n\r\n")
        assert wire.answer().status == 200
    first, second = running.entries()
    assert first["length"] == second["length"] == len(body)
    assert first["sha256"] == second["sha256"]
    assert running.request("POST", "/v1/chat/completions", b"{" * (3 * 1024 * 1024 + 1)).status == 413
    assert json.loads(running.get("/upstream/a/echo", X_Odd="é".encode().decode("latin-1")).body)["model"] == "a"
