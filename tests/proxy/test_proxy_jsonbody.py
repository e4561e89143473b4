"""The model in a JSON body, found without building the document; rewritten without touching another byte."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llamaswap.proxy.jsonbody import name_of, replace_model


@pytest.mark.parametrize(
    ("body", "model", "stream"),
    [
        (b'{"model":"a"}', "a", False),
        (b' \r\n{ "x" : 1 , "model" : "a" , "stream" : true } \n', "a", True),
        (b'{"model":"a","model":"b"}', "a", False),
        (b'{"model":"a","x":{"model":"b"}}', "a", False),
        (b'{"x":{"model":"b"},"model":"a"}', "a", False),
        (b'{"x":["model",{"model":"b"}],"model":"a"}', "a", False),
        (b'{"x":"\\"model\\":\\"b\\"","model":"a"}', "a", False),
        (b'{"x":"model","model":"a"}', "a", False),
        (b'{"mod\\u0065l":"a"}', "a", False),
        (b'{"mod\\u0065l":"a","model":"b"}', "a", False),
        (b'{"model":"a","\\u006dodel":"b"}', "a", False),
        (b'{"Model":"b","MODEL":"c"}', "", False),
        (b'{"model":"\\u00e9\\n\\ud83d\\ude00\\/"}', "é\n😀/", False),
        ('{"model":"größe"}'.encode(), "größe", False),
        (b'{"model":"org\\/a"}', "org/a", False),
        (b'{"model":null}', "", False),
        (b'{"model":""}', "", False),
        (b'{"model":7}', "7", False),
        (b'{"model":-1.50e3}', "-1.50e3", False),
        (b'{"model":true}', "true", False),
        (b'{"model":{"a": 1}}', '{"a": 1}', False),
        (b'{"model":[1, "x"]}', '[1, "x"]', False),
        (b'{"model":"a","stream":1}', "a", True),
        (b'{"model":"a","stream":0}', "a", False),
        (b'{"model":"a","stream":0.0}', "a", False),
        (b'{"model":"a","stream":-2}', "a", True),
        (b'{"model":"a","stream":"TRUE"}', "a", True),
        (b'{"model":"a","stream":"t"}', "a", True),
        (b'{"model":"a","stream":"1"}', "a", True),
        (b'{"model":"a","stream":"yes"}', "a", False),
        (b'{"model":"a","stream":null}', "a", False),
        (b'{"model":"a","stream":[1]}', "a", False),
        (b"{}", "", False),
        (b"", "", False),
        (b"null", "", False),
        (b"[]", "", False),
        (b'"model"', "", False),
        (b"\xff\xfe", "", False),
    ],
)
def test_what_a_body_names(body: bytes, model: str, stream: bool) -> None:
    assert tuple(name_of(body)) == (model, stream)
    assert tuple(name_of(bytearray(body))) == (model, stream)


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"a"',
        b'{"model":"a",',
        b'{"model":"a","x":}',
        b'{"model":"a"} trailing',
        b'{"model":"a","x":tru}',
        b'{"model":"a","x":"unterminated',
        b'{"model":"a","x":"\xff"}',
        b'{"x":{"model":"b","model":"c"},"model":"a","y":[}',
        b'{"model":"a",}',
        b'{\'x\':1,"model":"a"}',
    ],
)
def test_a_damaged_document_still_names_its_model(body: bytes) -> None:
    assert name_of(body).model == "a"


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("deep arrays", b"[" * 5_000_000),
        ("deep objects", b'{"a":' * 1_000_000),
        ("deep value", b'{"x":' + b"[" * 3_000_000 + b"]" * 3_000_000 + b',"model":"a"}'),
        ("escaped quotes without end", b'{"' + b'\\"' * 5_000_000),
        ("quotes", b'{"' + b'"' * 10_000_000),
        ("backslashes", b'{"' + b"\\" * 10_000_001),
        ("keys", b"{" + b'"model":' * 1_000_000),
        ("equal keys", b"{" + b'"model":"a",' * 800_000 + b'"model":"b"}'),
        ("blanks", b'{"model":' + b" " * 10_000_000),
        ("blanks behind a value", b'{"model":1' + b" " * 10_000_000 + b",}"),
        ("many blanks", b'{"x":[' + b" " * 80_000_000),
        ("commas", b"{" + b"," * 10_000_000),
        ("escapes", b'{"x":"' + b"\\u006d" * 1_600_000 + b'","model":"a"}'),
        ("large", b'{"x":"' + b"y" * 10_000_000 + b'","model":"a"}'),
        ("damaged behind the limit", b'{"x":[' + b"1," * 5_000_000 + b'],"model":"a"'),
    ],
)
def test_no_body_stalls_us(name: str, body: bytes) -> None:
    """Processor time, since the machine is shared."""
    before = time.thread_time()
    name_of(bytearray(body))
    assert time.thread_time() - before < 1.0, name


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | st.just("model"), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.lists(st.tuples(st.sampled_from(["model", "mode", "x", 'q"\\', "é"]), JSON), max_size=5),
    st.text(max_size=6),
    st.booleans(),
    st.sampled_from([None, 1]),
    st.sampled_from(["", " ", "\n\t "]),
)
@settings(max_examples=400, deadline=None)
def test_a_rewrite_changes_the_first_model_and_no_other_byte(
    pairs: list[tuple[str, object]], model: str, ascii_only: bool, indent: int | None, blank: str
) -> None:
    """Equal keys too, however the document is spelled; what is not there is appended."""
    texts = [
        (
            json.dumps(key, ensure_ascii=ascii_only) + blank + ":" + blank,
            json.dumps(v, ensure_ascii=ascii_only, indent=indent),
        )
        for key, v in pairs
    ]
    body = (blank + "{" + blank + f"{blank},{blank}".join(k + v for k, v in texts) + blank + "}" + blank).encode(
        errors="surrogatepass"
    )
    changed = replace_model(body, model).decode(errors="surrogatepass")
    place = next((i for i, (key, _) in enumerate(pairs) if key == "model"), None)
    if place is None:
        assert json.loads(changed) == {**dict(pairs), "model": model}
        assert changed.startswith(body.decode(errors="surrogatepass").rstrip().removesuffix("}"))
    else:
        before = blank + "{" + blank + "".join(k + v + f"{blank},{blank}" for k, v in texts[:place]) + texts[place][0]
        after = "".join(f"{blank},{blank}" + k + v for k, v in texts[place + 1 :]) + blank + "}" + blank
        assert changed.startswith(before)
        assert changed.endswith(after)
        assert json.loads(changed[len(before) : len(changed) - len(after)]) == model


@given(st.binary(max_size=60) | st.text(alphabet='{}[]",:\\model 1', max_size=40).map(str.encode))
@settings(max_examples=500, deadline=None)
def test_no_bytes_raise(body: bytes) -> None:
    name = name_of(body)
    if name.model and body.lstrip().startswith(b"{"):
        replace_model(body, "x")
