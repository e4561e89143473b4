"""Host, origin, fetch metadata and key: who gets in, who does not, in which order, and how keys are compared."""

import ast
import base64
import inspect
import textwrap
import tracemalloc

import pytest

from llamaswap.config.schema import Config
from llamaswap.errors import ForbiddenError, LlamaSwapError, UnauthorizedError
from llamaswap.gateway import rules as rules_module
from llamaswap.gateway.routes import GETS, POSTS
from llamaswap.gateway.rules import Rules, credential, preflight_headers
from llamaswap.proxy.request import Request


def request(path: bytes = b"/v1/models", method: bytes = b"GET", **headers: bytes) -> Request:
    made = Request()
    made.method, made.path = method, path
    made.known = {b"host": b"localhost"} | {name.replace("_", "-").encode(): value for name, value in headers.items()}
    return made


def rules(*, loopback: bool = True, **config: object) -> Rules:
    return Rules(Config(**config), loopback_only=loopback, names=frozenset(("mybox",)))  # type: ignore[arg-type]  # a row


def verdict(rules: Rules, request: Request) -> int:
    try:
        rules.check(request)
    except LlamaSwapError as error:
        return error.status
    return 200


GOOD_HOSTS = [
    "localhost", "LOCALHOST:8080", "localhost.", "a.localhost", "127.0.0.1", "127.0.0.1:8080", "[::1]", "[::1]:8080",
    "192.168.1.5:80", "mybox", "MyBox:8080", "mybox.local", "nas.lan:1", "a.internal", "listed.example",
]  # fmt: skip
BAD_HOSTS = [
    "evil.com", "evil.com:8080", "localhost.evil.com", "evil-localhost", "127.0.0.1.evil.com", "127.0.0.1.nip.io",
    "evillocal", "", "local", "evil.com:localhost", "evil.com#localhost", "2130706433", "0x7f.1", "localhost@evil.com",
    "evil.com\xe4", "user@127.0.0.1", "mybox.evil.com", "evil.com.", ":80", "[evil.com]",
]  # fmt: skip


@pytest.mark.parametrize("host", GOOD_HOSTS)
def test_hosts_that_name_this_machine(host: str) -> None:
    assert verdict(rules(allowed_hosts=("listed.example",)), request(host=host.encode("latin-1"))) == 200


@pytest.mark.parametrize("host", BAD_HOSTS)
def test_hosts_that_an_attacker_can_own(host: str) -> None:
    """On every path, before the key is looked at; only where nobody but this machine can ask at all."""
    checked = rules(allowed_hosts=("listed.example",), api_keys=("k",))
    for path in (b"/v1/models", b"/health", b"/", b"/upstream/a/"):
        with pytest.raises(ForbiddenError):
            checked.check(request(path, host=host.encode("latin-1")))
    assert verdict(rules(loopback=False), request(host=host.encode("latin-1"))) == 200
    assert verdict(rules(allowed_hosts=("*",)), request(host=host.encode("latin-1"))) == 200


GOOD_ORIGINS = [
    "http://localhost", "http://localhost:3000", "https://LOCALHOST", "http://127.0.0.1:5173", "http://127.9.9.9",
    "http://[::1]:1", "http://a.localhost:1", "app://obsidian.md", "file://", "tauri://localhost",
    "vscode-webview://x", "chrome-extension://abc", "moz-extension://abc", "https://listed.example",
    "https://listed.example/",
]  # fmt: skip
BAD_ORIGINS = [
    "null", "", "http://evil.com", "https://localhost.evil.com", "http://127.0.0.1.evil.com", "http://evil.com:127",
    "http://127.0.0.1@evil.com", "http://evil.com#localhost", "http://evil.com?@localhost", "http://[evil",
    "http://192.168.1.5", "data:text/html", "javascript:1", "evil.com", "localhost", "//localhost.evil.com",
    "http://listed.example", "https://sub.listed.example", "https://listed.example:444", "http://\xe4",
    "http://localhost evil.com", "http://evil.com\\@localhost", "httpapp://x", "x-file://a",
]  # fmt: skip


@pytest.mark.parametrize("origin", GOOD_ORIGINS)
def test_origins_of_this_machine_and_of_programs(origin: str) -> None:
    assert verdict(rules(cors_origins=("https://listed.example",)), request(origin=origin.encode())) == 200


@pytest.mark.parametrize("origin", BAD_ORIGINS)
@pytest.mark.parametrize("method", [b"GET", b"POST", b"OPTIONS", b"DELETE"])
def test_foreign_origins_get_nothing_on_any_route(origin: str, method: bytes) -> None:
    checked = rules(cors_origins=("https://listed.example",), api_keys=("k",))
    for path in (*POSTS, *GETS, b"/health", b"/", b"/unload", b"/upstream/a/x", b"/nowhere"):
        asked = request(path, method, origin=origin.encode("latin-1"), authorization=b"Bearer k")
        with pytest.raises(ForbiddenError):
            checked.check(asked)
    assert verdict(rules(cors_origins=("*",)), request(origin=origin.encode("latin-1"))) == 200


def test_our_own_page_under_a_name_of_ours_is_no_foreigner() -> None:
    assert verdict(rules(), request(host=b"mybox:8080", origin=b"http://mybox:8080")) == 200
    assert verdict(rules(), request(host=b"mybox:8080", origin=b"http://mybox:9090")) == 403
    assert verdict(rules(loopback=False), request(host=b"evil.com", origin=b"http://evil.com")) == 403


@pytest.mark.parametrize(
    ("path", "headers", "expected"),
    [
        (b"/unload", {"sec_fetch_site": b"cross-site"}, 403),
        (b"/unload", {"sec_fetch_site": b"cross-site", "sec_fetch_mode": b"navigate"}, 403),
        (b"/upstream/a/", {"sec_fetch_site": b"cross-site", "sec_fetch_mode": b"navigate"}, 403),
        (b"/v1/models", {"sec_fetch_site": b"cross-site", "sec_fetch_mode": b"no-cors"}, 403),
        (b"/ui/", {"sec_fetch_site": b"cross-site", "sec_fetch_mode": b"navigate"}, 200),
        (b"/", {"sec_fetch_site": b"cross-site", "sec_fetch_mode": b"navigate"}, 200),
        (b"/", {"sec_fetch_site": b"cross-site", "sec_fetch_mode": b"no-cors"}, 403),
        (b"/unload", {"sec_fetch_site": b"same-origin"}, 200),
        (b"/unload", {"sec_fetch_site": b"none", "sec_fetch_mode": b"navigate"}, 200),
        (b"/unload", {}, 200),
    ],
)
def test_what_a_page_of_another_site_may_do(path: bytes, headers: dict[str, bytes], expected: int) -> None:
    assert verdict(rules(), request(path, **headers)) == expected


def _basic(text: bytes) -> bytes:
    return b"Basic " + base64.b64encode(text)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, b""),
        ({"authorization": b"Bearer k"}, b"k"),
        ({"authorization": b"bEaReR   k "}, b"k"),
        ({"authorization": _basic(b"user:k")}, b"k"),
        ({"authorization": _basic(b":a:b")}, b"a:b"),
        ({"x_api_key": b"k"}, b"k"),
        ({"authorization": b"Bearer wrong", "x_api_key": b"k"}, b"wrong"),
        ({"authorization": _basic(b"user:wrong"), "x_api_key": b"k"}, b"wrong"),
        ({"authorization": _basic(b"user:"), "x_api_key": b"k"}, b"k"),
        ({"authorization": _basic(b"user"), "x_api_key": b"k"}, b"k"),
        ({"authorization": b"Basic !!!", "x_api_key": b"k"}, b"k"),
        ({"authorization": b"Basic \xff", "x_api_key": b"k"}, b"k"),
        ({"authorization": b"Digest x", "x_api_key": b"k"}, b"k"),
        ({"authorization": b"", "x_api_key": b"k"}, b"k"),
    ],
)
def test_the_credential_and_its_precedence(headers: dict[str, bytes], expected: bytes) -> None:
    assert credential(request(**headers)) == expected


@pytest.mark.parametrize("path", [*POSTS, *GETS, b"/v1/models", b"/running", b"/unload", b"/upstream/a/x", b"/ui/"])
def test_every_route_but_the_open_ones_needs_a_key(path: bytes) -> None:
    keyed = rules(api_keys=("one", "zwölf"))
    for wrong in (
        {},
        {"x_api_key": b"on"},
        {"x_api_key": b"onee"},
        {"authorization": b"Bearer "},
        {"x_api_key": b"ONE"},
    ):
        with pytest.raises(UnauthorizedError):
            keyed.check(request(path, **wrong))
    for right in ({"x_api_key": b"one"}, {"authorization": "Bearer zwölf".encode()}):
        assert verdict(keyed, request(path, **right)) == 200


@pytest.mark.parametrize(
    "path", [b"//health", b"/health/", b"/Health", b"/health/../unload", b"/%68ealth", b"/./health"]
)
def test_no_spelling_of_an_open_path_opens_another(path: bytes) -> None:
    assert verdict(rules(api_keys=("k",)), request(path)) == 401


def test_the_open_paths_and_preflights_need_no_key() -> None:
    for path in (b"/health", b"/wol-health", b"/", b"/favicon.ico", b"/upstream"):
        assert verdict(rules(api_keys=("k",)), request(path)) == 200
    assert verdict(rules(api_keys=("k",)), request(method=b"OPTIONS")) == 200


def test_keys_are_compared_in_constant_time() -> None:
    """By syntax: nothing in the key's check compares by operator, and every key is compared."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(rules_module.Rules._check_key)))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Compare)]
    (loop,) = (node for node in ast.walk(tree) if isinstance(node, ast.comprehension))
    assert ast.unparse(loop.iter) == "self._keys"
    assert "hmac.compare_digest" in ast.unparse(tree)
    assert not any(isinstance(node, ast.GeneratorExp) for node in ast.walk(tree))  # `any` of one would stop early


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        (None, b"Content-Type, Authorization, Accept, X-Requested-With"),
        (b"x-a,X-B ,  x-c", b"x-a, X-B, x-c"),
        (b"x-a, , x b, x\xe4, x(y), ok", b"x-a, ok"),
        (b"", b""),
        (b"!#$%&'*+-.^_`|~09", b"!#$%&'*+-.^_`|~09"),
    ],
)
def test_a_preflight_is_told_which_headers_it_may_send(asked: bytes | None, allowed: bytes) -> None:
    known = {} if asked is None else {"access_control_request_headers": asked}
    told = dict(preflight_headers(request(method=b"OPTIONS", **known)))
    assert told == {
        b"Access-Control-Allow-Origin": b"*",
        b"Access-Control-Allow-Methods": b"GET, POST, PUT, PATCH, DELETE, OPTIONS",
        b"Access-Control-Allow-Headers": allowed,
        b"Access-Control-Max-Age": b"86400",
    }


def test_endless_names_are_foreign_and_not_remembered() -> None:
    """A megabyte in a cache of hundreds, which anybody could fill."""
    tracemalloc.start()
    for number in range(8):
        endless = b"%d" % number + b"a" * 1_000_000
        for headers in ({"host": endless}, {"origin": b"http://" + endless}):
            with pytest.raises(ForbiddenError):
                rules().check(request(**headers))
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 3_000_000  # the last one, which the failure holds on to
